//! Which attributes a policy reads, so that a decision builds only those. *Never* too few: any string in the policy that spells an
//! attribute counts.

use serde_json::Value;

/// The attributes of the schema's entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Name,
    User,
    Tenant,
    Groups,
    Server,
    Path,
    Destructive,
    ReadOnly,
    Idempotent,
    OpenWorld,
    Hinted,
    Pinned,
    Labels,
}

impl Attribute {
    /// All of them.
    pub(crate) const ALL: [Self; 13] = [
        Self::Name,
        Self::User,
        Self::Tenant,
        Self::Groups,
        Self::Server,
        Self::Path,
        Self::Destructive,
        Self::ReadOnly,
        Self::Idempotent,
        Self::OpenWorld,
        Self::Hinted,
        Self::Pinned,
        Self::Labels,
    ];

    /// The name in Cedar.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::User => "user",
            Self::Tenant => "tenant",
            Self::Groups => "groups",
            Self::Server => "server",
            Self::Path => "path",
            Self::Destructive => "destructive",
            Self::ReadOnly => "read_only",
            Self::Idempotent => "idempotent",
            Self::OpenWorld => "open_world",
            Self::Hinted => "hinted",
            Self::Pinned => "pinned",
            Self::Labels => "labels",
        }
    }
}

/// A set of attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    attributes: u16,
}

impl Reads {
    /// Everything there is.
    pub(crate) const ALL: Self = Self { attributes: u16::MAX };

    /// What a policy reads.
    pub(crate) fn of(policy: &cedar_policy::Policy) -> Self {
        let Ok(json) = policy.to_json() else { return Self::ALL };
        let mut reads = Self::default();
        reads.scan(json.get("conditions").unwrap_or(&Value::Null));
        reads
    }

    /// Whether this attribute is read.
    pub(crate) const fn has(self, attribute: Attribute) -> bool {
        self.attributes & (1 << attribute as u16) != 0
    }

    /// What either reads.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self { attributes: self.attributes | other.attributes }
    }

    // Cedar's parser bounds the depth: what it parsed on this stack, we can walk.
    fn scan(&mut self, json: &Value) {
        match json {
            Value::String(text) => {
                for attribute in Attribute::ALL.into_iter().filter(|known| known.as_str() == text) {
                    self.attributes |= 1 << attribute as u16;
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.scan(item)),
            Value::Object(members) => members.values().for_each(|value| self.scan(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
