use super::{appears, compile};
use crate::json::Json;
use crate::source::Fact;

fn fact(path: &str) -> Fact {
    Fact::new("f", "*/*", path)
}

fn holds(fact: &Fact, arguments: &str, task: Option<&str>) -> Result<bool, String> {
    let mut problems = Vec::new();
    let matcher = compile(fact, &mut problems).unwrap_or_else(|| panic!("{problems:?}"));
    matcher.holds(&Json::read(arguments.as_bytes()).unwrap(), task)
}

#[test]
fn each_test_means_what_it_says() {
    let text = |text: &str| Some(text.to_owned());
    let to = |fact: Fact| Fact { paths: vec!["$.to[*]".into()], ..fact };
    let any = to(Fact { any: text("^root@"), ..fact("$") });
    let any_not = to(Fact { any_not: text("@acme\\.example$"), ..fact("$") });
    let all = to(Fact { all: text("@acme\\.example$"), ..fact("$") });
    let over = Fact { min: text("1000.5"), ..fact("$.amount") };
    let between = Fact { min: text("10"), max: text("20"), ..fact("$.amount") };
    let many = to(Fact { count_min: Some(3), ..fact("$") });
    let none = to(Fact { count_max: Some(0), ..fact("$") });
    for (fact, arguments, expected) in [
        (&any, r#"{"to":["a@b","root@c"]}"#, true),
        (&any, r#"{"to":["a@b"]}"#, false),
        (&any, "{}", false),
        (&any_not, r#"{"to":["a@acme.example"]}"#, false),
        (&any_not, r#"{"to":["a@acme.example","x@evil.example"]}"#, true),
        (&any_not, r#"{"to":[null]}"#, false),
        (&any_not, "{}", false),
        (&all, r#"{"to":["a@acme.example"]}"#, true),
        (&all, r#"{"to":[]}"#, false),
        (&all, r#"{"to":["a@acme.example","b"]}"#, false),
        (&over, r#"{"amount":1000.50}"#, true),
        (&over, r#"{"amount":1000.49999}"#, false),
        (&over, r#"{"amount":1e400}"#, true),
        (&over, "{}", false),
        (&between, r#"{"amount":20}"#, true),
        (&between, r#"{"amount":20.01}"#, false),
        (&many, r#"{"to":["a","b","c"]}"#, true),
        (&many, r#"{"to":["a","b"]}"#, false),
        (&none, r#"{"to":[]}"#, true),
        (&none, r#"{"to":["a"]}"#, false),
    ] {
        assert_eq!(holds(fact, arguments, None), Ok(expected), "{fact} {arguments}");
    }
    assert!(holds(&over, r#"{"amount":"5000"}"#, None).unwrap_err().contains("a text, not to a number"));
    let list = Fact { any: text("x"), ..fact("$.to") };
    assert!(holds(&list, r#"{"to":["x"]}"#, None).unwrap_err().contains("a list, not to a text"));
}

#[test]
fn several_paths_are_one_set_of_values() {
    let paths = vec!["$.to[*]".to_owned(), "$.cc[*]".to_owned(), "$.bcc".to_owned()];
    let of = |fact: Fact| Fact { paths: paths.clone(), ..fact };
    let ours = Some("@acme\\.example$".to_owned());
    let any_not = of(Fact { any_not: ours.clone(), ..fact("$") });
    let all = of(Fact { all: ours, ..fact("$") });
    let crowd = of(Fact { count_min: Some(3), ..fact("$") });
    let unknown = of(Fact { in_task: Some(false), ..fact("$") });
    for (fact, arguments, expected) in [
        (&any_not, r#"{"to":["a@acme.example"],"cc":["x@evil.example"]}"#, true),
        (&any_not, r#"{"to":["a@acme.example"],"bcc":"x@evil.example"}"#, true),
        (&any_not, r#"{"to":["a@acme.example"],"cc":[]}"#, false),
        // Not: all of `to`, or all of `cc`.
        (&all, r#"{"to":["a@acme.example"],"cc":["x@evil.example"]}"#, false),
        (&all, r#"{"cc":["a@acme.example"]}"#, true),
        (&crowd, r#"{"to":["a"],"cc":["b"],"bcc":"c"}"#, true),
        (&crowd, r#"{"to":["a"],"cc":["b"],"bcc":null}"#, false),
        (&unknown, r#"{"to":["ann"],"bcc":"eve"}"#, true),
        (&unknown, r#"{"to":["ann"],"bcc":"Ann"}"#, false),
    ] {
        assert_eq!(holds(fact, arguments, Some("tell ann")), Ok(expected), "{fact} {arguments}");
    }
    let error = holds(&any_not, r#"{"to":["a"],"cc":[["b"]]}"#, None).unwrap_err();
    assert!(error.contains("`$.cc[*]` leads to a list"), "{error}");
    for paths in [Vec::new(), vec!["$.a".to_owned(); 17], vec!["$.a".to_owned(), "a".to_owned()]] {
        let mut problems = Vec::new();
        assert!(compile(&Fact { paths, ..any_not.clone() }, &mut problems).is_none());
        assert!(problems.iter().any(|problem| problem.message.contains("`path`")), "{problems:?}");
    }
}

#[test]
fn the_users_words() {
    let known = Fact { in_task: Some(true), ..fact("$.to[*]") };
    let unknown = Fact { in_task: Some(false), ..fact("$.to[*]") };
    let task = Some("Send the report to Ana@acme.example and bob@x.example.");
    for (arguments, said) in [
        (r#"{"to":["ana@acme.example"]}"#, true),
        (r#"{"to":["ana@acme.example","BOB@x.example"]}"#, true),
        (r#"{"to":["ana@acme.example","eve@x.example"]}"#, false),
        (r#"{"to":[""]}"#, false),
    ] {
        assert_eq!(holds(&known, arguments, task), Ok(said), "{arguments}");
        assert_eq!(holds(&unknown, arguments, task), Ok(!said), "{arguments}");
        assert_eq!(holds(&known, arguments, None), Ok(false), "{arguments}");
        assert_eq!(holds(&unknown, arguments, None), Ok(true), "{arguments}");
    }
    assert_eq!(holds(&known, "{}", task), Ok(false));
    assert_eq!(holds(&unknown, "{}", task), Ok(false));
    assert!(!appears("5", "150 euros"));
    assert!(appears("5", "5 euros"));
}

#[test]
fn mistakes_are_named() {
    let told = |fact: &Fact| {
        let mut problems = Vec::new();
        assert!(compile(fact, &mut problems).is_none());
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(told(&fact("$.to")).contains("fact `f`: it tests nothing"));
    assert!(
        told(&Fact { any: Some("(".into()), ..fact("$.to") }).contains("`any` is not a regular expression")
    );
    assert!(
        told(&Fact { any: Some("x".into()), ..fact("to") }).contains("`path`, character 1: a path begins")
    );
    assert!(told(&Fact { min: Some("x".into()), ..fact("$.to") }).contains("`x` is not a number"));
    assert!(told(&Fact { any: Some("(a{1000}){1000}".into()), ..fact("$.to") }).contains("`any`"));
}
