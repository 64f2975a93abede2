//! What a policy reads, so that a decision builds only that. *Never* too little: of entities, any string in the policy that spells an
//! attribute counts; of the context, any use of it that is not a plain access counts as reading all of it.

use serde_json::Value;

use crate::evidence::Needs;

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

/// A part of the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Args,
    Tests,
    Facts,
    Reason,
    Findings,
    Session,
    Client,
    Time,
}

impl Part {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Args,
        Self::Tests,
        Self::Facts,
        Self::Reason,
        Self::Findings,
        Self::Session,
        Self::Client,
        Self::Time,
    ];

    /// The name in Cedar.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Args => "args",
            Self::Tests => "tests",
            Self::Facts => "facts",
            Self::Reason => "reason",
            Self::Findings => "findings",
            Self::Session => "session",
            Self::Client => "client",
            Self::Time => "time",
        }
    }

    /// What it is made of.
    const fn needs(self) -> Needs {
        match self {
            Self::Args | Self::Tests | Self::Facts => Needs::ARGUMENTS,
            Self::Reason => Needs::REASON,
            Self::Findings => Needs::FINDINGS,
            Self::Session => Needs::SESSION,
            Self::Client => Needs::CLIENT,
            Self::Time => Needs::TIME,
        }
    }
}

/// A set of attributes and parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    attributes: u16,
    parts: u8,
}

impl Reads {
    /// Everything there is.
    pub(crate) const ALL: Self = Self { attributes: u16::MAX, parts: u8::MAX };

    /// Whether this attribute is read.
    pub(crate) const fn has(self, attribute: Attribute) -> bool {
        self.attributes & (1 << attribute as u16) != 0
    }

    /// Whether this part of the context is read.
    pub(crate) const fn part(self, part: Part) -> bool {
        self.parts & (1 << part as u8) != 0
    }

    /// Whether any part is: then the verdict depends on the call.
    pub(crate) const fn context(self) -> bool {
        self.parts != 0
    }

    /// Of which evidence those parts are made. The user's own words come with the facts that use them.
    pub(crate) fn needs(self) -> Needs {
        Part::ALL
            .into_iter()
            .filter(|part| self.part(*part))
            .fold(Needs::NONE, |needs, part| needs.and(part.needs()))
    }

    /// What either reads.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self { attributes: self.attributes | other.attributes, parts: self.parts | other.parts }
    }
}

/// What a policy reads, and which names stand in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looked {
    /// The attributes and parts.
    pub(crate) reads: Reads,
    /// The arguments by their first name; `None`: any.
    pub(crate) args: Option<Vec<String>>,
    /// The facts are used as a set, not only asked for by their names: all of them count.
    pub(crate) all_facts: bool,
    /// Every text in the conditions.
    pub(crate) texts: Vec<String>,
}

impl Looked {
    /// What a policy reads.
    pub(crate) fn at(policy: &cedar_policy::Policy) -> Self {
        let everything = Self { reads: Reads::ALL, args: None, all_facts: true, texts: Vec::new() };
        let Ok(json) = policy.to_json() else { return everything };
        Self::in_json(json.get("conditions").unwrap_or(&Value::Null))
    }

    /// What an expression reads, in Cedar's JSON.
    pub(crate) fn in_json(json: &Value) -> Self {
        let mut looked = Self { args: Some(Vec::new()), ..Self::default() };
        looked.scan(json);
        looked
    }

    // Cedar's parser bounds the depth: what it parsed on this stack, we can walk.
    fn scan(&mut self, json: &Value) {
        match json {
            Value::String(text) => {
                for attribute in Attribute::ALL.into_iter().filter(|known| known.as_str() == text) {
                    self.reads.attributes |= 1 << attribute as u16;
                }
                self.texts.push(text.clone());
            }
            Value::Array(items) => items.iter().for_each(|item| self.scan(item)),
            Value::Object(members) => {
                if members.get("Var").is_some_and(|var| var == "context") {
                    self.reads.parts = u8::MAX;
                    self.args = None;
                    self.all_facts = true;
                    return;
                }
                for (key, value) in members {
                    let read = match key.as_str() {
                        "." | "has" => self.access(value),
                        "contains" | "containsAny" | "containsAll" => self.asks(value),
                        _ => false,
                    };
                    if !read {
                        self.scan(value);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// `context.PART` or `context.args.NAME`, also under `has`. Anything else is scanned.
    fn access(&mut self, operands: &Value) -> bool {
        // `has` may name a chain: the first of it is what is read here.
        let attr = operands.get("attr").map(|attr| attr.get(0).unwrap_or(attr));
        let Some(name) = attr.and_then(Value::as_str) else { return false };
        let Some(left) = operands.get("left") else { return false };
        if is_context(left) {
            let Some(part) = Part::ALL.into_iter().find(|part| part.as_str() == name) else { return false };
            self.reads.parts |= 1 << part as u8;
            match part {
                Part::Args => self.args = None,
                Part::Facts => self.all_facts = true,
                Part::Tests | Part::Reason | Part::Findings | Part::Session | Part::Client | Part::Time => {}
            }
            return true;
        }
        let inner = left.get(".").filter(|inner| inner.get("left").is_some_and(is_context));
        if inner.and_then(|inner| inner.get("attr")).is_some_and(|attr| attr == "args") {
            self.reads.parts |= 1 << Part::Args as u8;
            if let Some(args) = &mut self.args {
                args.push(name.to_owned());
            }
            return true;
        }
        false
    }

    /// `context.facts.contains("NAME")`, and the like of several. Anything else is scanned.
    fn asks(&mut self, operands: &Value) -> bool {
        let set = operands.get("left").and_then(|left| left.get("."));
        let facts = set.filter(|set| set.get("attr").is_some_and(|attr| attr == Part::Facts.as_str()));
        if !facts.and_then(|facts| facts.get("left")).is_some_and(is_context) {
            return false;
        }
        let Some(names) = operands.get("right").and_then(literals) else { return false };
        self.reads.parts |= 1 << Part::Facts as u8;
        for name in names {
            self.scan(name);
        }
        true
    }
}

/// The texts of a literal, or of a set of literals; `None`: it is worked out.
fn literals(json: &Value) -> Option<Vec<&Value>> {
    let texts = |items: &Value| items.as_array().is_some_and(|items| items.iter().all(Value::is_string));
    if let Some(value) = json.get("Value") {
        return (value.is_string() || texts(value)).then(|| vec![value]);
    }
    let items = json.get("Set")?.as_array()?.iter();
    items.map(|item| item.get("Value").filter(|value| value.is_string())).collect()
}

fn is_context(json: &Value) -> bool {
    json.get("Var").is_some_and(|var| var == "context")
}
