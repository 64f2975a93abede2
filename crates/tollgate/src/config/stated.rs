use tollgate_mcp::name::glob;

/// Which tools' calls are asked for a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// Globs over `server/original`: one may be given.
    pub optional: Vec<String>,
    /// Globs over `server/original`: without one a call is refused.
    pub required: Vec<String>,
}

/// Whether a call needs a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// One may be given.
    Optional,
    /// Without one it is refused.
    Required,
}

impl Reason {
    /// Whether no tool is asked.
    pub fn is_empty(&self) -> bool {
        self.optional.is_empty() && self.required.is_empty()
    }

    /// What a tool's calls are asked; `None` = nothing.
    pub fn of(&self, label: &str) -> Option<Stated> {
        let any = |globs: &[String]| globs.iter().any(|g| glob(g, label));
        if any(&self.required) {
            return Some(Stated::Required);
        }
        any(&self.optional).then_some(Stated::Optional)
    }
}
