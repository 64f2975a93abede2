//! Rules to verdicts: whether an agent's call may pass, must be asked about, or is refused, and why.
//!
//! ```
//! use tollgate_policy::{Action, Caller, Effect, Evidence, Flags, Kind, Policy, Rule, Source, Target, Verdict};
//!
//! let policy = Policy::compile(&Source {
//!     default: Effect::Deny,
//!     rules: vec![
//!         Rule::new("reads", Effect::Allow, "jira/*"),
//!         Rule {
//!             because: Some("project deletes go through the platform team".into()),
//!             ..Rule::new("no-project-delete", Effect::Deny, "jira/delete_project")
//!         },
//!         Rule { when: Some("tool.destructive".into()), ..Rule::new("deletes", Effect::Ask, "*/*") },
//!     ],
//!     include: vec![],
//!     facts: vec![],
//! })?;
//!
//! let coder = Caller { agent: "coder", user: None, tenant: None, groups: &[] };
//! let tool = |name| Target {
//!     server: "jira",
//!     name,
//!     kind: Kind::Tool,
//!     flags: Flags { destructive: tollgate_policy::effective_destructive(None, None, None, name), ..Flags::default() },
//!     labels: &[],
//! };
//!
//! let verdict = policy.decide(&coder, Action::Call, &tool("get_issue"), &Evidence::default(), &[]);
//! assert!(matches!(verdict, Verdict::Allow { .. }));
//!
//! let verdict = policy.decide(&coder, Action::Call, &tool("delete_issue"), &Evidence::default(), &[]);
//! assert!(matches!(verdict, Verdict::Ask { rule, .. } if &*rule == "deletes"));
//!
//! let verdict = policy.decide(&coder, Action::Call, &tool("delete_project"), &Evidence::default(), &[]);
//! assert!(matches!(verdict, Verdict::Deny { rule, .. } if &*rule == "no-project-delete"));
//! assert!(!policy.visible(&coder, &tool("delete_project")));
//! # Ok::<(), tollgate_policy::Problems>(())
//! ```
//!
//! # How it decides
//!
//! Rules are written in a shorthand ([`Rule`]) or in Cedar ([`Include`]). The shorthand is compiled to Cedar text, which
//! [`Policy::show`] prints and which is what runs: there is one engine. Deny beats ask beats allow, whatever the order.
//!
//! * An **ask** is a `forbid` annotated `@ask("agent")`, which that audience's approval lifts. Before anyone is asked, the call is
//!   decided as if every ask were approved: if it would still be denied, it is denied now. A shorthand ask also permits what it
//!   matches, so an approval is enough.
//! * A rule that **can't be evaluated denies**, and is named. Cedar itself skips such a policy, so a `forbid` that fails would let
//!   a call pass.
//! * A shorthand rule covers `call`, `read`, `get` and `complete`. `list`, `subscribe` and `see` follow from what could be allowed;
//!   `sample` and `elicit` obey the default and Cedar policies.
//!
//! # How it stays fast
//!
//! Cedar evaluates every policy of a set. So a decision first leaves out each rule whose target, action or `for` can't match, then
//! each rule with nothing left to evaluate (it has no `when`), then the permit that an ask implies, and asks Cedar only about the
//! rest (a *slice*, built once for each combination of rules), with only the attributes that the rest reads. Rules without `when`
//! never reach Cedar. A test holds that leaving out changes no verdict.
//!
//! A verdict depends on nothing but caller, action, target and approvals (the schema's `context` is empty in this version), so it may
//! be kept for as long as the policy and those are the same.
//!
//! Nothing a client or server sends is ever parsed as Cedar or as Cedar's JSON: names become string values and entity ids by
//! construction.
//!
//! *Never* does IO, reads a clock, or panics on any input.

/// What a configuration says: rules, Cedar files, the default.
mod source;
pub use source::{Audience, Demand, Effect, Fact, Include, Rule, Source, Who};

/// What is wrong with it.
mod problem;
pub use problem::{Problem, Problems};

/// A server's hints about a tool, and what we make of them.
mod hints;
pub use hints::{Flags, Hints, effective_destructive};

/// `*` patterns over `server/original`.
mod glob;

/// Arguments as a tree.
mod json;

/// A text, character by character.
mod reader;

/// Where in it.
mod path;
pub use path::{BadPath, Path, Select};

/// Tests over it.
mod facts;

/// What a tool's schema says of it.
mod shape;
pub use shape::Shape;

/// Secrets and personal data in text.
pub mod detect;
/// A moment's parts.
mod time;

/// The shorthand's `when`.
mod condition;

/// The nouns of a question: who wants to do what with which thing.
mod request;
pub use request::{Action, Caller, Kind, Target};

/// What differs from call to call.
mod evidence;
pub use evidence::{Evidence, Needs, Session};

/// Stack for Cedar.
mod room;

/// Source to statements: Cedar policies with what we know of each.
mod compile;

/// Statements to verdicts.
mod engine;
pub use engine::{Checked, Decision, Explanation, Outlook, Policy, Reason, Rules, Tool, Verdict};

/// Characters that hide text from people.
pub mod hidden;

/// Takes out of JSON what rules say.
pub mod redact;
