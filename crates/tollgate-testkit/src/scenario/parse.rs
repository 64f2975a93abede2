use std::ops::Range;
use std::path::{Path, PathBuf};

use super::over::{Variant, variants};
use crate::{Failure, Result};

/// One file.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where it is.
    pub path: PathBuf,
    /// Its whole text.
    pub source: String,
    /// The promise: its heading.
    pub title: String,
    /// Why: the prose between the heading and the first block.
    pub why: String,
    /// With whom it is played.
    pub variants: Vec<Variant>,
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
}

/// One fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// What it does.
    pub step: Step,
    /// Its text.
    pub body: String,
    /// Where its text stands in the source, in bytes.
    pub place: Range<usize>,
    /// The line of its opening fence, from 1.
    pub line: usize,
}

/// What a block does. A name is an agent's or a server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `yaml gateway`: starts the gateway.
    Gateway,
    /// `yaml gateway reloads`: gives it another configuration.
    Reloads,
    /// `yaml gateway refuses`: gives it another configuration that it must not take.
    Refuses,
    /// `text gateway restarts`: SIGTERM, exit 0, start.
    Restarts,
    /// `text gateway is killed`: SIGKILL, start.
    Killed,
    /// `yaml agent`: says how an agent speaks.
    Agent(String),
    /// An agent starts a request.
    Requests(Request, String),
    /// `json agent answers`: the result that answers a question.
    Answers(String),
    /// `text agent cancels`: gives up the oldest call.
    Cancels(String),
    /// `text server NAME crashes`.
    Crashes(String),
    /// `text server NAME returns`: after a crash.
    Returns(String),
    /// `yaml server NAME offers`: another script, and the news of it.
    Offers(String),
    /// An operator acts.
    Operates(Act, String),
    /// `text operator runs`: commands of the binary, one a line; one after `!` must fail.
    Runs,
    /// Compared with what came, or rewritten by bless.
    Checks(Check),
}

/// A request of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `json agent calls`: `{tool, arguments}`.
    Calls,
    /// `json agent lists`: `{list, full}`.
    Lists,
    /// `json agent reads`: `{uri}`.
    Reads,
    /// `json agent prompts`: `{prompt, arguments}`.
    Prompts,
    /// `json agent completes`: `{ref, argument}`.
    Completes,
    /// `json agent sends`: `{method, params}`.
    Sends,
    /// `json agent awaits`: `{task}`.
    Awaits,
}

/// What an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// `json operator approves`: the admin API's body; `refused` is the status that is expected instead, `again` the question that was
    /// answered last.
    Approves,
    /// `json operator denies`: likewise.
    Denies,
    /// `json operator revokes`: the newest grant that stands.
    Revokes,
}

/// What is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// `json agent gets`: the end of its oldest call.
    Gets(String),
    /// `json agent is asked`.
    Asked(String),
    /// `json agent sees`: notifications on a call.
    Sees(String),
    /// `json server NAME receives`.
    Receives(String),
    /// `json operator sees`: the questions that wait.
    Inbox(String),
    /// `json operator grants`: the grants that stand.
    Grants(String),
    /// `json ledger`: the entries since the last such block.
    Ledger,
    /// `text metrics`: lines that must be there.
    Metrics,
    /// `text operator reads`: lines that the last command prints, at once or soon when it is run again.
    Reads,
}

impl Step {
    /// Whether bless rewrites it.
    pub fn is_checked(&self) -> bool {
        matches!(self, Self::Checks(_))
    }

    /// Reads a fence's words after the language.
    fn parse(words: &[&str]) -> Result<Self> {
        let unavailable = |what: &str| Failure::new(format!("`{what}` is not available in this version"));
        Ok(match words {
            ["gateway"] => Self::Gateway,
            ["gateway", "reloads"] => Self::Reloads,
            ["gateway", "refuses"] => Self::Refuses,
            ["gateway", "restarts"] => Self::Restarts,
            ["gateway", "is", "killed"] => Self::Killed,
            ["ledger"] => Self::Checks(Check::Ledger),
            ["metrics"] => Self::Checks(Check::Metrics),
            ["server", name, "receives"] => Self::Checks(Check::Receives((*name).to_owned())),
            ["server", name, "crashes"] => Self::Crashes((*name).to_owned()),
            ["server", name, "returns"] => Self::Returns((*name).to_owned()),
            ["server", name, "offers"] => Self::Offers((*name).to_owned()),
            ["operator", "runs"] => Self::Runs,
            ["operator", "reads"] => Self::Checks(Check::Reads),
            ["operator", rest @ ..] => Self::of_operator(rest)?,
            ["clock", ..] => return Err(unavailable("clock")),
            ["agent", rest @ ..] => Self::of_agent(rest)?,
            _ => return Err(Failure::new(format!("no block is called `{}`", words.join(" ")))),
        })
    }

    fn of_operator(words: &[&str]) -> Result<Self> {
        let (name, verb) = match words {
            [verb] => (DEFAULT_OPERATOR, *verb),
            [name, verb] => (*name, *verb),
            _ => ("", ""),
        };
        let name = name.to_owned();
        Ok(match verb {
            "approves" => Self::Operates(Act::Approves, name),
            "denies" => Self::Operates(Act::Denies, name),
            "revokes" => Self::Operates(Act::Revokes, name),
            "sees" => Self::Checks(Check::Inbox(name)),
            "grants" => Self::Checks(Check::Grants(name)),
            _ => return Err(Failure::new(format!("an operator can't `{}`", words.join(" ")))),
        })
    }

    /// The operator it is about.
    pub fn operator(&self) -> Option<&str> {
        match self {
            Self::Operates(_, name) | Self::Checks(Check::Inbox(name) | Check::Grants(name)) => Some(name),
            Self::Gateway
            | Self::Reloads
            | Self::Refuses
            | Self::Restarts
            | Self::Runs
            | Self::Killed
            | Self::Agent(_)
            | Self::Requests(..)
            | Self::Answers(_)
            | Self::Cancels(_)
            | Self::Crashes(_)
            | Self::Returns(_)
            | Self::Offers(_)
            | Self::Checks(
                Check::Gets(_)
                | Check::Asked(_)
                | Check::Sees(_)
                | Check::Receives(_)
                | Check::Ledger
                | Check::Metrics
                | Check::Reads,
            ) => None,
        }
    }

    fn of_agent(words: &[&str]) -> Result<Self> {
        let verb = |words: &[&str], name: &str| {
            let name = name.to_owned();
            Some(match words {
                [] => Self::Agent(name),
                ["calls"] => Self::Requests(Request::Calls, name),
                ["lists"] => Self::Requests(Request::Lists, name),
                ["reads"] => Self::Requests(Request::Reads, name),
                ["prompts"] => Self::Requests(Request::Prompts, name),
                ["completes"] => Self::Requests(Request::Completes, name),
                ["sends"] => Self::Requests(Request::Sends, name),
                ["awaits"] => Self::Requests(Request::Awaits, name),
                ["answers"] => Self::Answers(name),
                ["cancels"] => Self::Cancels(name),
                ["gets"] => Self::Checks(Check::Gets(name)),
                ["sees"] => Self::Checks(Check::Sees(name)),
                ["is", "asked"] => Self::Checks(Check::Asked(name)),
                _ => return None,
            })
        };
        verb(words, DEFAULT_AGENT)
            .or_else(|| words.split_first().and_then(|(name, rest)| verb(rest, name)))
            .ok_or_else(|| Failure::new(format!("an agent can't `{}`", words.join(" "))))
    }

    /// The agent it is about.
    pub fn agent(&self) -> Option<&str> {
        match self {
            Self::Agent(name)
            | Self::Requests(_, name)
            | Self::Answers(name)
            | Self::Cancels(name)
            | Self::Checks(Check::Gets(name) | Check::Asked(name) | Check::Sees(name)) => Some(name),
            Self::Gateway
            | Self::Reloads
            | Self::Refuses
            | Self::Restarts
            | Self::Killed
            | Self::Crashes(_)
            | Self::Returns(_)
            | Self::Offers(_)
            | Self::Operates(..)
            | Self::Runs
            | Self::Checks(
                Check::Receives(_)
                | Check::Inbox(_)
                | Check::Grants(_)
                | Check::Ledger
                | Check::Metrics
                | Check::Reads,
            ) => None,
        }
    }
}

/// The agent of a block that names none.
pub(super) const DEFAULT_AGENT: &str = "alice";

/// The operator of a block that names none: the holder of the operator token.
pub(super) const DEFAULT_OPERATOR: &str = "operator";

impl Scenario {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self> {
        let source =
            std::fs::read_to_string(path).map_err(|e| Failure::from(e).while_doing(path.display()))?;
        Self::parse(path, source)
    }

    /// Reads a file's text.
    pub fn parse(path: &Path, source: String) -> Result<Self> {
        let mut scenario = Self {
            path: path.to_owned(),
            title: String::new(),
            why: String::new(),
            variants: variants("")?,
            blocks: Vec::new(),
            source: String::new(),
        };
        let mut open: Option<(Step, usize, usize)> = None;
        let mut at = 0;
        for (number, line) in source.split_inclusive('\n').enumerate() {
            let here = |failure: Failure| failure.while_doing(format!("{}:{}", path.display(), number + 1));
            let text = line.trim_end();
            match (text.strip_prefix("```"), open.take()) {
                (Some(""), Some((step, from, line))) => {
                    let body = source.get(from..at).unwrap_or_default().to_owned();
                    scenario.blocks.push(Block { step, body, place: from..at, line });
                }
                (Some(_), Some(_)) => return Err(here("a block inside a block".into())),
                (Some(info), None) => {
                    let words: Vec<&str> = info.split_whitespace().skip(1).collect();
                    open = Some((Step::parse(&words).map_err(here)?, at + line.len(), number + 1));
                }
                (None, Some(block)) => open = Some(block),
                (None, None) => scenario.prose(text).map_err(here)?,
            }
            at += line.len();
        }
        if let Some((_, _, line)) = open {
            return Err(Failure::new(format!("{}:{line}: the block does not end", path.display())));
        }
        scenario.source = source;
        scenario.judge().map_err(|failure| failure.while_doing(path.display()))?;
        Ok(scenario)
    }

    fn prose(&mut self, line: &str) -> Result<()> {
        if let Some(over) = line.strip_prefix("<!-- over:").and_then(|rest| rest.strip_suffix("-->")) {
            self.variants = variants(over)?;
        } else if let Some(title) = line.strip_prefix("# ") {
            title.clone_into(&mut self.title);
        } else if self.blocks.is_empty() && !line.starts_with("<!--") && !line.is_empty() {
            self.why.push_str(line);
            self.why.push('\n');
        }
        Ok(())
    }

    /// What every file must have.
    fn judge(&self) -> Result<()> {
        let gateway = self.blocks.iter().position(|block| block.step == Step::Gateway);
        let acting = |block: &Block| !matches!(block.step, Step::Agent(_) | Step::Gateway);
        if self.title.is_empty() {
            return Err("no heading: what is promised?".into());
        }
        if self.why.split_whitespace().count() < 5 {
            return Err("no prose before the first block: why does it matter?".into());
        }
        match gateway {
            None => return Err("no `yaml gateway` block".into()),
            Some(place) if self.blocks.iter().take(place).any(acting) => {
                return Err("something happens before the `yaml gateway` block".into());
            }
            Some(_) => {}
        }
        if !self.blocks.iter().any(|block| block.step.is_checked()) {
            return Err("nothing is checked".into());
        }
        Ok(())
    }

    /// The operators it speaks of who have keys of their own, in order of appearance.
    pub fn operators(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for name in self.blocks.iter().filter_map(|block| block.step.operator()) {
            if name != DEFAULT_OPERATOR && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The agents it speaks of, in order of appearance.
    pub fn agents(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for name in self.blocks.iter().filter_map(|block| block.step.agent()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl Block {
    /// Whether it asserts silence.
    pub fn is_nothing(&self) -> bool {
        self.body.trim() == "nothing"
    }
}
