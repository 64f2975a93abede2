//! Entries as they are closed, for the index: like [`super::Follow`], of each only what the index keeps.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use uuid::Uuid;

use super::fold;
use super::model::{Place, Record};
use super::slim::{self, Slim};
use super::walk::{Cursor, Walk};
use crate::record::line::Kind;
use crate::record::stamp;
use crate::store::{Position, Row};

/// So many records of a chain are read in one go.
const BATCH: usize = 16 * 1024;
/// So many begins are remembered; others are looked up when their close comes.
const BEGINS_MAX: usize = 16 * 1024;

/// Reads on where it stopped, in all chains, new ones included.
#[derive(Debug)]
pub(in crate::record) struct Closed {
    walk: Walk,
    begins: HashMap<Uuid, Begun>,
}

/// A begin without a close yet.
#[derive(Debug)]
struct Begun {
    at_ms: u64,
    interaction: Option<String>,
    agent: Option<String>,
    server: Option<String>,
    tool: Option<String>,
}

impl Closed {
    pub(in crate::record) fn from_cursors(dir: &Path, cursors: BTreeMap<String, Cursor>) -> Self {
        Self { walk: Walk { dir: dir.to_owned(), cursors }, begins: HashMap::new() }
    }

    /// How far each chain is read.
    pub(in crate::record) fn positions(&self) -> Vec<Position> {
        let cursors = self.walk.cursors.iter();
        cursors
            .map(|(chain, at)| Position { chain: chain.clone(), segment: at.segment, offset: at.offset })
            .collect()
    }

    /// What was closed since, and whether more is there.
    pub(in crate::record) fn poll(&mut self) -> io::Result<(Vec<Row>, bool)> {
        let Self { walk, begins } = self;
        let dir = walk.dir.clone();
        let mut rows = Vec::new();
        let more = walk.on(BATCH, &mut |chain, at, text| {
            let Some((kind, id, slim)) = slim::read(text) else { return Ok(()) };
            if kind == Kind::Begin {
                if begins.len() < BEGINS_MAX {
                    begins.insert(id, Begun::of(&slim));
                }
                return Ok(());
            }
            let outcome = slim.outcome.as_deref().unwrap_or_default().to_owned();
            let position = Position { chain: chain.to_owned(), segment: at.segment, offset: at.offset };
            let begun = match (begins.remove(&id), slim.begin) {
                (Some(begun), _) => begun,
                (None, None) => Begun::of(&slim),
                (None, Some(_)) => match looked_up(&dir, text, &position)? {
                    Some(begun) => begun,
                    None => return Ok(()),
                },
            };
            let Begun { at_ms, interaction, agent, server, tool } = begun;
            rows.push(Row { id, at_ms, interaction, agent, server, tool, outcome, position });
            Ok(())
        })?;
        Ok((rows, more))
    }
}

impl Begun {
    fn of(slim: &Slim<'_>) -> Self {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        Self {
            at_ms: stamp::parse(slim.at).unwrap_or(0),
            interaction: owned(&slim.interaction),
            agent: owned(&slim.agent),
            server: owned(&slim.server),
            tool: owned(&slim.tool),
        }
    }
}

/// The begin of a close, sought before it: one of a park, or from before we started.
fn looked_up(dir: &Path, close: &[u8], at: &Position) -> io::Result<Option<Begun>> {
    let Some(close) = Record::read(close) else { return Ok(None) };
    let place = Place { chain: at.chain.clone(), segment: at.segment, offset: at.offset };
    let entry = fold::close(dir, close, place)?;
    let at_ms = entry.at_ms();
    let Record { interaction, agent, server, tool, .. } = entry.fields;
    Ok(Some(Begun { at_ms, interaction, agent, server, tool }))
}
