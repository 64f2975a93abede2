use std::collections::BTreeMap;
use std::sync::Arc;

use super::{list, value, words};
use crate::config::raw;
use crate::config::read::{At, Report};
use crate::config::{Operator, Piece, Shape, Webhook, nearest};

/// The most webhooks.
const WEBHOOKS_MAX: usize = 16;

pub(super) fn webhooks(
    at: Option<At<Vec<At<raw::Webhook>>>>,
    operators: &BTreeMap<Arc<str>, Operator>,
    report: &mut Report<'_>,
) -> Vec<Webhook> {
    let mut webhooks = Vec::new();
    for (place, at) in list(at).into_iter().enumerate() {
        if place == WEBHOOKS_MAX {
            report.error(&at.mark, format!("there are more than {WEBHOOKS_MAX} webhooks"), None);
        }
        let At { value: raw, mark } = at;
        let Some(url) = &raw.url else {
            report.lacking(&mark, "a webhook needs a `url`", None);
            continue;
        };
        let Some(secret) = &raw.secret else {
            let hint = "write it as `secret: \"${secret:hook}\"`";
            report.lacking(
                &mark,
                "a webhook needs a `secret`, which signs its messages",
                Some(hint.to_owned()),
            );
            continue;
        };
        if secret.value.0.iter().any(|piece| matches!(piece, Piece::Text(_))) || secret.value.0.len() != 1 {
            let hint = "write it as `\"${secret:hook}\"`, after `tollgate secrets set hook`";
            report.error(
                &secret.mark,
                "a secret does not stand in this file in clear",
                Some(hint.to_owned()),
            );
        }
        let Some(address) = words::url(url, report) else { continue };
        if address.starts_with("http://") && !words::is_loopback(&address) {
            report.error(&url.mark, "questions leave this machine over https only", None);
        }
        if let Some(named) = raw.operator.as_ref().filter(|named| !operators.contains_key(&*named.value)) {
            let hint = match nearest(&named.value, operators.keys().map(|name| &**name)) {
                Some(known) => format!("did you mean `{known}`"),
                None => "operators stand under `operators`, each with a key".to_owned(),
            };
            report.error(&named.mark, format!("there is no operator `{}`", named.value), Some(hint));
        }
        webhooks.push(Webhook {
            operator: raw.operator.map(|named| named.value.into()),
            url: address,
            secret: secret.value.clone(),
            shape: match value(raw.shape).unwrap_or(raw::Shape::Generic) {
                raw::Shape::Generic => Shape::Generic,
                raw::Shape::Slack => Shape::Slack,
            },
        });
    }
    webhooks
}
