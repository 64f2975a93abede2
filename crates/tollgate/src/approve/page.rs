//! The status page of a question, for the agent's human: whether the answer came. *Never* decides, and shows no arguments.

use super::inbox::{Slip, Standing, moment};

/// The page as HTML.
pub(super) fn page(slip: &Slip, now_ms: u64) -> String {
    let standing = slip.standing(now_ms);
    let (refresh, text) = match standing {
        Standing::Pending => {
            ("<meta http-equiv=\"refresh\" content=\"3\">", "This call waits for an approval.")
        }
        Standing::Approved => ("", "This call was approved. It goes on by itself; you can close this page."),
        Standing::Denied => ("", "This call was denied. You can close this page."),
        Standing::Expired => ("", "Nobody answered in time: this call does not run."),
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{refresh}<title>{word} · Tollgate</title>\
         <style>body{{font:16px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem}}dt{{color:#666}}</style></head>\
         <body><h1>{text}</h1><dl><dt>Tool</dt><dd><code>{tool}</code></dd><dt>Asked</dt><dd>{of}</dd>\
         <dt>Since</dt><dd>{since}</dd><dt>Until</dt><dd>{until}</dd></dl></body></html>",
        word = standing.as_str(),
        tool = escape(&super::visible(&slip.tool, 200)),
        of = escape(&super::visible(&slip.of, 100)),
        since = moment(slip.asked_ms),
        until = moment(slip.expires_ms),
    )
}

/// Text within HTML.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
