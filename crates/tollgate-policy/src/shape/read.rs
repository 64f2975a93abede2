//! Schema text to nodes. *Never* more of them than a bounded number: what a schema says beyond is not known.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use super::{Node, Shape, Types};

/// The largest schema (threats.md, "Default limits").
const BYTES_MAX: usize = 256 << 10;

/// The most subschemas, references followed.
const NODES_MAX: usize = 1_000;

/// The deepest nesting, references followed.
const DEPTH_MAX: usize = 32;

pub(super) fn shape(schema: &[u8]) -> Option<Shape> {
    if schema.len() > BYTES_MAX {
        return None;
    }
    let root: Value = serde_json::from_slice(schema).ok()?;
    let mut reader = Reader { root: &root, nodes: 0 };
    let node = reader.node(&root, 0);
    let mut hasher = DefaultHasher::new();
    schema.hash(&mut hasher);
    Some(Shape { root: node, id: hasher.finish() })
}

struct Reader<'a> {
    root: &'a Value,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn node(&mut self, schema: &Value, depth: usize) -> Node {
        self.nodes += 1;
        let Value::Object(schema) = schema else { return Node::default() };
        if self.nodes > NODES_MAX || depth > DEPTH_MAX {
            return Node::default();
        }
        let mut node = Node { types: types(schema), ..Node::default() };
        if let Some(Value::Object(properties)) = schema.get("properties") {
            let read = properties.iter().map(|(name, inner)| (name.clone(), self.node(inner, depth + 1)));
            node.properties = Some(read.collect());
        }
        node.closed = schema.get("additionalProperties") == Some(&Value::Bool(false))
            && !schema.contains_key("patternProperties");
        if let Some(Value::Array(names)) = schema.get("required") {
            node.required = names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        }
        if let Some(items @ Value::Object(_)) = schema.get("items") {
            // With `prefixItems`, `items` speaks of the rest only.
            if !schema.contains_key("prefixItems") {
                node.items = Some(Box::new(self.node(items, depth + 1)));
            }
        }
        node.options = match (schema.get("enum"), schema.get("const")) {
            (_, Some(only)) => Some(vec![only.clone()]),
            (Some(Value::Array(options)), None) => Some(options.clone()),
            _ => None,
        };
        for (slot, key) in
            node.bounds.iter_mut().zip(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"])
        {
            *slot = match schema.get(key) {
                Some(Value::Number(bound)) => Some(bound.to_string()),
                _ => None,
            };
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(choices)) = schema.get(key) {
                node.choices.push(choices.iter().map(|choice| self.node(choice, depth + 1)).collect());
            }
        }
        if let Some(Value::Array(all)) = schema.get("allOf") {
            node.all = all.iter().map(|part| self.node(part, depth + 1)).collect();
        }
        if let Some(Value::String(reference)) = schema.get("$ref")
            && let Some(meant) = self.resolve(reference)
        {
            let meant = self.node(meant, depth + 1);
            node.all.push(meant);
        }
        simple(node)
    }

    /// A reference within this schema.
    fn resolve(&self, reference: &str) -> Option<&'a Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }
}

/// `anyOf: [X, null]`, which generators write for optional arguments, is X or null; a single `allOf` or `$ref` is what it holds.
fn simple(mut node: Node) -> Node {
    if let [choices] = node.choices.as_slice()
        && node.types == Types::ANY
        && node.properties.is_none()
        && node.all.is_empty()
    {
        let (nulls, others): (Vec<_>, Vec<_>) =
            choices.iter().cloned().partition(|choice| choice.types == Types::NULL);
        if let ([_, ..], [one]) = (nulls.as_slice(), others.as_slice()) {
            let mut one = one.clone();
            one.types = one.types.and(Types::NULL);
            if let Some(options) = &mut one.options {
                options.push(Value::Null);
            }
            return one;
        }
    }
    if let [one] = node.all.as_slice()
        && node.types == Types::ANY
        && node.properties.is_none()
        && node.choices.is_empty()
        && node.options.is_none()
        && node.items.is_none()
    {
        return one.clone();
    }
    if node.types == Types::NONE {
        node.types = Types::ANY;
    }
    node
}

fn types(schema: &Map<String, Value>) -> Types {
    let one = |name: &Value| match name.as_str() {
        Some("null") => Types::NULL,
        Some("boolean") => Types::BOOL,
        Some("integer") => Types::INTEGER,
        Some("number") => Types::NUMBER.and(Types::INTEGER),
        Some("string") => Types::TEXT,
        Some("array") => Types::LIST,
        Some("object") => Types::OBJECT,
        _ => Types::ANY,
    };
    match schema.get("type") {
        None => Types::ANY,
        Some(Value::Array(names)) => names.iter().fold(Types::NONE, |types, name| types.and(one(name))),
        Some(name) => one(name),
    }
}
