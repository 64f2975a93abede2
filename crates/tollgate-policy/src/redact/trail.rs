//! Several paths, followed at once on one walk over a document.

use crate::path::{Path, Select};

/// One level down.
#[derive(Clone, Copy, Debug)]
pub(super) enum To<'a> {
    /// To a member.
    Member(&'a str),
    /// To an item of so many.
    Item {
        /// Its place.
        index: usize,
        /// How many there are.
        of: usize,
    },
}

/// How far each of several paths has been followed: `(which path, how many of its steps)`. Never more than there are steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail(smallvec::SmallVec<[(u16, u16); 8]>);

impl Trail {
    /// At a document's root.
    pub(super) fn root(paths: usize) -> Self {
        Self((0..u16::try_from(paths).unwrap_or(u16::MAX)).map(|path| (path, 0)).collect())
    }

    /// Joined with another one.
    pub(super) fn and(mut self, other: &Self) -> Self {
        for state in &other.0 {
            self.add(*state);
        }
        self
    }

    fn add(&mut self, state: (u16, u16)) {
        if !self.0.contains(&state) {
            self.0.push(state);
        }
    }

    /// One level down; and the first path that ends there.
    pub(super) fn down<'p, T>(&self, paths: &'p [(Path, T)], to: To<'_>) -> (Self, Option<&'p T>) {
        let mut next = Self::default();
        let mut ends = None;
        for (which, done) in &self.0 {
            let Some((path, value)) = paths.get(usize::from(*which)) else { continue };
            let Some(step) = path.steps().get(usize::from(*done)) else { continue };
            if step.deep {
                next.add((*which, *done));
            }
            let fits = match (&step.select, to) {
                (Select::Every, _) => true,
                (Select::Key(name), To::Member(key)) => name == key,
                (Select::At(place), To::Item { index, of }) => Select::place(*place, of) == Some(index),
                (Select::Key(_), To::Item { .. }) | (Select::At(_), To::Member(_)) => false,
            };
            if fits && usize::from(*done) + 1 == path.steps().len() {
                ends = ends.or(Some(value));
            } else if fits {
                next.add((*which, *done + 1));
            }
        }
        (next, ends)
    }
}
