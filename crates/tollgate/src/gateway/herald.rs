//! Tells webhooks of questions that wait for operators. *Never* on a call's way: it watches the inbox, and its failures are logged.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use crate::approve::inbox::{Change, QuestionView, Standing};
use crate::approve::{OPERATORS, belongs, visible};
use crate::authenticate::Operator;
use crate::config::{self, Config, Piece, Shape, Template, Webhook};
use crate::path::Gate;
use crate::seal::Purpose;
use crate::secret::hex;
use crate::servers::post_json;
use crate::vault::Vault;

/// The principal of reply links, and the name of those who answer by a webhook that is nobody's own.
pub(crate) const PRINCIPAL: &str = "webhook";

/// What a reply link says: yes or no, to which question, in whose name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Yes.
    pub(crate) approves: bool,
    /// The question.
    pub(crate) question: String,
    /// The webhook's operator.
    pub(crate) operator: Option<Arc<str>>,
}

impl Link {
    fn write(&self) -> String {
        let word = if self.approves { "approve" } else { "deny" };
        // A name may have any character but is the last.
        let operator = self.operator.as_deref().map(|name| format!("\n{name}")).unwrap_or_default();
        format!("{word}\n{}{operator}", self.question)
    }

    /// From a link that opened.
    pub(crate) fn read(plain: &str) -> Option<Self> {
        let (word, rest) = plain.split_once('\n')?;
        let (question, operator) = match rest.split_once('\n') {
            Some((question, operator)) => (question, Some(Arc::from(operator))),
            None => (rest, None),
        };
        Some(Self { approves: word == "approve", question: question.to_owned(), operator })
    }

    /// In whose name it answers this question; `None` = it does not: a group's question wants somebody who is in it, and two pairs of
    /// eyes want two who say who they are.
    pub(crate) fn answers_as(&self, config: &Config, question: &QuestionView) -> Option<Operator> {
        let Some(name) = &self.operator else {
            let anyone = question.of == OPERATORS && question.count == 1;
            return anyone.then(|| Operator { name: PRINCIPAL.into(), groups: Vec::new() });
        };
        let groups = config.operators.get(name)?.groups.clone();
        belongs(&question.of, &groups).then(|| Operator { name: Arc::clone(name), groups })
    }
}

/// Waits before the second and each further attempt.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(15),
    Duration::from_mins(1),
    Duration::from_mins(3),
];

/// The most messages on their way at once.
const AT_ONCE: usize = 32;

/// Watches the inbox until it is dropped. `admin`: where the admin listener is, where no public URL is configured.
pub(super) async fn run(gate: Arc<Gate>, vault: Arc<Vault>, admin: String) {
    let mut turns = gate.approver.inbox.turns();
    turns.mark_changed();
    let mut told: HashSet<String> = HashSet::new();
    let room = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    while turns.changed().await.is_ok() {
        let config = gate.config.load_full();
        if config.webhooks.is_empty() {
            continue;
        }
        let waiting = match gate.questions(false).await {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::error!(%error, "webhooks cannot be told what waits");
                continue;
            }
        };
        told.retain(|id| waiting.iter().any(|question| question.id == *id));
        for question in waiting {
            if !told.insert(question.id.clone()) {
                continue;
            }
            let question = Arc::new(question);
            let base = config.admin_url.clone().unwrap_or_else(|| format!("http://{admin}"));
            for webhook in &config.webhooks {
                let message = Message {
                    gate: Arc::clone(&gate),
                    vault: Arc::clone(&vault),
                    webhook: webhook.clone(),
                    question: Arc::clone(&question),
                    base: base.clone(),
                };
                let room = Arc::clone(&room);
                tokio::spawn(async move {
                    // Closed never.
                    if let Ok(_place) = room.acquire().await {
                        message.deliver().await;
                    }
                });
            }
        }
    }
}

struct Message {
    gate: Arc<Gate>,
    vault: Arc<Vault>,
    webhook: Webhook,
    question: Arc<QuestionView>,
    base: String,
}

impl Message {
    async fn deliver(self) {
        let host = self.webhook.url.parse::<http::Uri>().ok().and_then(|u| u.host().map(str::to_owned));
        let host = host.unwrap_or_default();
        let mut pauses = PAUSES.iter();
        loop {
            let why = match self.attempt().await {
                Ok(200..=299) => return,
                // Nothing changes what it thinks of the message.
                Ok(status @ 400..=499) if status != 408 && status != 429 => {
                    tracing::error!(%host, status, "a webhook refuses its message");
                    return;
                }
                Ok(status) => format!("status {status}"),
                Err(why) => why,
            };
            let Some(pause) = pauses.next() else {
                tracing::error!(%host, %why, "a webhook could not be told of a question");
                return;
            };
            tracing::warn!(%host, %why, "a webhook could not be told of a question; trying again");
            tokio::time::sleep(*pause).await;
            let slip = self.gate.approver.inbox.slip(&self.question.id);
            if slip.is_none_or(|slip| slip.standing(self.gate.clock.now_ms()) != Standing::Pending) {
                return;
            }
        }
    }

    async fn attempt(&self) -> Result<u16, String> {
        let secret = resolve(&self.vault, &self.webhook.secret)?;
        let body = match self.webhook.shape {
            Shape::Generic => self.generic(),
            Shape::Slack => self.slack(),
        };
        let stamp = (self.gate.clock.now_ms() / 1000).to_string();
        let signature = sign(&secret, &stamp, body.as_bytes());
        let value = |text: &str| HeaderValue::from_str(text).map_err(|why| why.to_string());
        let headers = vec![
            (HeaderName::from_static("tollgate-timestamp"), value(&stamp)?),
            (HeaderName::from_static("tollgate-signature"), value(&signature)?),
        ];
        post_json(&self.webhook.url, headers, Bytes::from(body)).await
    }

    /// The links: to the question in the console, and, where whoever reads this may answer it, to a yes and a no.
    fn links(&self) -> (String, Option<(String, String)>) {
        let console = format!("{}/console/approvals/{}", self.base, self.question.id);
        let now = self.gate.clock.now_ms();
        let operator = self.webhook.operator.clone();
        let yes = Link { approves: true, question: self.question.id.clone(), operator };
        let replies = yes
            .answers_as(&self.gate.config.load(), &self.question)
            .and_then(|_| self.gate.approver.inbox.slip(&self.question.id))
            .map(|slip| {
                let seal = |link: &Link| {
                    let expires = slip.expires_ms.max(now);
                    let plain = link.write();
                    let token = self.gate.sealer.seal(Purpose::Reply, PRINCIPAL, plain.as_bytes(), expires);
                    format!("{}/reply/{token}", self.base)
                };
                (seal(&yes), seal(&Link { approves: false, ..yes.clone() }))
            });
        (console, replies)
    }

    fn generic(&self) -> String {
        let (url, replies) = self.links();
        let (approve, deny) = replies.unzip();
        serde_json::json!({
            "type": "approval.asked",
            "question": &*self.question,
            "links": { "question": url, "approve": approve, "deny": deny },
        })
        .to_string()
    }

    /// Slack's incoming webhooks: `text` for notifications, `blocks` for the rest.
    fn slack(&self) -> String {
        let question = &self.question;
        let head = format!("{} wants to run {}", slack(&question.agent), slack(&question.tool));
        let mut lines = String::new();
        for one in question.shown.iter().take(20) {
            let change = match one.change {
                None | Some(Change::Same) => "",
                Some(Change::Changed) => "  ← differs from the last approved call",
                Some(Change::New) => "  ← not in the last approved call",
                Some(Change::Gone) => "  ← gone since the last approved call",
            };
            let value = visible(&one.value, 100);
            writeln!(lines, "{}: {}{change}", slack(&one.name), slack(&value)).unwrap_or_default();
        }
        if question.shown.len() > 20 {
            lines.push_str("… (more arguments: open the question)\n");
        }
        let mut text = format!("*{head}*\n```{}```\nRule `{}`", lines.trim_end(), slack(&question.rule));
        if let Some(because) = &question.because {
            write!(text, ": {}", slack(because)).unwrap_or_default();
        }
        if let Some(reason) = &question.reason {
            write!(text, "\nIts reason: {}", slack(&visible(reason, 300))).unwrap_or_default();
        }
        let (url, replies) = self.links();
        let button = |label: &str, url: &str| serde_json::json!({ "type": "button", "text": { "type": "plain_text", "text": label }, "url": url });
        let mut buttons = vec![button("Open", &url)];
        if let Some((approve, deny)) = replies {
            buttons.push(button("Approve…", &approve));
            buttons.push(button("Deny…", &deny));
        }
        serde_json::json!({
            "text": head,
            "blocks": [
                { "type": "section", "text": { "type": "mrkdwn", "text": visible_lines(&text, 2_900) } },
                { "type": "actions", "elements": buttons },
            ],
        })
        .to_string()
    }
}

/// `v1=` and HMAC-SHA-256 (RFC 2104) of `timestamp.body`, hexadecimal.
fn sign(secret: &str, stamp: &str, body: &[u8]) -> String {
    format!("v1={}", hex::encode(&hmac_sha256(secret.as_bytes(), &[stamp.as_bytes(), b".", body])))
}

/// With a key of any length: a long one is hashed first (RFC 2104, 2).
fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0; 64];
    let hashed: [u8; 32] = Sha256::digest(key).into();
    let key = if key.len() > block.len() { hashed.as_slice() } else { key };
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte = *key);
    let mut inner = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x36));
    for part in parts {
        inner.update(part);
    }
    Sha256::new_with_prefix(block.map(|byte| byte ^ 0x5c)).chain_update(inner.finalize()).finalize().into()
}

fn resolve(vault: &Vault, template: &Template) -> Result<String, String> {
    match template.0.as_slice() {
        [Piece::Secret(name)] => vault.get(name).map(|v| v.expose().clone()).map_err(|e| e.to_string()),
        [Piece::Env(name)] => {
            config::env(name).ok_or_else(|| format!("environment variable `{name}` is not set"))
        }
        _ => Err("a webhook's secret is one reference".to_owned()),
    }
}

/// What Slack would read as markup is text.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('`', "ˋ")
}

fn visible_lines(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn a_signature_is_over_time_and_body() {
        let one = sign("secret", "1", b"{}");
        assert_eq!(one.len(), 3 + 64);
        assert_ne!(one, sign("secret", "2", b"{}"));
        assert_ne!(one, sign("secret", "1", b"{ }"));
        assert_ne!(one, sign("other", "1", b"{}"));
        // printf '1.{}' | openssl dgst -sha256 -hmac secret
        assert_eq!(one, EXPECTED);
    }

    const EXPECTED: &str = "v1=1122767b193110cfec322b6f199b599edbf608ed087f2d27afb0b97d99523908";
}
