//! Sentences that speak to the model instead of about the tool. Each pattern is a row of word sets with a little room between them.

use tollgate_policy::hidden::is_invisible;

/// One step of a pattern: any of these words (`*` at an end stands for the rest of a word), at most so many words after the step before.
type Step = (usize, &'static [&'static str]);

const IGNORE: &[&str] = &[
    "ignore",
    "ignoring",
    "disregard",
    "disregarding",
    "forget",
    "bypass",
    "override",
    "overrides",
    "supersede",
    "supersedes",
];
const EARLIER: &[&str] = &[
    "previous",
    "prior",
    "above",
    "earlier",
    "other",
    "all",
    "any",
    "existing",
    "system",
    "safety",
    "preceding",
    "your",
    "these",
];
const ORDERS: &[&str] = &[
    "instruction*",
    "prompt*",
    "rule*",
    "guideline*",
    "guardrail*",
    "message*",
    "policies",
    "directive*",
    "context",
];
const NOT: &[&str] = &["not", "don't", "dont", "never", "without", "avoid", "cannot", "no"];
const TELL: &[&str] = &[
    "tell",
    "telling",
    "inform",
    "informing",
    "notify",
    "notifying",
    "mention",
    "mentioning",
    "reveal",
    "revealing",
    "disclose",
    "disclosing",
    "alert",
    "alerting",
    "warn",
    "warning",
    "asking",
    "ask",
];
const USER: &[&str] = &["user*", "human*", "them", "anyone", "operator*"];
const TAKE: &[&str] = &[
    "read", "reading", "open", "load", "include", "pass", "send", "attach", "append", "provide", "extract",
    "fetch", "cat", "upload", "forward", "copy", "insert", "put", "add", "place", "use", "call", "invoke",
    "leak", "return", "output", "repeat", "list",
];
const LOOT: &[&str] = &[
    "~/.ssh*",
    ".ssh*",
    "id_rsa*",
    "~/.aws*",
    ".env",
    "mcp.json",
    "~/.cursor*",
    "/etc/passwd",
    "/etc/shadow",
    "~/.config*",
    "~/.gnupg*",
    "~/.bash_history",
    "~/.netrc",
    "*mcp.json",
    "*id_rsa",
    "*id_rsa.pub",
    "~/.kube*",
];
const PRIVATE: &[&str] = &[
    "credential*",
    "password*",
    "secret*",
    "token*",
    "key",
    "keys",
    "prompt",
    "conversation",
    "history",
    "chat",
    "messages",
    "variables",
    "contents",
];
const SLOT: &[&str] = &["parameter*", "argument*", "field", "sidenote", "note", "feedback", "context"];
const MUST: &[&str] =
    &["must", "always", "should", "have", "need", "required", "important", "mandatory", "shall"];
const SECRETLY: &[&str] = &["silently", "secretly", "quietly", "covertly", "discreetly", "invisibly"];

/// Each is enough.
const PATTERNS: &[&[Step]] = &[
    &[(0, IGNORE), (3, EARLIER), (3, ORDERS)],
    &[(0, IGNORE), (2, &["everything"]), (3, &["above", "before", "said", "told"])],
    &[(0, NOT), (2, TELL), (5, USER)],
    &[
        (0, NOT),
        (3, &["show", "display", "explain", "describe", "verbalize", "report"]),
        (6, &["to"]),
        (1, USER),
    ],
    &[(0, &["hide", "conceal", "keep", "hidden", "secret"]), (5, &["from", "secret"]), (2, USER)],
    &[
        (0, &["without"]),
        (3, &["user's", "users", "user"]),
        (2, &["knowledge", "knowing", "consent", "awareness", "noticing", "permission"]),
    ],
    &[(0, TAKE), (8, LOOT)],
    &[(0, TAKE), (6, PRIVATE), (8, &["as", "in", "into", "to", "inside"]), (4, SLOT)],
    &[(0, TAKE), (4, &["system", "hidden"]), (0, &["prompt", "instructions"])],
    &[(0, TAKE), (5, &["conversation", "chat", "message"]), (0, &["history", "log", "transcript"])],
    &[
        (0, TAKE),
        (3, &["entire", "whole", "full", "previous", "complete"]),
        (2, &["conversation", "chat", "dialogue"]),
    ],
    &[
        (0, MUST),
        (
            6,
            &[
                "send",
                "sent",
                "forward*",
                "redirect*",
                "bcc",
                "cc",
                "deliver*",
                "transfer*",
                "route*",
                "upload*",
                "post*",
            ],
        ),
        (8, &["@@", "://"]),
    ],
    &[(0, SECRETLY), (2, TAKE)],
    &[
        (0, &["new", "real", "actual", "true", "updated"]),
        (1, &["instruction*", "directive*", "objective", "goal", "task"]),
        (1, &["is", "are", "for"]),
        (3, &["you", "your", "assistant", "ai", "model", "to"]),
    ],
    &[(0, &["you"]), (1, &["are"]), (1, &["now"])],
    &[
        (0, &["developer", "god", "jailbreak", "dan", "admin", "debug"]),
        (0, &["mode"]),
        (2, &["enabled", "activated", "on", "active", "engaged"]),
    ],
    &[
        (0, &["before", "after", "whenever", "when"]),
        (3, &["any", "every", "other", "all"]),
        (2, &["tool", "tools", "action", "function", "request"]),
        (10, MUST),
        (8, &["tool", "this", "call", "run", "first", "use"]),
    ],
    &[(0, &["instead", "regardless"]), (1, &["of"]), (4, &["user's", "user", "users"])],
    &[
        (0, &["this"]),
        (2, &["instruction*", "rule*", "directive*", "step"]),
        (4, &["override*", "supersede*", "precedence", "mandatory", "replace*"]),
    ],
    &[
        (0, &["otherwise", "or", "else"]),
        (6, &["will"]),
        (6, &["crash", "fail", "die", "shutdown", "terminated", "punished", "banned", "lost"]),
        (20, USER),
    ],
];

/// Marks that look like the model's own chat format or like a hidden section.
const MARKS: &[&str] = &[
    "<important",
    "</important",
    "<system",
    "</system",
    "<secret",
    "<critical",
    "<instruction",
    "</instruction",
    "<hidden",
    "<admin",
    "<|im_start",
    "<|im_end",
    "<|system",
    "<|endoftext",
    "[system]",
    "[inst]",
    "[/inst]",
    "<<sys>>",
    "### system",
    "### instruction",
    "system:",
    "assistant:",
    "<override",
    "[important]",
    "[hidden",
    "<!--",
];

/// The words that speak to the model, if there are any.
pub(super) fn find(text: &str) -> Option<String> {
    let plain: String =
        text.chars().filter(|c| !is_filler(*c)).map(plain_char).collect::<String>().to_lowercase();
    for mark in MARKS {
        if let Some(at) = plain.find(mark) {
            // `system:` is a mark at the start of a line only.
            let starts = plain.get(..at).is_none_or(|before| {
                before.trim_end_matches(' ').chars().next_back().is_none_or(|c| c == '\n')
            });
            if !mark.ends_with(':') || starts {
                return Some(plain.get(at..).unwrap_or_default().chars().take(120).collect());
            }
        }
    }
    let words: Vec<&str> =
        plain.split(|c: char| !is_word(c)).map(trim).filter(|word| !word.is_empty()).collect();
    PATTERNS.iter().find_map(|pattern| (0..words.len()).find_map(|start| matches(pattern, &words, start)))
}

fn matches(pattern: &[Step], words: &[&str], start: usize) -> Option<String> {
    let mut at = start;
    for (number, (room, any)) in pattern.iter().enumerate() {
        let reach = if number == 0 { 1 } else { room + 1 };
        let found = words.iter().skip(at).take(reach).position(|word| any.iter().any(|one| is(word, one)))?;
        at += found + 1;
    }
    Some(words.get(start..at)?.join(" "))
}

fn is(word: &str, pattern: &str) -> bool {
    if pattern == "@@" {
        return word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    }
    if pattern == "://" {
        return word.contains("://");
    }
    if let Some(start) = pattern.strip_suffix('*') {
        return word.starts_with(start);
    }
    if let Some(end) = pattern.strip_prefix('*') {
        return word.ends_with(end);
    }
    word == pattern
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\'' | '_' | '/' | '~' | '.' | '@' | ':' | '-')
}

fn trim(word: &str) -> &str {
    let word = word.trim_end_matches(['.', ':', '\'', '-']);
    word.trim_start_matches(['\'', ':', '-'])
}

/// What people see nothing of, but tags: those spell something.
const fn is_filler(c: char) -> bool {
    is_invisible(c) && !matches!(c, '\u{e0020}'..='\u{e007e}')
}

/// Tags spell ASCII; typographic quotes are quotes; wide letters are letters.
fn plain_char(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{e0020}'..='\u{e007e}' => char::from_u32(u32::from(c) - 0xe0000).unwrap_or(c),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{a0}' => ' ',
        c => c,
    }
}
