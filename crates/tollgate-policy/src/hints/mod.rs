//! A server's hints about a tool, and what we make of them. *Never* trusts a hint that makes a tool look safer than its name.

/// Words of a name that make a tool destructive (contract.md, "A config without `policy`").
const DESTRUCTIVE: [&str; 13] = [
    "delete",
    "drop",
    "remove",
    "destroy",
    "truncate",
    "purge",
    "wipe",
    "erase",
    "revoke",
    "kill",
    "terminate",
    "uninstall",
    "reset",
];

/// A tool's `annotations` as its server sent them; `None` = absent (schema `ToolAnnotations`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// `readOnlyHint`.
    pub read_only: Option<bool>,
    /// `destructiveHint`.
    pub destructive: Option<bool>,
    /// `idempotentHint`.
    pub idempotent: Option<bool>,
    /// `openWorldHint`.
    pub open_world: Option<bool>,
}

impl Hints {
    /// Whether the server said anything.
    pub const fn any(self) -> bool {
        self.read_only.is_some()
            || self.destructive.is_some()
            || self.idempotent.is_some()
            || self.open_world.is_some()
    }
}

/// What policy sees of a tool beside its name. Prompts and resources have the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each an attribute in policy")]
pub struct Flags {
    /// It may destroy something: [`effective_destructive`].
    pub destructive: bool,
    /// Its server says that it changes nothing, and it isn't destructive.
    pub read_only: bool,
    /// Its server says that calling it twice is calling it once.
    pub idempotent: bool,
    /// It reaches out of its server; so too where its server doesn't say (the protocol's default).
    pub open_world: bool,
    /// Its server sent hints at all.
    pub hinted: bool,
    /// Its definition is the accepted one.
    pub pinned: bool,
}

impl Flags {
    /// The effective flags of the tool `name` (its original name). `destructive` is the operator's override.
    pub fn of_tool(name: &str, hints: Hints, destructive: Option<bool>, pinned: bool) -> Self {
        let destructive = effective_destructive(destructive, hints.destructive, hints.read_only, name);
        Self {
            destructive,
            read_only: hints.read_only == Some(true) && !destructive,
            idempotent: hints.idempotent == Some(true),
            open_world: hints.open_world != Some(false),
            hinted: hints.any(),
            pinned,
        }
    }
}

/// Whether a tool counts as destructive: the operator's override; else true if the server says so (without also saying that the tool
/// is read-only), or a word of the name does. A false hint never clears a name; an absent one is not destructive.
pub fn effective_destructive(
    operator: Option<bool>,
    destructive_hint: Option<bool>,
    read_only_hint: Option<bool>,
    name: &str,
) -> bool {
    if let Some(said) = operator {
        return said;
    }
    (destructive_hint == Some(true) && read_only_hint != Some(true)) || names_destruction(name)
}

/// Whether a word of the name is one of [`DESTRUCTIVE`]. Words end at `_ - .`, at any other character that is neither letter nor
/// digit, and where the case changes.
fn names_destruction(name: &str) -> bool {
    name.split(|c: char| !c.is_alphanumeric()).any(|run| {
        let run: Vec<char> = run.chars().collect();
        // `deleteAll` and `HTTPDelete` split before a capital, `DELETEall` after the last one: the two readings of a case change.
        [false, true].into_iter().any(|after| has_word(&run, after))
    })
}

/// Whether a word of `run` is destructive. A capital run ends `after` its last letter, or before it (`HTTPDelete`).
fn has_word(run: &[char], after: bool) -> bool {
    let mut word = String::new();
    for (at, c) in run.iter().enumerate() {
        let upper_before = at.checked_sub(1).and_then(|i| run.get(i)).is_some_and(|c| c.is_uppercase());
        let two_upper_before =
            upper_before && at.checked_sub(2).and_then(|i| run.get(i)).is_some_and(|c| c.is_uppercase());
        let lower_after = run.get(at + 1).is_some_and(|c| c.is_lowercase());
        let starts = if after {
            (c.is_uppercase() && !upper_before) || (c.is_lowercase() && two_upper_before)
        } else {
            c.is_uppercase() && (!upper_before || lower_after)
        };
        if starts {
            if DESTRUCTIVE.contains(&word.as_str()) {
                return true;
            }
            word.clear();
        }
        word.extend(c.to_lowercase());
    }
    DESTRUCTIVE.contains(&word.as_str())
}

#[cfg(test)]
mod tests;
