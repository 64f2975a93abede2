//! A second, obvious implementation of what rules mean, and a seeded generator: compiler, slices and Cedar must agree with it, verdict
//! by verdict, rule by rule.

use std::sync::Arc;

use tollgate_policy::{
    Action, Audience, Caller, Effect, Evidence, Flags, Include, Kind, Policy, Rule, Source, Target, Verdict,
    Who,
};

const POLICIES: usize = 260;
const CALLS: usize = 100;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(n).unwrap()).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// A condition, as a person would define it.
enum Test {
    Flag(&'static str),
    Is(&'static str, &'static str),
    Like(&'static str, &'static str),
    Label(&'static str),
    Group(&'static str),
    Not(Box<Test>),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
}

const FLAGS: [&str; 5] = ["destructive", "read_only", "idempotent", "open_world", "hinted"];
const TEXTS: [&str; 5] = ["tool.name", "tool.server", "agent", "user", "tenant"];
const WORDS: [&str; 8] = ["ann", "bob", "jira", "files", "get_x", "acme", "delete_y", "a b"];
const GLOBS: [&str; 7] = ["*", "a*", "*_*", "*e*", "ann", "jira*", "*y"];
const TARGETS: [&str; 11] = [
    "*",
    "*/*",
    "jira/*",
    "files/*",
    "*/get_*",
    "jira/delete_y",
    "*e*/*_*",
    "f*",
    "other/*",
    "*b",
    "files/a b",
];

impl Test {
    fn any(dice: &mut Dice, depth: usize) -> Self {
        match dice.below(if depth == 0 { 5 } else { 8 }) {
            0 => Self::Flag(dice.pick(&FLAGS)),
            1 => Self::Is(dice.pick(&TEXTS), dice.pick(&WORDS)),
            2 => Self::Like(dice.pick(&TEXTS), dice.pick(&GLOBS)),
            3 => Self::Label(dice.pick(&["safe", "private"])),
            4 => Self::Group(dice.pick(&["eng", "ops"])),
            5 => Self::Not(Box::new(Self::any(dice, depth - 1))),
            6 => Self::And(Box::new(Self::any(dice, depth - 1)), Box::new(Self::any(dice, depth - 1))),
            _ => Self::Or(Box::new(Self::any(dice, depth - 1)), Box::new(Self::any(dice, depth - 1))),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Flag(flag) => format!("tool.{flag}"),
            Self::Is(name, value) => format!("{name} == \"{value}\""),
            Self::Like(name, glob) => format!("{name} like \"{glob}\""),
            Self::Label(label) => format!("tool.labels.contains(\"{label}\")"),
            Self::Group(group) => format!("groups.contains(\"{group}\")"),
            Self::Not(inner) => format!("!({})", inner.text()),
            Self::And(a, b) => format!("({}) && {}", a.text(), b.grouped()),
            Self::Or(a, b) => format!("{} || {}", a.text(), b.text()),
        }
    }

    fn grouped(&self) -> String {
        match self {
            Self::Or(..) => format!("({})", self.text()),
            Self::Flag(_)
            | Self::Is(..)
            | Self::Like(..)
            | Self::Label(_)
            | Self::Group(_)
            | Self::Not(_)
            | Self::And(..) => self.text(),
        }
    }

    fn holds(&self, call: &Call) -> bool {
        match self {
            Self::Flag("destructive") => call.flags.destructive,
            Self::Flag("read_only") => call.flags.read_only,
            Self::Flag("idempotent") => call.flags.idempotent,
            Self::Flag("open_world") => call.flags.open_world,
            Self::Flag(_) => call.flags.hinted,
            Self::Is(name, value) => call.text(name).is_some_and(|text| text == *value),
            Self::Like(name, glob) => call.text(name).is_some_and(|text| like(glob, text)),
            Self::Label(label) => call.labels.iter().any(|own| **own == **label),
            Self::Group(group) => call.groups.iter().any(|own| **own == **group),
            Self::Not(inner) => !inner.holds(call),
            Self::And(a, b) => a.holds(call) && b.holds(call),
            Self::Or(a, b) => a.holds(call) || b.holds(call),
        }
    }
}

fn like(glob: &str, text: &str) -> bool {
    match (glob.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), first) => {
            like(&glob[1..], text) || first.is_some_and(|c| like(glob, &text[c.len_utf8()..]))
        }
        (Some(a), Some(b)) => a == b && like(&glob[a.len_utf8()..], &text[b.len_utf8()..]),
        _ => false,
    }
}

struct Call {
    agent: &'static str,
    user: Option<&'static str>,
    tenant: Option<&'static str>,
    groups: Vec<Arc<str>>,
    server: &'static str,
    name: &'static str,
    kind: Kind,
    flags: Flags,
    labels: Vec<Arc<str>>,
    action: Action,
    approved: bool,
}

impl Call {
    fn any(dice: &mut Dice) -> Self {
        let some_of = |dice: &mut Dice, all: &[&str]| -> Vec<Arc<str>> {
            all.iter().filter(|_| dice.one_in(2)).map(|text| Arc::from(*text)).collect()
        };
        let kind = dice.pick(&[Kind::Tool, Kind::Tool, Kind::Prompt, Kind::Resource]);
        let others =
            [Action::Complete, Action::List, Action::Subscribe, Action::Sample, Action::Elicit, Action::See];
        Self {
            agent: dice.pick(&["ann", "bob"]),
            user: dice.pick(&[None, Some("ann"), Some("bob")]),
            tenant: dice.pick(&[None, Some("acme"), Some("a b")]),
            groups: some_of(dice, &["eng", "ops"]),
            server: dice.pick(&["jira", "files", "f"]),
            name: dice.pick(&["get_x", "delete_y", "a b"]),
            kind,
            flags: Flags {
                destructive: dice.one_in(2),
                read_only: dice.one_in(2),
                idempotent: dice.one_in(2),
                open_world: dice.one_in(2),
                hinted: dice.one_in(2),
                pinned: dice.one_in(2),
            },
            labels: some_of(dice, &["safe", "private"]),
            action: if dice.one_in(3) { dice.pick(&others) } else { kind.used_by() },
            approved: dice.one_in(3),
        }
    }

    fn text(&self, name: &str) -> Option<&'static str> {
        match name {
            "tool.name" => Some(self.name),
            "tool.server" => Some(self.server),
            "agent" => Some(self.agent),
            "user" => self.user,
            _ => self.tenant,
        }
    }
}

enum Does {
    Allows,
    Asks,
    Denies,
    Fails,
}

/// A policy's meaning.
type Meaning = Box<dyn Fn(&Call, Action) -> Option<Does>>;

/// Cedar texts and what they mean.
fn files() -> Vec<(&'static str, Meaning)> {
    vec![
        (
            "@id(\"inc\") permit (principal, action == Action::\"call\", resource is Tool) when { resource.labels.contains(\"safe\") };",
            Box::new(|call, action| {
                let safe = call.labels.iter().any(|label| &**label == "safe");
                (action == Action::Call && call.kind == Kind::Tool && safe).then_some(Does::Allows)
            }),
        ),
        (
            "@id(\"inc\") @ask(\"agent\") forbid (principal, action, resource) when { resource.name like \"*y\" };",
            Box::new(|call, _| call.name.ends_with('y').then_some(Does::Asks)),
        ),
        (
            "@id(\"inc\") forbid (principal, action == Action::\"see\", resource) when { principal.name == \"ann\" };",
            Box::new(|call, action| (action == Action::See && call.agent == "ann").then_some(Does::Denies)),
        ),
        (
            "@id(\"inc\") forbid (principal == Agent::\"bob\", action, resource == Tool::\"jira/get_x\");",
            Box::new(|call, _| {
                let it = call.kind == Kind::Tool && call.server == "jira" && call.name == "get_x";
                (it && call.agent == "bob").then_some(Does::Denies)
            }),
        ),
        (
            "@id(\"inc\") permit (principal, action, resource) when { resource.open_world && 9223372036854775807 + 1 > 0 };",
            Box::new(|call, _| call.flags.open_world.then_some(Does::Fails)),
        ),
        (
            "@id(\"inc\") forbid (principal, action in [Action::\"sample\", Action::\"elicit\"], resource) unless { resource.pinned };",
            Box::new(|call, action| {
                (matches!(action, Action::Sample | Action::Elicit) && !call.flags.pinned)
                    .then_some(Does::Denies)
            }),
        ),
    ]
}

fn rule(dice: &mut Dice, id: &str) -> (Rule, Meaning) {
    let effect = dice.pick(&[Effect::Allow, Effect::Ask, Effect::Deny]);
    let target = dice.pick(&TARGETS);
    let test = dice.one_in(2).then(|| Test::any(dice, 3));
    let who = dice.one_in(3).then(|| {
        let mut who = Who::default();
        while who == Who::default() {
            let some = |dice: &mut Dice, all: &[&str]| {
                if dice.one_in(2) { vec![dice.pick(all).to_owned()] } else { vec![] }
            };
            who = Who {
                agents: some(dice, &["a*", "bob", "*"]),
                groups: some(dice, &["eng", "ops"]),
                tenants: some(dice, &["acme", "a b"]),
            };
        }
        who
    });
    let rule =
        Rule { when: test.as_ref().map(Test::text), only_for: who.clone(), ..Rule::new(id, effect, target) };
    let meaning = move |call: &Call, action: Action| {
        let covers = matches!(action, Action::Call | Action::Read | Action::Get | Action::Complete);
        let meant = who.as_ref().is_none_or(|who| {
            who.agents.iter().any(|glob| like(glob, call.agent))
                || who.groups.iter().any(|group| call.groups.iter().any(|own| **own == **group))
                || who.tenants.iter().any(|tenant| call.tenant == Some(tenant))
        });
        let holds = test.as_ref().is_none_or(|test| test.holds(call));
        let path = format!("{}/{}", call.server, call.name);
        (covers && meant && holds && like(target, &path)).then_some(match effect {
            Effect::Allow => Does::Allows,
            Effect::Ask => Does::Asks,
            Effect::Deny => Does::Denies,
        })
    };
    (rule, Box::new(meaning))
}

/// `kind rules…`, the first of which is the verdict's rule.
fn reference(call: &Call, default: Effect, policies: &[(String, bool, Meaning)]) -> String {
    let follows = matches!(call.action, Action::List | Action::Subscribe | Action::See);
    let approved = call.approved && !follows;
    let judge = |action: Action| {
        let (mut fails, mut denies, mut asks, mut allows) = (vec![], vec![], vec![], vec![]);
        for (id, shorthand, meaning) in policies {
            match meaning(call, action) {
                None => {}
                Some(Does::Fails) => fails.push(id.as_str()),
                Some(Does::Denies) => denies.push(id.as_str()),
                Some(Does::Allows) => allows.push((id.as_str(), true)),
                Some(Does::Asks) => {
                    asks.push(id.as_str());
                    allows.push((id.as_str(), *shorthand));
                }
            }
        }
        if !fails.is_empty() {
            return format!("error {}", fails.join(" "));
        }
        if !denies.is_empty() {
            return format!("deny {}", denies.join(" "));
        }
        let permitted = allows.iter().any(|(_, permits)| *permits);
        match (permitted, default) {
            (false, Effect::Deny) => return "deny default".into(),
            (false, Effect::Ask) => asks.push("default"),
            (false, Effect::Allow) if allows.is_empty() => allows.push(("default", true)),
            _ => {}
        }
        if !asks.is_empty() && !approved {
            return format!("ask {}", asks.join(" "));
        }
        if !permitted && default == Effect::Ask {
            allows.push(("default", true));
        }
        format!("allow {}", allows.iter().map(|(id, _)| *id).collect::<Vec<_>>().join(" "))
    };
    if !follows {
        return judge(call.action);
    }
    let used = judge(call.kind.used_by());
    if used.starts_with("deny") || used.starts_with("error") {
        return used;
    }
    let refused: Vec<_> = policies
        .iter()
        .filter(|(_, _, meaning)| matches!(meaning(call, call.action), Some(Does::Denies)))
        .collect();
    if let [(id, ..), ..] = refused[..] {
        return format!("deny {id}");
    }
    format!("allow {}", used.split_once(' ').unwrap().1)
}

fn said(verdict: &Verdict) -> String {
    let (word, first, rules) = match verdict {
        Verdict::Allow { rules } => ("allow", rules.first(), rules),
        Verdict::Ask { rule, rules, audience: Audience::Agent, .. } => ("ask", Some(rule), rules),
        Verdict::Ask { audience, .. } => panic!("asked {audience}"),
        Verdict::Deny { rule, rules, error: true, .. } => ("error", Some(rule), rules),
        Verdict::Deny { rule, rules, error: false, .. } => ("deny", Some(rule), rules),
        Verdict::Invalid { because } => panic!("{because}"),
    };
    assert_eq!(first, rules.first());
    format!("{word} {}", rules.join(" "))
}

fn agree(seed: u64) {
    let mut dice = Dice(seed);
    let mut tally = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..POLICIES {
        let default = dice.pick(&[Effect::Allow, Effect::Ask, Effect::Deny]);
        let mut rules = Vec::new();
        let mut policies = Vec::new();
        for n in 0..dice.below(7) {
            let id = format!("r{n}");
            let (rule, meaning) = rule(&mut dice, &id);
            rules.push(rule);
            policies.push((id, true, meaning));
        }
        let mut include = Vec::new();
        if dice.one_in(3) {
            let mut files = files();
            let (text, meaning) = files.swap_remove(dice.below(files.len()));
            include.push(Include { name: "inc.cedar".into(), text: text.into() });
            policies.push(("inc".to_owned(), false, meaning));
        }
        let source = Source { default, rules, include, facts: vec![] };
        let policy = Policy::compile(&source).unwrap_or_else(|problems| panic!("{problems}\n{source:#?}"));
        for _ in 0..CALLS {
            let call = Call::any(&mut dice);
            let caller =
                Caller { agent: call.agent, user: call.user, tenant: call.tenant, groups: &call.groups };
            let target = Target {
                server: call.server,
                name: call.name,
                kind: call.kind,
                flags: call.flags,
                labels: &call.labels,
            };
            let approved: &[Audience] = if call.approved { &[Audience::Agent] } else { &[] };
            let got = said(&policy.decide(&caller, call.action, &target, &Evidence::default(), approved));
            let expected = reference(&call, default, &policies);
            assert_eq!(
                got,
                expected,
                "seed {seed}: {caller:?} {:?} {target:?} {approved:?}\n{}",
                call.action,
                policy.show()
            );
            let word = expected.split(' ').next().unwrap_or_default();
            *tally
                .entry(["allow", "ask", "deny", "error"].into_iter().find(|known| *known == word).unwrap())
                .or_default() += 1;
        }
    }
    // the generator reaches every verdict, often
    assert_eq!(tally.values().sum::<usize>(), POLICIES * CALLS);
    assert!(tally.len() == 4 && tally.values().all(|count| *count > POLICIES * CALLS / 100), "{tally:?}");
}

#[test]
fn agrees_on_26_000_calls() {
    agree(1);
}

#[test]
fn agrees_on_26_000_other_calls() {
    agree(2);
}
