//! `redact` and `hidden`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tollgate_policy::detect::{Kind, Pattern};
use tollgate_policy::hidden::Hidden;
use tollgate_policy::redact::{RULES_MAX, Redactor, Rule, With};
use tollgate_policy::{BadPath, Path};

use super::{list, value, words};
use crate::config::Server;
use crate::config::node::Mark;
use crate::config::raw;
use crate::config::read::{At, Report};

pub(super) fn hidden(at: Option<At<raw::Hidden>>) -> Hidden {
    // Nobody writes such characters for a person to read; a model reads them all the same.
    match value(at).unwrap_or(raw::Hidden::Strip) {
        raw::Hidden::Strip => Hidden::Strip,
        raw::Hidden::Show => Hidden::Show,
        raw::Hidden::Keep => Hidden::Keep,
    }
}

pub(super) fn redact(
    at: Option<At<Vec<At<raw::Redact>>>>,
    servers: &BTreeMap<Arc<str>, Arc<Server>>,
    report: &mut Report<'_>,
) -> Redactor {
    let mut rules = Vec::new();
    for (place, at) in list(at).into_iter().enumerate() {
        if place == RULES_MAX {
            report.error(&at.mark, format!("there are {RULES_MAX} redactions at most"), None);
        }
        rules.extend(rule(at, servers, report));
    }
    Redactor::new(rules)
}

fn rule(
    at: At<raw::Redact>,
    servers: &BTreeMap<Arc<str>, Arc<Server>>,
    report: &mut Report<'_>,
) -> Option<Rule> {
    let At { value: raw, mark } = at;
    let Some(of) = raw.of else {
        let hint = "write it as `of: \"crm/*\"`, or `of: \"*/*\"` for every tool";
        report.lacking(&mark, "a redaction needs `of`", Some(hint.to_owned()));
        return None;
    };
    words::target(&of, servers.keys().map(AsRef::as_ref), report);
    if raw.fields.is_none() && raw.find.is_none() {
        let hint = "write it as `find: [secret]` or `fields: [\"$..ssn\"]`";
        report.lacking(&mark, "a redaction needs `fields` or `find`", Some(hint.to_owned()));
    }
    let (arguments, results) = match value(raw.sides).unwrap_or(raw::Sides::Both) {
        raw::Sides::Arguments => (true, false),
        raw::Sides::Results => (false, true),
        raw::Sides::Both => (true, true),
    };
    let mut rule = Rule {
        of: of.value,
        arguments,
        results,
        with: match value(raw.with).unwrap_or(raw::With::Mask) {
            raw::With::Mask => With::Mask,
            raw::With::Drop => With::Drop,
            raw::With::Hash => With::Hash,
            raw::With::Token => With::Token,
        },
        ..Rule::default()
    };
    for field in list(raw.fields) {
        match Path::new(&field.value) {
            Ok(path) if path.is_root() => {
                let message = "this names the whole document";
                report.error(&field.mark, message, Some(BadPath::HINT.to_owned()));
            }
            Ok(path) => rule.fields.push(path),
            Err(bad) => report.error(&field.mark, bad.to_string(), Some(BadPath::HINT.to_owned())),
        }
    }
    for find in list(raw.find) {
        match find.value {
            raw::Find::Built(detector) => rule.kinds = rule.kinds.with(kind(detector)),
            raw::Find::Own(own) => {
                rule.own.extend(pattern(&own, &find.mark, report).map(Arc::new));
            }
        }
    }
    Some(rule)
}

fn pattern(raw: &raw::OwnDetector, mark: &Mark, report: &mut Report<'_>) -> Option<Pattern> {
    let (Some(name), Some(pattern)) = (&raw.name, &raw.pattern) else {
        let hint = "write it as `{ name: employee, pattern: \"EMP-[0-9]{6}\" }`";
        report.lacking(mark, "an own detector needs `name` and `pattern`", Some(hint.to_owned()));
        return None;
    };
    let letters =
        name.value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let built = Kind::ALL.iter().any(|kind| kind.as_str() == name.value) || name.value == "field";
    if name.value.is_empty() || name.value.len() > 32 || !letters || built {
        let message = "this is not a name for an own detector";
        let hint = "it is made of lower-case letters, digits and `-`, 32 in all at most, and none of ours";
        report.error(&name.mark, message, Some(hint.to_owned()));
        return None;
    }
    match Pattern::new(&name.value, &pattern.value) {
        Ok(compiled) => Some(compiled),
        Err(bad) => {
            report.error(&pattern.mark, bad.message, Some(bad.hint));
            None
        }
    }
}

const fn kind(raw: raw::Detector) -> Kind {
    match raw {
        raw::Detector::Secret => Kind::Secret,
        raw::Detector::Email => Kind::Email,
        raw::Detector::Phone => Kind::Phone,
        raw::Detector::Card => Kind::Card,
        raw::Detector::Iban => Kind::Iban,
        raw::Detector::Ssn => Kind::Ssn,
        raw::Detector::Ip => Kind::Ip,
    }
}
