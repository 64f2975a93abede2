//! What no compiler checks and no reviewer should have to: the floors hold, every promise says why, every stage says what it never does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers may fall over")]

mod imports;

use std::path::{Path, PathBuf};

use tollgate_testkit::scenario;

/// The workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file under a folder whose name ends so, by path.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn no_stage_names_a_later_one() {
    let source = root().join("crates/tollgate/src");
    let mut wrong = Vec::new();
    for path in files(&source, ".rs") {
        let relative = path.strip_prefix(&source).unwrap();
        wrong.extend(imports::broken(relative, &std::fs::read_to_string(&path).unwrap()));
    }
    assert!(wrong.is_empty(), "the floors are broken:\n{}", wrong.join("\n"));
}

#[test]
fn a_planted_upward_import_is_caught() {
    let planted = [
        ("resolve/mod.rs", "use crate::decide::verdict;", "resolve names decide"),
        ("resolve/deep/x.rs", "fn f() { let x = crate::record::begin(); }", "resolve names record"),
        ("transform/mod.rs", "use crate::{call::Arrival, forward};", "transform names forward"),
        (
            "transform/mod.rs",
            "use crate::{\n    call::{Arrival, Part},\n    path::walk as w,\n};",
            "transform names path",
        ),
        ("authenticate/mod.rs", "use super::approve;", "authenticate names approve"),
        ("authenticate/key.rs", "use super::super::decide::Verdict;", "authenticate names decide"),
        ("servers/pool.rs", "use crate::forward::send;", "servers names forward"),
        ("servers/pool.rs", "use crate::vault::Vault;", "servers/pool.rs names vault"),
        ("clock/mod.rs", "use crate::receive::http;", "clock names receive"),
        ("receive/http.rs", "use crate::admin;", "receive names admin"),
    ];
    for (path, text, told) in planted {
        let found = imports::broken(Path::new(path), text);
        assert_eq!(found.len(), 1, "{path}: {text}");
        assert!(found.first().unwrap().contains(told), "{found:?}");
    }
    let allowed = [
        ("forward/mod.rs", "use crate::{call, decide::Permit, servers::Lease};"),
        (
            "decide/mod.rs",
            "use super::Question; use self::record::x; // use crate::record::y;\n/* crate::record */ \"crate::record\"",
        ),
        ("decide/tests.rs", "use super::super::record::begin;"),
        ("servers/credential.rs", "use crate::vault::Vault;"),
        ("servers/mod.rs", "use crate::call::Client;"),
        ("path.rs", "use crate::{authenticate, record};"),
        ("lib.rs", "pub mod record;"),
    ];
    for (path, text) in allowed {
        assert_eq!(imports::broken(Path::new(path), text), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn the_ground_floor_has_no_io_and_no_clock() {
    for name in ["tollgate-mcp", "tollgate-policy"] {
        let folder = root().join("crates").join(name);
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for line in dependencies.lines() {
            let crate_name = line.split(['.', ' ', '=']).next().unwrap();
            let barred =
                ["tokio", "hyper", "rustix", "time", "rusqlite", "getrandom", "uuid", "tollgate", "tracing"];
            assert!(!barred.contains(&crate_name), "{name} depends on {crate_name}");
        }
        for path in files(&folder.join("src"), ".rs") {
            if imports::is_test(&path) {
                continue;
            }
            let text = imports::bare(&std::fs::read_to_string(&path).unwrap());
            for barred in
                ["std::net", "std::fs", "std::process", "std::env", "std::thread", "SystemTime", "Instant::"]
            {
                assert!(!text.contains(barred), "{} names {barred}", path.display());
            }
        }
    }
}

#[test]
fn every_stage_opens_with_a_promise_and_a_never() {
    let mut wrong = Vec::new();
    for crate_name in ["tollgate", "tollgate-testkit"] {
        let source = root().join("crates").join(crate_name).join("src");
        for entry in std::fs::read_dir(&source).unwrap() {
            let path = entry.unwrap().path().join("mod.rs");
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let opening: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
            let opening = opening.join(" ");
            if opening.split_whitespace().count() < 8 {
                wrong.push(format!("{}: no promise", path.display()));
            } else if !["*Never*", "*never*", "*Only*"].iter().any(|never| opening.contains(never)) {
                wrong.push(format!("{}: no never", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_scenario_reads_and_says_why() {
    let scenarios = root().join("scenarios");
    let cases = scenario::cases(&scenarios).unwrap_or_else(|failure| panic!("{failure}"));
    let files = scenario::discover(&scenarios).unwrap();
    assert!(files.len() >= 15, "only {} scenarios", files.len());
    let mut names: Vec<_> = cases.iter().map(|case| &case.name).collect();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let stages = [
        "receive",
        "authenticate",
        "resolve",
        "transform",
        "decide",
        "approve",
        "forward",
        "record",
        "config",
    ];
    for path in &files {
        let stage = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        assert!(stages.contains(&stage), "{} is in no stage's folder", path.display());
        // The promise is the file's name.
        let title = scenario::Scenario::load(path).unwrap().title;
        let plain: String =
            title.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-')).collect();
        let name = plain.to_lowercase().replace(' ', "-");
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), name, "{}", path.display());
    }
}

#[test]
fn every_example_loads_and_tells_what_to_try() {
    let configs = files(&root().join("examples"), "tollgate.yaml");
    assert!(configs.len() >= 3, "only {} examples", configs.len());
    for path in configs {
        if let Err(problems) = tollgate::config::open(&path) {
            panic!("{}", problems.render(false));
        }
        let readme = std::fs::read_to_string(path.with_file_name("README.md")).unwrap();
        assert!(readme.contains("\n```sh run\n"), "{}: nothing to try", path.display());
    }
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let root = root();
    let mut documents = files(&root.join("docs"), ".md");
    documents.extend(files(&root.join("examples"), ".md"));
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"] {
        documents.push(root.join(name));
    }
    for path in documents {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let there = path.parent().expect("a file has a folder").join(file);
            assert!(there.exists(), "{} links to {link}", path.display());
        }
    }
}
