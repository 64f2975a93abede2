//! Case twins: keys that another parser could take for a protocol key.

use crate::meta;

/// Whose keys are being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The envelope.
    Message,
    /// `params`.
    Params,
    /// `params._meta`.
    Meta,
    /// `params.ref` (completion).
    Ref,
    /// User data: any key goes.
    Data,
}

impl Place {
    pub(super) fn of_member(self, key: &str) -> Self {
        match (self, key) {
            (Self::Message, "params") => Self::Params,
            (Self::Params, "_meta") => Self::Meta,
            (Self::Params, "ref") => Self::Ref,
            _ => Self::Data,
        }
    }

    /// The items of a batch are messages.
    pub(super) fn of_item(self) -> Self {
        match self {
            Self::Message => Self::Message,
            Self::Params | Self::Meta | Self::Ref | Self::Data => Self::Data,
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Message => &["jsonrpc", "id", "method", "params", "result", "error"],
            Self::Params => &[
                "name",
                "arguments",
                "_meta",
                "uri",
                "cursor",
                "requestState",
                "inputResponses",
                "ref",
                "argument",
                "context",
                "notifications",
                "taskId",
                "protocolVersion",
                "capabilities",
                "clientInfo",
                "level",
                "requestId",
                "progressToken",
                "task",
            ],
            Self::Meta => &[
                meta::PROGRESS_TOKEN,
                meta::PROTOCOL_VERSION,
                meta::CLIENT_CAPABILITIES,
                meta::CLIENT_INFO,
                meta::LOG_LEVEL,
                meta::SERVER_INFO,
                meta::SUBSCRIPTION_ID,
                meta::RELATED_TASK,
            ],
            Self::Ref => &["type", "name", "uri"],
            Self::Data => &[],
        }
    }
}

/// The protocol key that `key` is not, but could be taken for.
pub(super) fn twin(place: Place, key: &str) -> Option<&'static str> {
    let keys = place.keys();
    if keys.contains(&key) {
        return None;
    }
    let alike = keys.iter().copied().find(|protocol| folds_to(key, protocol));
    if alike.is_none() && place == Place::Meta && !key.starts_with(meta::PREFIX) {
        return prefix_folds_to(key, meta::PREFIX).then_some(meta::PREFIX);
    }
    alike
}

fn folds_to(key: &str, protocol: &str) -> bool {
    if key.is_ascii() {
        return key.eq_ignore_ascii_case(protocol);
    }
    key.chars().map(fold).eq(protocol.chars().map(fold))
}

fn prefix_folds_to(key: &str, prefix: &str) -> bool {
    let mut key = key.chars().map(fold);
    prefix.chars().map(fold).all(|wanted| key.next() == Some(wanted))
}

/// Case folding as far as it can end in ASCII: Unicode's simple folding (`ſ`, the Kelvin sign), and the dotted and dotless I, which
/// parsers that compare in upper or lower case take for an `i`.
fn fold(c: char) -> char {
    match c {
        'ſ' => 's',
        '\u{212A}' => 'k',
        'İ' | 'ı' => 'i',
        other => other.to_ascii_lowercase(),
    }
}
