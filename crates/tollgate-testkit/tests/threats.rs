//! What the documents say of hostile messages is what is tried.

use std::path::Path;

use tollgate_testkit::storm::{ROWS, TRIALS};

/// The trial that needs parsers which nothing else here needs; it lives beside the test program.
const PARSERS: &str = "three other parsers read what policy read";

#[test]
fn every_attack_in_the_documents_is_tried() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/threats.md");
    let page = std::fs::read_to_string(page).expect("docs/threats.md");
    let rows =
        page.lines().filter(|line| line.starts_with("| ")).take_while(|line| !line.starts_with("| what"));
    let written: Vec<&str> = rows.skip(1).collect();
    let tried: Vec<String> =
        ROWS.iter().map(|(attack, trials)| format!("| {attack} | {} |", trials.join(" · "))).collect();
    assert_eq!(written, tried);
    for trial in ROWS.iter().flat_map(|(_, trials)| trials.iter()) {
        assert!(*trial == PARSERS || TRIALS.iter().any(|(name, _)| name == trial), "no trial `{trial}`");
    }
}
