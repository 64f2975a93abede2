//! Every bad configuration and its exact message: `rejects/NAME.yaml` is checked and compared with `rejects/NAME.txt`.
//! `BLESS=1` rewrites the messages.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn rejects() {
    let folder = Path::new("tests/rejects");
    let bless = tollgate::config::env("BLESS").is_some();
    let (mut cases, mut texts, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml") => cases.insert(stem),
            Some("txt") => texts.insert(stem),
            other => panic!("what is {other:?}?"),
        };
    }
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    if !bless {
        assert_eq!(cases, texts, "cases and messages");
    }
    for case in cases {
        let yaml = folder.join(format!("{case}.yaml"));
        let text = std::fs::read_to_string(&yaml).unwrap();
        let found = match tollgate::config::load(Path::new(&format!("{case}.yaml")), &text) {
            Ok(config) if config.warnings.is_empty() => panic!("{case}.yaml has no problem"),
            Ok(config) => config.problems(config.warnings.clone()).render(false),
            Err(problems) => problems.render(false),
        };
        let expected = folder.join(format!("{case}.txt"));
        if bless {
            std::fs::write(expected, found).unwrap();
        } else if std::fs::read_to_string(expected).unwrap() != found {
            wrong.push(format!("== {case}\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "these differ (BLESS=1 rewrites them):\n{}", wrong.join("\n"));
}
