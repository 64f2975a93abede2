//! Answers as programs post them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Decision, Wish};
use crate::approve::grant::Condition;
use crate::config::parse_duration;

/// A yes, as it is posted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Yes {
    /// To what.
    #[serde(default)]
    pub scope: Wish,
    /// The arguments to run instead: an object.
    pub args: Option<Box<RawValue>>,
    /// With `pattern`: conditions as in `path like /srv/*`.
    #[serde(default)]
    pub pattern: Vec<String>,
    /// Until when it stands (RFC 3339).
    pub until: Option<String>,
    /// How long it stands: `8h`.
    #[serde(rename = "for")]
    pub lasting: Option<String>,
}

/// A no, as it is posted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct No {
    /// Why: goes back to the agent.
    pub note: Option<String>,
}

impl No {
    /// What it says.
    pub fn decision(self) -> Decision {
        Decision::Deny { note: self.note }
    }
}

impl Yes {
    /// What it says; why it says nothing sensible.
    pub fn decision(self, now_ms: u64) -> Result<Decision, String> {
        let until = match (self.until, self.lasting) {
            (None, None) => None,
            (Some(_), Some(_)) => return Err("`until` and `for` exclude each other".to_owned()),
            (Some(until), None) => {
                Some(moment(&until).ok_or("`until` is a time as in `2026-12-31T18:00:00Z`")?)
            }
            (None, Some(lasting)) => {
                let lasting = parse_duration(&lasting).ok_or("`for` is a duration as in `30m` or `8h`")?;
                Some(now_ms.saturating_add(u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX)))
            }
        };
        let condition = |text: &String| {
            Condition::parse(text)
                .ok_or_else(|| format!("`{text}` is no condition; write `path like /srv/*`"))
        };
        let pattern = self.pattern.iter().map(condition).collect::<Result<_, _>>()?;
        let args = self.args.map(|args| args.get().to_owned());
        Ok(Decision::Approve { scope: self.scope, args, pattern, until })
    }
}

fn moment(text: &str) -> Option<u64> {
    let time = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}
