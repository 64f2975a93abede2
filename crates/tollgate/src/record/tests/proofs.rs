//! What `verify` finds.

use sha2::Digest;

use super::writer::chain::{Chain, Class};
use super::*;

/// A finished ledger of two chains with some calls.
async fn finished() -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let ledger = open(state.path());
        for n in 0..5 {
            call(&ledger, &format!("a/{n}")).await;
        }
        drop(begin(&ledger, LIST));
    }
    assert_whole(state.path());
    state
}

#[track_caller]
fn bad(state: &Path) -> (u64, String) {
    let found = verify(state).bad.expect("a finding");
    (found.line, found.why)
}

#[tokio::test]
async fn a_changed_byte_is_found_wherever_it_is() {
    let state = finished().await;
    let path = segments(state.path()).remove(0);
    let original = std::fs::read(&path).unwrap();
    let third = lines(&path)[..2].join("\n").len() + 1;
    let length = lines(&path)[2].len();
    // Every byte of one record, its line break too.
    for at in (third..=third + length).step_by(3) {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(bad(state.path()).0, 3, "byte {}", at - third);
    }
}

#[tokio::test]
async fn removed_and_reordered_records_are_found() {
    let state = finished().await;
    let path = segments(state.path()).remove(0);
    let original = lines(&path);
    let mut removed = original.clone();
    removed.remove(4);
    write_lines(&path, &removed);
    assert_eq!(bad(state.path()), (5, "seq 6 follows 4".into()));
    let mut swapped = original.clone();
    swapped.swap(4, 5);
    write_lines(&path, &swapped);
    assert_eq!(bad(state.path()), (5, "seq 6 follows 4".into()));
    let mut repeated = original.clone();
    repeated.insert(4, original[4].clone());
    write_lines(&path, &repeated);
    assert_eq!(bad(state.path()), (6, "seq 5 follows 5".into()));
}

#[tokio::test]
async fn a_cut_end_is_found() {
    let state = finished().await;
    let (first, second) = (segments(state.path()).remove(0), segments(state.path()).remove(1));
    let (one, two) = (lines(&first), lines(&second));
    let head = |line: &str| line.get(line.len() - 66..line.len() - 2).unwrap().to_owned();
    let reader = Reader::new(state.path());
    assert!(reader.verify(Some(&head(two.last().unwrap()))).unwrap().is_whole());
    // The second chain has seen the end of the first.
    write_lines(&first, &one[..one.len() - 1]);
    assert!(bad(state.path()).1.contains("the end was cut"));
    std::fs::remove_file(&first).unwrap();
    assert_eq!(verify(state.path()).missing.len(), 1);
    write_lines(&first, &one);
    // Nobody has seen the end of the last, but a finished chain ends in a record of its own …
    write_lines(&second, &two[..two.len() - 2]);
    assert!(bad(state.path()).1.contains("no end record"));
    // … and of one that goes, only what was written down elsewhere tells.
    std::fs::remove_file(&second).unwrap();
    let report = reader.verify(Some(&head(two.last().unwrap()))).unwrap();
    assert!(report.bad.is_none() && report.head_found == Some(false) && !report.is_whole());
    assert!(!reader.verify(Some("not a hash")).unwrap().is_whole());
}

#[tokio::test]
async fn a_missing_first_segment_is_found() {
    let state = tempfile::tempdir().unwrap();
    let ledger = small(state.path());
    for n in 0..600 {
        call(&ledger, &format!("a/{n}")).await;
    }
    drop(ledger);
    assert_whole(state.path());
    std::fs::remove_file(segments(state.path()).remove(0)).unwrap();
    assert!(bad(state.path()).1.contains("no note tells that retention dropped them"));
}

#[test]
fn closes_without_sense_are_found() {
    use super::encode;
    let cases: [(&[(&str, u128)], &str); 5] = [
        (&[("begin", 1), ("end", 1), ("end", 1)], "is closed twice"),
        (&[("whole", 1), ("whole", 1)], "is closed twice"),
        (&[("begin", 1), ("begin", 1)], "begins twice"),
        (&[("begin", 1), ("whole", 1)], "its begin is another"),
        (&[("begin", 1), ("begin", 2), ("end", 2)], "never closed"),
    ];
    for (records, why) in cases {
        let state = tempfile::tempdir().unwrap();
        let dir = state.path().join("ledger");
        std::fs::create_dir(&dir).unwrap();
        let id = uuid::Uuid::from_u128(9).to_string();
        let mut chain = Chain::new(id, dir, Arc::new(RealDisk), SMALL, 0).unwrap();
        for (kind, entry) in records.iter().chain(&[("finish", 0)]) {
            let id = uuid::Uuid::from_u128(*entry);
            let facts = Facts::new(id, 0, CALL);
            let mut head = Vec::new();
            match *kind {
                "begin" => encode::begin(&mut head, &facts, Payloads::None),
                "end" => encode::abandoned(&mut head, id, u64::try_from(*entry).unwrap(), 0),
                "whole" => {
                    let close = Close::of(Outcome::Ok);
                    encode::close(&mut head, &facts, Payloads::None, None, &close, 0, 0);
                }
                _ => {
                    encode::Line::start(&mut head, "note", None, Some("end"), 0);
                }
            }
            let hasher = sha2::Sha256::new_with_prefix(&head);
            let class = if *kind == "begin" { Class::Open(id) } else { Class::Free };
            chain.append(class, &head, hasher, 0).unwrap();
        }
        chain.finish().unwrap();
        assert!(bad(state.path()).1.contains(why), "{why}: {:?}", bad(state.path()));
    }
}

#[tokio::test]
async fn a_third_party_needs_only_a_hash_function() {
    let state = finished().await;
    for path in segments(state.path()) {
        let mut prev = "0".repeat(64);
        for line in lines(&path) {
            let (hashed, tail) = line.split_at(line.len() - 75);
            let hash = format!("{:x}", sha2::Sha256::digest(hashed));
            assert_eq!(tail, format!(",\"hash\":\"{hash}\"}}"));
            assert!(hashed.ends_with(&format!(",\"prev\":\"{prev}\"")));
            prev = hash;
        }
    }
}
