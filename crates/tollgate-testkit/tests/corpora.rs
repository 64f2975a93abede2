//! Replays every corpus on stable: what a fuzzer once found, or a person thought of, stays found.

use std::path::Path;

use tollgate_testkit::fuzz::TARGETS;

#[test]
fn every_seed_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    for (name, target) in TARGETS {
        let folder = root.join("corpus").join(name);
        let mut seeds: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        seeds.sort();
        assert!(seeds.len() >= 5, "{name} has only {} seeds", seeds.len());
        for seed in seeds {
            let data = std::fs::read(&seed).unwrap();
            let held = std::panic::catch_unwind(|| target(&data));
            assert!(held.is_ok(), "{name} does not hold for {}", seed.display());
        }
        assert!(root.join("fuzz_targets").join(format!("{name}.rs")).is_file(), "{name} can't be fuzzed");
    }
}
