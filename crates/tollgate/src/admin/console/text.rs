//! Text as a person should see it.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tollgate_policy::hidden::{Sight, sights};

use crate::approve::visible;

/// The most characters of a name or a reason.
const WORDS_MAX: usize = 1000;

/// What another program said, hidden characters made visible. Escaping is the templates'.
pub(super) fn seen(text: &str) -> String {
    visible(text, WORDS_MAX)
}

/// RFC 3339 as milliseconds since the Unix epoch.
pub(super) fn millis(moment: &str) -> u64 {
    let time = OffsetDateTime::parse(moment, &Rfc3339).map(|t| t.unix_timestamp_nanos() / 1_000_000);
    time.ok().and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default()
}

/// A time of day in UTC, with the date where it is another day than `now_ms`.
pub(super) fn clock(ms: u64, now_ms: u64) -> String {
    let read = |ms: u64| OffsetDateTime::from_unix_timestamp(i64::try_from(ms / 1000).ok()?).ok();
    let Some(time) = read(ms) else { return String::new() };
    let hour = format!("{:02}:{:02} UTC", time.hour(), time.minute());
    if read(now_ms).is_some_and(|now| now.date() == time.date()) {
        hour
    } else {
        format!("{} {hour}", time.date())
    }
}

/// A span as `40 s`, `9 min`, `3 h`, `12 d`.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// JSON laid out a member a line, token by token, so that each number and string stays as it was sent. Hidden characters within
/// strings become JSON escapes: the same text, visible.
pub(super) fn laid_out(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut chars = sights(json).peekable();
    while let Some((c, sight)) = chars.next() {
        match c {
            '"' => {
                out.push('"');
                while let Some((c, sight)) = chars.next() {
                    put(c, sight, &mut out);
                    match c {
                        '\\' => out.extend(chars.next().map(|(c, _)| c)),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(c);
                while chars.next_if(|(c, _)| c.is_ascii_whitespace()).is_some() {}
                if let Some((close, _)) = chars.next_if(|(next, _)| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => put(c, sight, &mut out),
        }
    }
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
}

fn put(c: char, sight: Sight, out: &mut String) {
    match sight {
        Sight::Seen => out.push(c),
        Sight::Hidden | Sight::Control => {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}").unwrap_or_default();
            }
        }
    }
}

/// Two texts with what they share around the place where they differ: `(shared, before, after, shared)`.
pub(super) fn apart(before: &str, after: &str) -> (String, String, String, String) {
    let (a, b): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
    let mut head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    // Whole words, where one has been cut.
    let cut = |list: &[char], at: usize| list.get(at).is_some_and(|c| c.is_alphanumeric());
    while head > 0 && (cut(&a, head) || cut(&b, head)) && cut(&a, head - 1) {
        head -= 1;
    }
    let (a_rest, b_rest) = (a.get(head..).unwrap_or_default(), b.get(head..).unwrap_or_default());
    let mut tail = a_rest.iter().rev().zip(b_rest.iter().rev()).take_while(|(x, y)| x == y).count();
    let word = |list: &[char], tail: usize| list.len().checked_sub(tail + 1).is_some_and(|at| cut(list, at));
    while tail > 0 && (word(a_rest, tail) || word(b_rest, tail)) && cut(a_rest, a_rest.len() - tail) {
        tail -= 1;
    }
    let text = |chars: &[char]| chars.iter().collect::<String>();
    let middle = |rest: &[char]| text(rest.get(..rest.len() - tail).unwrap_or_default());
    let shared = text(a_rest.get(a_rest.len() - tail..).unwrap_or_default());
    (text(a.get(..head).unwrap_or_default()), middle(a_rest), middle(b_rest), shared)
}
