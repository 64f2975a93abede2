//! Changes to one object, spliced into its bytes.

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

use super::{Broken, Member, Object};
use crate::rope::{Rope, Weaver};

/// Changes to one object, spliced into its bytes.
#[derive(Debug)]
pub struct Edit<'a> {
    object: &'a Object,
    changes: SmallVec<[(Cow<'static, str>, Change); 4]>,
}

#[derive(Debug)]
enum Change {
    Set(Rope),
    Remove,
}

impl<'a> Edit<'a> {
    pub(super) fn new(object: &'a Object) -> Self {
        Self { object, changes: SmallVec::new() }
    }

    /// Sets `key` to a JSON value's text: replaced in place where it is, else put first. The last change to a key wins.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Rope>) -> &mut Self {
        self.change(key.into(), Change::Set(value.into()))
    }

    /// Removes `key`, if it is there.
    pub fn remove(&mut self, key: impl Into<Cow<'static, str>>) -> &mut Self {
        let key = key.into();
        if self.object.find(&key).is_some() {
            return self.change(key, Change::Remove);
        }
        self.changes.retain(|(earlier, _)| *earlier != key);
        self
    }

    /// The edited text; untouched stretches share the buffer. Without changes: the text itself. A key that is there several times is
    /// set or removed as one.
    pub fn finish(self) -> Rope {
        let Self { object, changes } = self;
        if changes.is_empty() {
            return object.text.clone().into();
        }
        let mut pending: SmallVec<[Pending; 4]> = changes
            .into_iter()
            .map(|(key, change)| Pending { there: object.find(&key).is_some(), key, change, done: false })
            .collect();
        let mut splice = Splice::new(object);
        for new in pending.iter_mut().filter(|pending| !pending.there) {
            if let Change::Set(value) = &mut new.change {
                splice.insert(&new.key, std::mem::take(value));
            }
        }
        for member in &object.members {
            match pending.iter_mut().find(|pending| pending.there && object.is_key(member, &pending.key)) {
                None => splice.keep(member),
                Some(Pending { change: Change::Set(value), done, .. }) if !*done => {
                    *done = true;
                    splice.replace(member, std::mem::take(value));
                }
                Some(_) => splice.drop(),
            }
        }
        splice.finish()
    }

    /// The edited object. Broken if a value that was set is no JSON.
    pub fn object(self) -> Result<Object, Broken> {
        Object::scan(self.finish().into_bytes())
    }

    fn change(&mut self, key: Cow<'static, str>, change: Change) -> &mut Self {
        self.changes.retain(|(earlier, _)| *earlier != key);
        self.changes.push((key, change));
        self
    }
}

struct Pending {
    key: Cow<'static, str>,
    change: Change,
    there: bool,
    done: bool,
}

struct Splice<'a> {
    object: &'a Object,
    out: Weaver,
    /// The stretch of the old text that is being kept and not written yet; it ends behind the last kept value.
    run: Option<Range<usize>>,
    /// Whether a member is out.
    any: bool,
}

impl<'a> Splice<'a> {
    fn new(object: &'a Object) -> Self {
        Self { object, out: Weaver::with_room(object.text.len().min(512) + 256), run: None, any: false }
    }

    fn insert(&mut self, key: &str, value: Rope) {
        self.separate();
        self.out.quoted(key).text(":").rope(value);
    }

    fn keep(&mut self, member: &Member) {
        self.extend(member, member.value.end);
    }

    fn replace(&mut self, member: &Member, value: Rope) {
        self.extend(member, member.value.start);
        self.flush();
        self.out.rope(value);
        self.run = Some(member.value.end..member.value.end);
    }

    fn drop(&mut self) {
        self.flush();
    }

    fn finish(mut self) -> Rope {
        match &mut self.run {
            Some(run) => run.end = self.object.text.len(),
            None if self.any => {
                self.out.text("}");
            }
            None => {
                self.out.text("{}");
            }
        }
        self.flush();
        self.out.finish()
    }

    fn extend(&mut self, member: &Member, end: usize) {
        if let Some(run) = &mut self.run {
            run.end = end;
        } else {
            self.separate();
            self.run = Some(member.key.start..end);
        }
    }

    fn separate(&mut self) {
        self.out.text(if self.any { "," } else { "{" });
        self.any = true;
    }

    fn flush(&mut self) {
        if let Some(run) = self.run.take() {
            self.out.bytes(self.object.text.slice(run));
        }
    }
}
