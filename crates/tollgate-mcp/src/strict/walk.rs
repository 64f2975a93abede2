//! One pass over the text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::Fault;
use super::twin::{Place, twin};

/// serde_json itself stops at the 128th level; ours must come first.
const DEEPEST: usize = 126;

/// Objects up to this many keys are compared pairwise.
const FEW: usize = 16;

pub(super) fn walk(text: &str, limit: usize) -> Result<(), Fault> {
    let mut state = State { limit: limit.min(DEEPEST), depth: 0, keys: SmallVec::new(), fault: None };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Value { state: &mut state, place: Place::Message }
        .deserialize(&mut reader)
        .and_then(|()| reader.end());
    match (state.fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(Fault::Json { why: error.to_string() }),
        (None, Ok(())) => Ok(()),
    }
}

struct State<'t> {
    limit: usize,
    depth: usize,
    /// The keys of all open objects, outermost first.
    keys: SmallVec<[Cow<'t, str>; 24]>,
    fault: Option<Fault>,
}

impl State<'_> {
    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > self.limit {
            return Err(self.fail(Fault::Depth { limit: self.limit }));
        }
        Ok(())
    }

    /// Keeps the fault; the error only ends the pass.
    fn fail<E: Error>(&mut self, fault: Fault) -> E {
        self.fault = Some(fault);
        E::custom("refused")
    }
}

struct Value<'s, 't> {
    state: &'s mut State<'t>,
    place: Place,
}

impl<'t> DeserializeSeed<'t> for Value<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Value<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut items: A) -> Result<(), A::Error> {
        self.state.enter()?;
        let place = self.place.of_item();
        while items.next_element_seed(Value { state: &mut *self.state, place })?.is_some() {}
        self.state.depth -= 1;
        Ok(())
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { state, place } = self;
        state.enter()?;
        let start = state.keys.len();
        let mut many: Option<HashSet<Cow<'t, str>>> = None;
        while let Some(key) = members.next_key_seed(Key)? {
            if let Some(protocol) = twin(place, &key) {
                return Err(state.fail(Fault::Twin { key: key.into_owned(), protocol }));
            }
            let inner = place.of_member(&key);
            let earlier = state.keys.get(start..).unwrap_or_default();
            let is_new = match &mut many {
                Some(seen) => seen.insert(key.clone()),
                None => !earlier.contains(&key),
            };
            if !is_new {
                return Err(state.fail(Fault::Duplicate { key: key.into_owned() }));
            }
            if many.is_none() {
                if earlier.len() == FEW {
                    many = Some(earlier.iter().cloned().chain([key]).collect());
                } else {
                    state.keys.push(key);
                }
            }
            members.next_value_seed(Value { state: &mut *state, place: inner })?;
        }
        state.keys.truncate(start);
        state.depth -= 1;
        Ok(())
    }
}

struct Key;

impl<'t> DeserializeSeed<'t> for Key {
    type Value = Cow<'t, str>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Cow<'t, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Key {
    type Value = Cow<'t, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'t str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
