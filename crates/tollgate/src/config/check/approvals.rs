use super::{list, value, words};
use crate::config::raw;
use crate::config::read::{At, Report};
use crate::config::{Piece, Shape, Webhook};

/// The most webhooks.
const WEBHOOKS_MAX: usize = 16;

pub(super) fn webhooks(at: Option<At<Vec<At<raw::Webhook>>>>, report: &mut Report<'_>) -> Vec<Webhook> {
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
        webhooks.push(Webhook {
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
