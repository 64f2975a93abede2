use proptest::prelude::*;

use super::*;

use Revision::{
    V2024_11_05 as L1, V2025_03_26 as L2, V2025_06_18 as L3, V2025_11_25 as L4, V2026_07_28 as M,
};

fn read(declared: &str, revision: Revision) -> Capabilities {
    Capabilities::read(object(declared), revision)
}

fn object(text: &str) -> Object {
    Object::scan(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// `protocol.md` §3.5.
#[test]
fn what_is_declared_to_servers() {
    for (from, declared, to) in [
        (M, r"{}", ["{}", "{}", "{}", "{}", "{}"]),
        (
            M,
            r#"{"elicitation":{}}"#,
            ["{}", "{}", r#"{"elicitation":{}}"#, r#"{"elicitation":{}}"#, r#"{"elicitation":{}}"#],
        ),
        (
            M,
            r#"{"elicitation":{"form":{}}}"#,
            ["{}", "{}", r#"{"elicitation":{}}"#, r#"{"elicitation":{}}"#, r#"{"elicitation":{}}"#],
        ),
        (
            M,
            r#"{"elicitation":{"url":{}}}"#,
            ["{}", "{}", "{}", r#"{"elicitation":{"url":{}}}"#, r#"{"elicitation":{"url":{}}}"#],
        ),
        (
            L4,
            r#"{"elicitation":{"url":{},"form":{}}}"#,
            [
                "{}",
                "{}",
                r#"{"elicitation":{}}"#,
                r#"{"elicitation":{"form":{},"url":{}}}"#,
                r#"{"elicitation":{"form":{},"url":{}}}"#,
            ],
        ),
        // An older client's modes are words it does not know.
        (
            L3,
            r#"{"elicitation":{"url":{}}}"#,
            ["{}", "{}", r#"{"elicitation":{}}"#, r#"{"elicitation":{}}"#, r#"{"elicitation":{}}"#],
        ),
        (L2, r#"{"elicitation":{}}"#, ["{}"; 5]),
        (
            L4,
            r#"{"sampling":{"context":{},"tools":{}},"tasks":{},"experimental":{"x":{}}}"#,
            [
                r#"{"sampling":{}}"#,
                r#"{"sampling":{}}"#,
                r#"{"sampling":{}}"#,
                r#"{"sampling":{"tools":{},"context":{}}}"#,
                r#"{"sampling":{"tools":{},"context":{}}}"#,
            ],
        ),
        (L1, r#"{"sampling":{"tools":{}}}"#, [r#"{"sampling":{}}"#; 5]),
        (
            L4,
            r#"{"roots":{"listChanged":true}}"#,
            [
                r#"{"roots":{"listChanged":true}}"#,
                r#"{"roots":{"listChanged":true}}"#,
                r#"{"roots":{"listChanged":true}}"#,
                r#"{"roots":{"listChanged":true}}"#,
                r#"{"roots":{}}"#,
            ],
        ),
        (M, r#"{"roots":{"listChanged":true}}"#, [r#"{"roots":{}}"#; 5]),
        (L3, r#"{"roots":{"listChanged":"yes"}}"#, [r#"{"roots":{}}"#; 5]),
        (
            M,
            r#"{"extensions":{"com.example/x":{},"io.modelcontextprotocol/tasks":{"a":1}},"roots":{}}"#,
            [
                r#"{"roots":{}}"#,
                r#"{"roots":{}}"#,
                r#"{"roots":{}}"#,
                r#"{"roots":{}}"#,
                r#"{"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{"a":1}}}"#,
            ],
        ),
        (L4, r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#, ["{}"; 5]),
        (M, r#"{"extensions":{"io.modelcontextprotocol/tasks":true}}"#, ["{}"; 5]),
        (M, r#"{"elicitation":null,"sampling":true,"roots":[]}"#, ["{}"; 5]),
    ] {
        let capabilities = read(declared, from);
        let declares =
            Revision::ALL.map(|server| String::from_utf8(capabilities.declare(server).to_vec()).unwrap());
        assert_eq!(declares, to, "{declared} of {from}");
    }
}

#[test]
fn questions_are_allowed_as_declared() {
    let form = r#"{"message":"?","requestedSchema":{}}"#;
    let moded = r#"{"mode":"form","message":"?","requestedSchema":{}}"#;
    let url = r#"{"mode":"url","message":"?","url":"https://x"}"#;
    let odd = r#"{"mode":"video"}"#;
    let not_a_mode = r#"{"mode":1}"#;
    let sample = r#"{"messages":[],"maxTokens":1}"#;
    let tools = r#"{"messages":[],"maxTokens":1,"tools":[]}"#;
    let choice = r#"{"messages":[],"maxTokens":1,"toolChoice":{}}"#;
    for (declared, method, params, expected) in [
        (r#"{"elicitation":{}}"#, "elicitation/create", form, true),
        (r#"{"elicitation":{}}"#, "elicitation/create", moded, true),
        (r#"{"elicitation":{}}"#, "elicitation/create", url, false),
        (r#"{"elicitation":{"url":{}}}"#, "elicitation/create", url, true),
        (r#"{"elicitation":{"url":{}}}"#, "elicitation/create", form, false),
        (r#"{"elicitation":{"form":{},"url":{}}}"#, "elicitation/create", odd, false),
        (r#"{"elicitation":{"form":{},"url":{}}}"#, "elicitation/create", not_a_mode, false),
        (r"{}", "elicitation/create", form, false),
        (r#"{"sampling":{}}"#, "sampling/createMessage", sample, true),
        (r#"{"sampling":{}}"#, "sampling/createMessage", tools, false),
        (r#"{"sampling":{}}"#, "sampling/createMessage", choice, false),
        (r#"{"sampling":{"tools":{}}}"#, "sampling/createMessage", tools, true),
        (r"{}", "sampling/createMessage", sample, false),
        (r#"{"roots":{}}"#, "roots/list", "{}", true),
        (r"{}", "roots/list", "{}", false),
        (r#"{"roots":{},"sampling":{},"elicitation":{}}"#, "tools/call", "{}", false),
    ] {
        assert_eq!(
            read(declared, M).allows(method, &object(params)),
            expected,
            "{declared} {method} {params}"
        );
    }
}

#[test]
fn nothing_declared_is_nothing() {
    let none = Capabilities::none();
    assert!(!none.interactive() && none.fingerprint() == 0);
    assert_eq!(none.declare(M), "{}");
    assert!(read(r#"{"roots":{}}"#, L1).interactive());
}

proptest! {
    #[test]
    fn what_is_declared_reads_back_as_no_more_than_was_declared(
        parts in proptest::sample::subsequence(
            vec![
                r#""elicitation":{"form":{},"url":{}}"#, r#""sampling":{"tools":{}}"#, r#""roots":{"listChanged":true}"#,
                r#""extensions":{"io.modelcontextprotocol/tasks":{}}"#, r#""x":{}"#,
            ],
            0..=5,
        ),
        from in proptest::sample::select(Revision::ALL.to_vec()),
        to in proptest::sample::select(Revision::ALL.to_vec()),
    ) {
        let client = read(&format!("{{{}}}", parts.join(",")), from);
        let there = Capabilities::read(Object::scan(client.declare(to)).unwrap(), to);
        prop_assert_eq!(there.fingerprint() & !client.fingerprint(), 0);
        prop_assert_eq!(there.declare(to), client.declare(to));
    }
}
