//! `password = "…"`: a random value under a name that tells.

use super::super::bytes::{at, before, entropy, part, run};
use super::is_dummy;

/// Names that speak about a secret instead of being one.
const ABOUT: &[&[u8]] = &[
    b"hash",
    b"digest",
    b"name",
    b"type",
    b"url",
    b"uri",
    b"path",
    b"file",
    b"count",
    b"length",
    b"len",
    b"size",
    b"limit",
    b"max",
    b"min",
    b"expir",
    b"ttl",
    b"id",
    b"policy",
    b"field",
    b"label",
    b"hint",
    b"input",
    b"class",
    b"endpoint",
    b"version",
    b"status",
    b"usage",
    b"provider",
    b"regex",
    b"pattern",
    b"prefix",
    b"public",
    b"arn",
    b"reset",
    b"manager",
    b"kind",
    b"algo",
    b"method",
    b"scope",
    b"issuer",
    b"ref",
    b"header",
    b"param",
    b"usd",
];

/// The value assigned to the name in which the keyword at `start..end` stands.
pub(super) fn value(text: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    // The rest of the name: `secret_key_base`, `apiKeyProd`, not `tokenizer`.
    let name = run(text, end, 40, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let rest = part(text, end, name);
    let word = part(text, start, end).to_ascii_lowercase();
    let goes_on = rest.first().is_some_and(u8::is_ascii_lowercase);
    let in_word = rest.starts_with(b"ord") || rest.starts_with(b"key") || rest.starts_with(b"s");
    if goes_on
        && !in_word
        && !rest.starts_with(b"d")
        && !part(text, start, start + 1).iter().all(u8::is_ascii_uppercase)
    {
        return None;
    }
    if word == b"passw"
        && !rest.to_ascii_lowercase().starts_with(b"ord")
        && !rest.to_ascii_lowercase().starts_with(b"d")
    {
        return None;
    }
    let told = rest.to_ascii_lowercase();
    let tail = told.strip_prefix(b"ord").unwrap_or(&told);
    if ABOUT.iter().any(|about| tail.windows(about.len()).any(|window| window == *about)) {
        return None;
    }
    if part(text, start.saturating_sub(7), start).to_ascii_lowercase().ends_with(b"public_") {
        return None;
    }
    let (from, quote, direct) = assignment(text, name)?;
    let stop = match quote {
        Some(quote) => {
            run(text, from, 257, |byte| byte != quote && byte > b' ' && byte != b'\\' && byte < 0x80)
        }
        None => run(text, from, 257, |byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'_' | b'-'
                        | b'+'
                        | b'/'
                        | b'='
                        | b'.'
                        | b'~'
                        | b'!'
                        | b'@'
                        | b'#'
                        | b'$'
                        | b'%'
                        | b'^'
                        | b'&'
                        | b'*'
                )
        }),
    };
    if let Some(quote) = quote
        && at(text, stop) != quote
        && at(text, stop) != b'\\'
    {
        return None;
    }
    let mut stop = stop;
    if quote.is_none() {
        // A sentence's end, a parameter's.
        if let Some(and) = part(text, from, stop).iter().position(|byte| *byte == b'&') {
            stop = from + and;
        }
        while stop > from && matches!(before(text, stop), b'.' | b'!') {
            stop -= 1;
        }
        if matches!(at(text, stop), b'(' | b'[' | b'{' | b'<') {
            return None;
        }
    }
    (stop - from <= 256 && is_random(part(text, from, stop), quote.is_some(), direct)).then_some((from, stop))
}

/// Behind a name: where its value begins, its quote, and whether it was assigned with `=` or `:` at all.
fn assignment(text: &[u8], name: usize) -> Option<(usize, Option<u8>, bool)> {
    let is_quote = |byte: u8| matches!(byte, b'"' | b'\'' | b'`');
    let mut place = name;
    // The name's own quote, perhaps escaped: `"password": …` within a string.
    place += usize::from(at(text, place) == b'\\');
    place += usize::from(is_quote(at(text, place)) || at(text, place) == b']');
    place += usize::from(is_quote(at(text, name)) && at(text, place) == b']');
    place = run(text, place, 4, |byte| byte == b' ' || byte == b'\t');
    let operator = run(text, place, 3, |byte| matches!(byte, b'=' | b':' | b'>'));
    let signs = part(text, place, operator);
    // `==` compares.
    if signs.is_empty() || signs == b"==" || signs == b"===" || signs == b"::" {
        let said = part(text, place, place + 3);
        if said != b"is " && said != b"IS " {
            return None;
        }
        place += 3;
    } else {
        place = operator;
    }
    place = run(text, place, 4, |byte| byte == b' ' || byte == b'\t');
    let escaped = usize::from(at(text, place) == b'\\' && is_quote(at(text, place + 1)));
    place += escaped;
    let quote = Some(at(text, place)).filter(|byte| is_quote(*byte));
    Some((place + usize::from(quote.is_some()), quote, !signs.is_empty()))
}

fn is_random(value: &[u8], quoted: bool, direct: bool) -> bool {
    let has = |like: fn(&u8) -> bool| value.iter().any(like);
    let digits = has(u8::is_ascii_digit);
    let lower = has(u8::is_ascii_lowercase);
    let upper = has(u8::is_ascii_uppercase);
    let marks = has(u8::is_ascii_punctuation);
    if value.len() < 8 || is_dummy(value) || is_placeholder(value) || is_code(value) {
        return false;
    }
    let kinds = [digits, lower, upper, marks].into_iter().filter(|has| *has).count();
    let bits = entropy(value);
    let long = value.len() >= 16;
    match (quoted, long) {
        (true, true) => kinds >= 2 && (digits && bits >= 300 || bits >= 400 && is_jumbled(value)),
        (true, false) => (digits && kinds >= 2 || kinds >= 3) && bits >= 240,
        (false, true) => direct && digits && (lower || upper) && bits >= 310,
        (false, false) => direct && digits && kinds >= 3 && bits >= 260,
    }
}

/// Whether letters change their case as if by chance: words and names in camel case do it seldom.
fn is_jumbled(value: &[u8]) -> bool {
    let pairs = value.windows(2).filter(|pair| pair.iter().all(u8::is_ascii_alphabetic));
    let changes =
        pairs.filter(|pair| pair.iter().filter(|byte| byte.is_ascii_uppercase()).count() == 1).count();
    changes * 3 > value.len()
}

/// What stands where a value will: `<your-key-1>`, `${VAR}`, `{{ secret }}`, `YOUR_API_KEY_HERE`, `changeme123`.
fn is_placeholder(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let shown: &[&[u8]] = &[
        b"your",
        b"example",
        b"changeme",
        b"placeholder",
        b"xxxx",
        b"1234567890abcdef",
        b"dummy",
        b"redacted",
        b"sample",
        b"insert",
        b"todo",
        b"replace",
        b"<",
        b"${",
        b"{{",
        b"%(",
        b"$(",
        b"process.env",
        b"os.environ",
        b"secret:",
        b"env:",
        b"vault:",
        b"tgt_",
        b"****",
        b"[hash",
        b"foobar",
        b"n/a",
    ];
    shown.iter().any(|word| lower.windows(word.len()).any(|window| window == *word))
}

/// A call, a path or a member, not a value: `self.token_1`, `get_secret(…`, `/run/secrets/db-1`, `config.v2.token`.
fn is_code(value: &[u8]) -> bool {
    if value.contains(&b'(') || value.starts_with(b"./") || value.starts_with(b"http") {
        return true;
    }
    // Base64 may begin with a slash, a path is made of words.
    if value.starts_with(b"/") && (value.len() < 32 || entropy(value) < 430) {
        return true;
    }
    if value.starts_with(b"$")
        && value.iter().skip(1).all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    {
        return true;
    }
    // Words with dots, underscores or dashes between them, of which none looks random.
    let words: Vec<&[u8]> = value.split(|byte| matches!(byte, b'.' | b'_' | b'-' | b':' | b'/')).collect();
    words.len() > 1
        && words.iter().all(|word| {
            let letters = word.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            let digits = word.len() - letters;
            let cased = word.iter().all(|byte| !byte.is_ascii_uppercase())
                || word.iter().all(|byte| !byte.is_ascii_lowercase())
                || word.iter().skip(1).take(letters.saturating_sub(1)).all(u8::is_ascii_lowercase);
            cased && digits <= 2 && letters <= 14 && word.iter().skip(letters).all(u8::is_ascii_digit)
        })
}
