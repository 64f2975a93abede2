//! What a host application says of a conversation in `_meta`.

use std::sync::Arc;

use tollgate_mcp::error::{INVALID_PARAMS, RpcError};
use tollgate_mcp::object::{Object, elements, unquote};

/// The most bytes of a conversation's id.
const ID_MAX: usize = 256;

/// The most bytes of the user's words.
const TASK_MAX: usize = 64 * 1024;

/// The most globs of `dev.tollgate/allow`, and the most bytes of each.
const GLOBS_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Hints {
    /// Which conversation it is.
    pub(super) id: Option<String>,
    /// Globs of `server/tool`: nothing else.
    pub(super) allow: Option<Arc<[String]>>,
    /// The user's own words.
    pub(super) task: Option<Arc<str>>,
}

impl Hints {
    /// Reads them out of a request's params. One that can't be read is refused: ignoring it would widen.
    pub(super) fn read(params: &Object, meta: &str) -> Result<Self, RpcError> {
        let Some(said) = params.object("_meta") else { return Ok(Self::default()) };
        let text = |key: &str, max: usize| match said.slice(key) {
            None => Ok(None),
            Some(value) => match unquote(value) {
                Some(text) if text.len() <= max && !text.is_empty() => Ok(Some(text.into_owned())),
                _ => Err(bad(key, &format!("must be a string of 1 to {max} bytes"))),
            },
        };
        let allow = match said.get("dev.tollgate/allow") {
            None => None,
            Some(array) => {
                let globs = elements(&array).ok().filter(|globs| globs.len() <= GLOBS_MAX);
                let globs = globs.and_then(|globs| {
                    globs
                        .iter()
                        .map(|glob| {
                            unquote(glob).filter(|g| g.len() <= ID_MAX).map(std::borrow::Cow::into_owned)
                        })
                        .collect::<Option<Vec<String>>>()
                });
                let wrong = || {
                    bad("dev.tollgate/allow", &format!("must be at most {GLOBS_MAX} globs of `server/tool`"))
                };
                Some(Arc::from(globs.ok_or_else(wrong)?))
            }
        };
        Ok(Self { id: text(meta, ID_MAX)?, allow, task: text("dev.tollgate/task", TASK_MAX)?.map(Arc::from) })
    }
}

pub(super) fn bad(key: &str, why: &str) -> RpcError {
    RpcError::new(INVALID_PARAMS, format!("`_meta` `{key}` {why}"))
}
