use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const HIDDEN: &[(&str, &str)] = &[
    ("a\u{200b}b", "ab"),
    ("pass\u{ad}word", "password"),
    ("x\u{e0049}\u{e0067}\u{e006e}", "x"),
    ("\u{202e}evil\u{202c}", "evil"),
    ("a\u{2066}b\u{2069}", "ab"),
    ("\u{feff}start", "start"),
    ("a\u{200d}b\u{200c}c", "abc"),
    ("x\u{fe01}\u{fe02}\u{fe03}y", "xy"),
    ("😀\u{e0101}\u{e0102}\u{e0103}", "😀\u{e0101}"),
    ("\u{1b}[31mred\u{1b}[0m", "red"),
    ("\u{1b}]8;;http://evil\u{1b}\\link\u{1b}]8;;\u{7}", "link"),
    ("\u{9b}2Jgone", "gone"),
    ("\u{1b}(Bplain", "plain"),
    ("a\u{200e}b", "ab"),
    ("\u{3164}\u{115f}", ""),
    ("a\u{2028}b", "ab"),
    ("🏴\u{e0049}x", "🏴x"),
    ("🏴\u{e0069}\u{e0067}\u{e006e}\u{e007f}", "🏴"),
    ("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e0067}\u{e007f}", "🏴"),
    ("क\u{200d}\u{fe01}\u{200d}\u{fe02}a", "क\u{fe01}a"),
    ("क\u{200d}\u{115f}ष", "कष"),
    ("a\u{61c}\u{61c}\u{200e}b", "ab"),
    ("a\u{17b5}\u{1d173}b", "ab"),
    ("\u{1b}", ""),
];

const PLAIN: &[&str] = &[
    "plain text, \"quotes\" — dashes… and ’curly’ ones",
    "👨‍👩‍👧‍👦 👩🏽‍💻 ❤️ 1️⃣ #️⃣ 🏳️‍🌈 👁️‍🗨️",
    "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} 🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "שלום עולם \u{200f}(ב־2026)",
    "مرحبا بالعالم",
    "می\u{200c}خواهم کتاب\u{200c}ها را",
    "क्\u{200d}ष और क्\u{200c}ष",
    "葛\u{e0100}飾区",
    "日本語、中文。한국어",
    "Größe ½ €5 ©",
    "\n\t\r",
    "no-break\u{a0}space",
];

fn json(text: &str, escaped: bool) -> String {
    let mut out = String::from("{\"k\":[\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' || escaped && !c.is_ascii() => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}").unwrap();
                }
            }
            c => out.push(c),
        }
    }
    out.push_str("\",1]}");
    out
}

#[test]
fn what_hides_is_taken_out_of_text_and_json_alike() {
    for (dirty, clean) in HIDDEN {
        assert_eq!(clean_text(dirty, Hidden::Strip).as_deref(), Some(*clean), "{dirty:?}");
        assert_eq!(clean_text(dirty, Hidden::Keep), None);
        for escaped in [false, true] {
            let source = json(dirty, escaped);
            assert!(may_hide(source.as_bytes()), "{source}");
            let cleaned = clean_json(source.as_bytes(), Hidden::Strip).unwrap_or_else(|| panic!("{source}"));
            let read: serde_json::Value = serde_json::from_slice(&cleaned).unwrap();
            assert_eq!(read["k"][0], *clean, "{source}");
            assert_eq!(clean_json(&cleaned, Hidden::Strip), None, "{source}");
        }
    }
}

#[test]
fn emoji_and_other_scripts_stay_byte_for_byte() {
    for plain in PLAIN {
        assert_eq!(clean_text(plain, Hidden::Strip), None, "{plain:?}");
        for escaped in [false, true] {
            let source = json(plain, escaped);
            assert_eq!(clean_json(source.as_bytes(), Hidden::Strip), None, "{source}");
        }
    }
}

#[test]
fn shown_ones_are_readable() {
    assert_eq!(clean_text("a\u{200b}b\u{1b}[1m", Hidden::Show).as_deref(), Some("a\\u{200b}b\\u{1b}[1m"));
    let shown = clean_json("{\"a\":\"x\u{e0041}\"}".as_bytes(), Hidden::Show).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(read["a"], "x\\u{e0041}");
}

#[test]
fn an_escaped_backslash_begins_no_escape() {
    let source = br#"{"a":"C:\\u200bx \\\\u001b[0m"}"#;
    assert_eq!(clean_json(source, Hidden::Strip), None);
    let source = br#"{"a":"C:\\\u200bx"}"#;
    assert_eq!(clean_json(source, Hidden::Strip).unwrap(), br#"{"a":"C:\\x"}"#);
}

#[test]
fn a_sequence_never_leaves_its_string() {
    let source = "{\"a\":\"\\u001b[31\",\"b\":\"\\u001b]\",\"c\":\"m\\u0007\"}";
    let cleaned = clean_json(source.as_bytes(), Hidden::Strip).unwrap();
    assert_eq!(String::from_utf8(cleaned).unwrap(), "{\"a\":\"[31\",\"b\":\"]\",\"c\":\"m\\u0007\"}");
}

#[test]
fn hostile_text_costs_no_more_than_linear() {
    let many = format!("\"{}\"", "\\u001b]".repeat(200_000));
    // Were it not linear, this would take minutes.
    assert!(clean_json(many.as_bytes(), Hidden::Strip).is_some());
}

#[test]
fn what_the_table_has_is_never_overlooked() {
    for c in ('\0'..=char::MAX).filter(|c| is_invisible(*c)) {
        let text = format!("a{c}é");
        assert_eq!(clean_text(&text, Hidden::Strip).as_deref(), Some("aé"), "{c:?}");
        for escaped in [false, true] {
            let text = json(&text, escaped);
            assert!(may_hide(text.as_bytes()), "{c:?} {escaped}");
            assert!(clean_json(text.as_bytes(), Hidden::Strip).is_some(), "{c:?} {escaped}");
        }
    }
}

#[test]
fn each_character_has_its_sight() {
    for (dirty, clean) in HIDDEN.iter().filter(|(dirty, _)| !dirty.contains(['\u{1b}', '\u{9b}'])) {
        let seen: String = sights(dirty).filter(|(_, sight)| *sight == Sight::Seen).map(|(c, _)| c).collect();
        assert_eq!(seen, *clean, "{dirty:?}");
    }
    let all: Vec<_> = sights("a\u{1b}\n\u{200d}").map(|(_, sight)| sight).collect();
    assert_eq!(all, [Sight::Seen, Sight::Hidden, Sight::Control, Sight::Hidden]);
}

/// What has neighbours to be judged by, and what could pass for one.
const ODD: &[char] = &[
    'a',
    '1',
    '#',
    ' ',
    '\\',
    '[',
    ']',
    '(',
    'm',
    ';',
    '\u{7}',
    '\u{1b}',
    '\u{9b}',
    '\u{9c}',
    '\u{ad}',
    '\u{115f}',
    '\u{200b}',
    '\u{200c}',
    '\u{200d}',
    '\u{200e}',
    '\u{200f}',
    '\u{61c}',
    '\u{202e}',
    '\u{2066}',
    '\u{fe01}',
    '\u{fe0f}',
    '\u{e0101}',
    'ش',
    'ק',
    'क',
    '中',
    '😀',
    '\u{1f3f4}',
    '\u{e0067}',
    '\u{e0062}',
    '\u{e0065}',
    '\u{e006e}',
    '\u{e0073}',
    '\u{e007f}',
    '\u{1d173}',
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_cleaned_is_clean_in_text_and_json_alike(
        text in prop::collection::vec(prop::sample::select(ODD), 0..24).prop_map(String::from_iter),
        escaped: bool,
    ) {
        let clean = clean_text(&text, Hidden::Strip).unwrap_or_else(|| text.clone());
        prop_assert_eq!(clean_text(&clean, Hidden::Strip), None, "{:?} became {:?}", text, clean);
        let source = json(&text, escaped);
        let cleaned = clean_json(source.as_bytes(), Hidden::Strip).unwrap_or_else(|| source.clone().into_bytes());
        let read: serde_json::Value = serde_json::from_slice(&cleaned).unwrap();
        prop_assert_eq!(read["k"][0].as_str(), Some(&*clean), "{:?}", source);
    }
}
