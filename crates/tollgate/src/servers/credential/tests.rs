use std::collections::BTreeMap;

use super::{Environment, headers, join};
use crate::config::{Auth, Piece, Template};
use crate::secret::Secret;
use crate::servers::tests::Plain;

fn secret(name: &str) -> Template {
    Template(vec![Piece::Text("a-".to_owned()), Piece::Secret(name.to_owned())])
}

#[test]
fn pieces_are_joined_and_a_missing_one_is_named() {
    let known = |name: &str| match name {
        "k" => Ok(std::sync::Arc::new(Secret::new("value".to_owned()))),
        other => Err(format!("secret `{other}`: not set")),
    };
    assert_eq!(join(&secret("k"), known).expect("joined").expose(), "a-value");
    assert_eq!(join(&secret("x"), known).expect_err("missing"), "secret `x`: not set");
    let variable = Template(vec![Piece::Env("TOLLGATE_NO_SUCH".to_owned())]);
    assert_eq!(
        join(&variable, known).expect_err("missing"),
        "environment variable `TOLLGATE_NO_SUCH` is not set"
    );
}

#[test]
fn credentials_become_headers_that_do_not_print() {
    let extra = BTreeMap::from([("X-Team".to_owned(), Template(vec![Piece::Text("docs".to_owned())]))]);
    for (auth, name, value) in [
        (Auth::Bearer(secret("t")), "authorization", "Bearer a-t-value"),
        (Auth::Basic(Template(vec![Piece::Text("u:p".to_owned())])), "authorization", "Basic dTpw"),
        (Auth::Header { name: "X-Key".to_owned(), value: secret("t") }, "x-key", "a-t-value"),
    ] {
        let all = headers(&Plain::new(), &extra, Some(&auth)).expect("resolved");
        assert_eq!(all[0].1, "docs");
        assert_eq!((all[1].0.as_str(), all[1].1.to_str().expect("ASCII")), (name, value));
        assert!(!format!("{all:?}").contains("value") && !format!("{all:?}").contains("dTpw"));
    }
}

#[test]
fn headers_of_ours_and_impossible_values_are_refused() {
    let text = |text: &str| Template(vec![Piece::Text(text.to_owned())]);
    for (name, value, why) in [
        ("Host", "x", "header `Host` is written by the gateway"),
        ("MCP-Session-Id", "x", "header `MCP-Session-Id` is written by the gateway"),
        ("a b", "x", "`a b` is not a header's name"),
        ("X-Key", "s3cret\nX-Evil: 1", "the value of header `X-Key` holds characters that a header can't"),
    ] {
        let extra = BTreeMap::from([(name.to_owned(), text(value))]);
        assert_eq!(headers(&Plain::new(), &extra, None).expect_err("refused"), why);
    }
}

#[test]
fn a_childs_words_are_blanked_and_its_environment_is_small() {
    let added = BTreeMap::from([
        ("API_TOKEN".to_owned(), secret("t")),
        ("LANG".to_owned(), Template(vec![Piece::Text("C".to_owned())])),
    ]);
    let environment = Environment::of(&Plain::new(), &added).expect("resolved");
    assert_eq!(
        environment.blank("token a-t-value, twice a-t-value".to_owned()),
        "token [API_TOKEN], twice [API_TOKEN]"
    );
    let names: Vec<&str> = environment.variables.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        names.iter().all(
            |name| ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "TZ", "API_TOKEN"].contains(name)
        ),
        "{names:?}"
    );
    assert_eq!(names.iter().filter(|name| **name == "LANG").count(), 1);
    assert!(!format!("{environment:?}").contains("value"));
}
