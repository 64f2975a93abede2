//! What the crate promises, through its public face only.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that can't go on has failed"
)]

mod calls;
mod files;
mod reference;
mod rejects;
mod traps;
mod typed;

use tollgate_policy::{Caller, Effect, Flags, Include, Kind, Policy, Rule, Source, Target};

const CODER: Caller<'static> = Caller { agent: "coder", user: None, tenant: None, groups: &[] };

fn tool<'a>(server: &'a str, name: &'a str) -> Target<'a> {
    Target { server, name, kind: Kind::Tool, flags: Flags::default(), labels: &[] }
}

fn destructive(target: Target<'_>) -> Target<'_> {
    Target { flags: Flags { destructive: true, ..target.flags }, ..target }
}

fn policy(default: Effect, rules: Vec<Rule>) -> Policy {
    Policy::compile(&Source { default, rules, include: vec![], facts: vec![] })
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn cedar(default: Effect, text: &str) -> Policy {
    let include = vec![Include { name: "a.cedar".into(), text: text.into() }];
    Policy::compile(&Source { default, rules: vec![], include, facts: vec![] })
        .unwrap_or_else(|problems| panic!("{problems}"))
}
