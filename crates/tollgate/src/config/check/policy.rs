use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{list, named, value, words};
use crate::config::load::read_file;
use crate::config::raw;
use crate::config::read::{At, Report};
use crate::config::values::{Named, OneOrMany};
use crate::config::{Effect, Fact, Policy, Rule, Server, View, Who};

/// The most included files.
const FILES_MAX: usize = 256;

type Servers = BTreeMap<Arc<str>, Arc<Server>>;

pub(super) fn views(
    at: Option<At<Named<raw::View>>>,
    servers: &Servers,
    report: &mut Report<'_>,
) -> BTreeMap<Arc<str>, View> {
    named(at, |name, raw| {
        // The name is a segment of a URL's path.
        if words::name(name, "a view's name", report) && name.value.contains(['/', ':', '@', '+']) {
            let message = format!("`{}` is not a view's name", name.value);
            report.error(&name.mark, message, Some("it is made of letters, digits and `. _ -`".to_owned()));
        }
        let mut tools = Vec::new();
        for tool in list(raw.value.tools) {
            if words::target(&tool, servers.keys().map(AsRef::as_ref), report) {
                tools.push(tool.value);
            }
        }
        if tools.is_empty() {
            let message = format!("view `{}` shows nothing", name.value);
            report.lacking(
                &raw.mark,
                message,
                Some("list patterns in `tools`, as in `[\"files/*\"]`".to_owned()),
            );
        }
        Some(View { tools, only_for: raw.value.only_for.map(|at| who(at, report)) })
    })
}

pub(super) fn policy(raw: raw::Policy, servers: &Servers, folder: &Path, report: &mut Report<'_>) -> Policy {
    let mut rules: Vec<Rule> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, at) in list(raw.rules).into_iter().enumerate() {
        let Some(rule) = rule(at, index, servers, report) else { continue };
        if let Some(line) = seen.insert(rule.id.clone(), rule.line) {
            let problem = report.source.problem(&rule.path, format!("rule `{}` exists already", rule.id));
            report
                .problems
                .push(problem.hint(format!("it is on line {line}; give one of them another `id`")));
        }
        rules.push(rule);
    }
    let mut files = Vec::new();
    for pattern in list(raw.include) {
        include(&pattern, folder, &mut files, report);
    }
    // A policy that says nothing of a call must not let it pass.
    let default = value(raw.default).map_or(Effect::Deny, effect);
    let facts = facts(raw.facts, servers, report);
    Policy { default, rules, include: files, facts }
}

fn facts(at: Option<At<Named<raw::Fact>>>, servers: &Servers, report: &mut Report<'_>) -> Vec<Fact> {
    let facts = named(at, |name, raw| {
        words::name(name, "a fact's name", report);
        let (mark, raw) = (raw.mark, raw.value);
        let (Some(of), Some(path)) = (raw.of, raw.path) else {
            let hint = "write it as `{ of: \"mail/*\", path: \"$.to[*]\", any: \"…\" }`";
            report.lacking(&mark, "a fact needs `of` and `path`", Some(hint.to_owned()));
            return None;
        };
        words::target(&of, servers.keys().map(AsRef::as_ref), report);
        let count = value(raw.count).unwrap_or_default();
        Some(Fact {
            fact: tollgate_policy::Fact {
                any: value(raw.any),
                any_not: value(raw.any_not),
                all: value(raw.all),
                min: value(raw.min).map(|number| number.0),
                max: value(raw.max).map(|number| number.0),
                count_min: value(count.min),
                count_max: value(count.max),
                in_task: value(raw.in_task),
                line: mark.place.line,
                name: name.value.clone(),
                of: of.value,
                paths: path.value.0.into_iter().map(|path| path.value).collect(),
            },
            path: mark.path.as_ref().to_owned(),
        })
    });
    facts.into_values().collect()
}

fn action(on: raw::On) -> tollgate_policy::Action {
    use tollgate_policy::Action;
    match on {
        raw::On::Call => Action::Call,
        raw::On::Read => Action::Read,
        raw::On::Get => Action::Get,
        raw::On::Complete => Action::Complete,
        raw::On::List => Action::List,
        raw::On::Subscribe => Action::Subscribe,
        raw::On::Sample => Action::Sample,
        raw::On::Elicit => Action::Elicit,
    }
}

fn effect(raw: raw::Effect) -> Effect {
    match raw {
        raw::Effect::Allow => Effect::Allow,
        raw::Effect::Ask => Effect::Ask,
        raw::Effect::Deny => Effect::Deny,
    }
}

fn rule(at: At<raw::Rule>, index: usize, servers: &Servers, report: &mut Report<'_>) -> Option<Rule> {
    let At { value: raw, mark } = at;
    let mut given = [(Effect::Allow, raw.allow), (Effect::Ask, raw.ask), (Effect::Deny, raw.deny)]
        .into_iter()
        .filter_map(|(effect, target)| Some((effect, target?)));
    let one = given.next();
    if let Some((_, other)) = given.next() {
        report.error(
            &other.mark,
            "a rule has one of `allow`, `ask` and `deny`",
            Some("make it two rules".to_owned()),
        );
    }
    let Some((effect, target)) = one else {
        report.lacking(
            &mark,
            "a rule needs `allow`, `ask` or `deny`",
            Some("write it as `allow: \"files/*\"`".to_owned()),
        );
        return None;
    };
    words::target(&target, servers.keys().map(AsRef::as_ref), report);
    if let Some(of) = &raw.of
        && effect != Effect::Ask
    {
        report.error(&of.mark, "only `ask` rules have `of`", None);
    }
    let mut count = 1;
    if let Some(at) = &raw.count {
        let agents = raw.of.as_ref().is_none_or(|of| of.value.0 == "agent");
        if !(1..=10).contains(&at.value) {
            report.error(&at.mark, "`count` goes from 1 to 10", None);
        } else if agents && at.value > 1 {
            let hint = "add `of: operators` or `of: group:NAME`";
            report.error(&at.mark, "the agent has one human to ask", Some(hint.to_owned()));
        }
        count = u32::try_from(at.value).unwrap_or(1);
    }
    let id = match raw.id {
        Some(id) => {
            words::name(&id, "a rule's id", report);
            id.value
        }
        None => format!("rule-{}", index + 1),
    };
    for text in [&raw.when, &raw.because].into_iter().flatten() {
        if text.value.trim().is_empty() {
            report.error(&text.mark, "this is empty", None);
        }
    }
    Some(Rule {
        id,
        effect,
        target: target.value,
        only_for: raw.only_for.map(|at| who(at, report)),
        when: value(raw.when),
        because: value(raw.because),
        of: value(raw.of).map(|of| of.0),
        count,
        on: value(raw.on).map(|on| on.into_iter().map(|at| action(at.value)).collect()),
        shadow: value(raw.shadow).unwrap_or_default(),
        line: mark.place.line,
        path: mark.path.as_ref().to_owned(),
    })
}

fn who(at: At<raw::Who>, report: &mut Report<'_>) -> Who {
    let raw = at.value;
    if raw.agent.is_none() && raw.group.is_none() && raw.tenant.is_none() {
        report.lacking(
            &at.mark,
            "`for` needs `agent`, `group` or `tenant`",
            Some("write it as `{ group: eng }`".to_owned()),
        );
    }
    let mut names = |at: Option<At<OneOrMany>>, what: &str, globs: bool| {
        let mut names = Vec::new();
        for name in value(at).map(|many| many.0).unwrap_or_default() {
            let ok = if globs { words::glob(&name, report) } else { words::name(&name, what, report) };
            if ok {
                names.push(name.value);
            }
        }
        names
    };
    Who {
        agents: names(raw.agent, "an agent's name", true),
        groups: names(raw.group, "a group's name", false),
        tenants: names(raw.tenant, "a tenant's name", false),
    }
}

fn include(at: &At<String>, folder: &Path, files: &mut Vec<(PathBuf, String)>, report: &mut Report<'_>) {
    let found = match expand(folder, &at.value) {
        Ok(found) => found,
        Err(message) => return report.error(&at.mark, message, None),
    };
    if found.is_empty() {
        // A policy that silently lacks its rules is worse than one that does not start.
        report.error(
            &at.mark,
            "no file matches",
            Some("the pattern is relative to this file's folder".to_owned()),
        );
    }
    for path in found {
        if files.iter().any(|(known, _)| *known == path) {
            continue;
        }
        if files.len() == FILES_MAX {
            return report.error(&at.mark, format!("more than {FILES_MAX} files are included"), None);
        }
        match read_file(&path) {
            Ok(text) => files.push((path, text)),
            Err(message) => report.error(&at.mark, format!("`{}`: {message}", path.display()), None),
        }
    }
}

/// The files that `pattern` names, sorted; `*` may stand in its last segment.
fn expand(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let whole: PathBuf = folder.join(pattern).components().collect();
    let Some(name) = whole.file_name().and_then(|name| name.to_str()) else {
        return Err("this names no file".to_owned());
    };
    let place = whole.parent().unwrap_or(folder);
    if place.as_os_str().as_encoded_bytes().contains(&b'*') {
        return Err("`*` may stand in the last segment only".to_owned());
    }
    if !name.contains('*') {
        return Ok(if whole.exists() { vec![whole] } else { Vec::new() });
    }
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(place) else { return Ok(found) };
    for entry in entries.flatten() {
        let file = entry.file_name();
        let matches = file.to_str().is_some_and(|file| !file.starts_with('.') && wildcard(name, file));
        if matches && entry.path().is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether `text` matches `pattern`, in which `*` stands for any characters.
fn wildcard(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').map_or((None, rest), |(middle, last)| (Some(middle), last));
    for part in middle.into_iter().flat_map(|middle| middle.split('*')) {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::wildcard;

    #[test]
    fn wildcards_match() {
        for (pattern, text, matches) in [
            ("a.cedar", "a.cedar", true),
            ("a.cedar", "b.cedar", false),
            ("*.cedar", "a.cedar", true),
            ("*.cedar", "a.cedar.bak", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-bb-c", true),
            ("a*b*c", "ac", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("**", "x", true),
        ] {
            assert_eq!(wildcard(pattern, text), matches, "{pattern} {text}");
        }
    }
}
