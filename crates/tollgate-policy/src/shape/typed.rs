//! The type of an argument, by its name: for checking rules before any call. *Never* says that there is no such argument where the
//! schema leaves it open.

use super::{Node, Shape, Types};

/// What is known of an argument.
#[derive(Debug)]
pub(crate) enum Look<'a> {
    /// There is none of this name; these there are.
    Missing {
        /// The first name that is not there.
        name: String,
        /// Those that are.
        known: Vec<&'a str>,
    },
    /// It may be there, and be anything.
    Open,
    /// It has these types.
    Typed(&'a Node),
}

impl Shape {
    /// The argument `a.b.c`.
    pub(crate) fn look(&self, path: &[String]) -> Look<'_> {
        let mut node = &self.root;
        for name in path {
            match node.member(name) {
                Look::Typed(next) => node = next,
                other @ (Look::Open | Look::Missing { .. }) => return other,
            }
        }
        Look::Typed(node)
    }

    /// All of them.
    pub(crate) const fn root(&self) -> &Node {
        &self.root
    }

    /// The arguments as a Cedar record type, without what Cedar has no type for.
    pub(crate) fn cedar(&self) -> String {
        self.root.cedar().filter(|text| text.starts_with('{')).unwrap_or_else(|| "{}".into())
    }
}

impl Node {
    /// Its member of this name.
    pub(crate) fn member(&self, name: &str) -> Look<'_> {
        if let Some(node) = self.properties.as_ref().and_then(|properties| properties.get(name)) {
            return if node.is_open() { Look::Open } else { Look::Typed(node) };
        }
        // A part of `allOf` may know it; a choice may have it.
        if let Some(node) = self.all.iter().find_map(|part| part.properties.as_ref()?.get(name)) {
            return if node.is_open() { Look::Open } else { Look::Typed(node) };
        }
        match &self.properties {
            Some(properties) if self.choices.is_empty() && self.all.is_empty() => Look::Missing {
                name: name.to_owned(),
                known: properties.keys().map(String::as_str).collect(),
            },
            Some(_) | None if !self.types.has(Types::OBJECT) => {
                Look::Missing { name: name.to_owned(), known: Vec::new() }
            }
            Some(_) | None => Look::Open,
        }
    }

    /// It says nothing of its type.
    pub(crate) fn is_open(&self) -> bool {
        self.types.present() == Types::ANY.present() || !self.choices.is_empty() || !self.all.is_empty()
    }

    /// Its Cedar type; `None`: Cedar has none for it.
    fn cedar(&self) -> Option<String> {
        if !self.choices.is_empty() || !self.all.is_empty() {
            return None;
        }
        match self.types.present() {
            Types::TEXT => Some("String".into()),
            Types::INTEGER => Some("Long".into()),
            Types::BOOL => Some("Bool".into()),
            Types::LIST => Some(format!("Set<{}>", self.items.as_ref()?.cedar()?)),
            Types::OBJECT => {
                let mut text = String::from("{");
                for (name, node) in self.properties.iter().flatten() {
                    let Some(inner) = node.cedar() else { continue };
                    crate::compile::quote::text(&mut text, name.chars());
                    let required = self.required.contains(name) && !node.types.has(Types::NULL);
                    text.push_str(if required { ": " } else { "?: " });
                    text.push_str(&inner);
                    text.push_str(", ");
                }
                text.push('}');
                Some(text)
            }
            _ => None,
        }
    }
}
