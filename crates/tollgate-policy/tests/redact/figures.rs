//! The detection figures, measured on the corpus and held.

use std::collections::BTreeMap;

use tollgate_policy::detect::{Finder, Kind, Kinds};

use crate::corpus::{Dice, around, assigned, harmless, impersonal, personal, secrets};

const ROUNDS: u64 = 60;

fn share(part: usize, whole: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole.max(1)).unwrap())
}

#[test]
fn secrets_are_found_and_what_looks_like_one_is_not() {
    let finder = Finder::new(Kinds::default().with(Kind::Secret), Vec::new());
    let covered = |text: &str, secret: &str| {
        let start = text.find(secret).unwrap();
        let end = start + secret.len();
        finder.find(text).iter().any(|found| found.start <= start && found.end >= end)
    };
    let (mut found, mut all, mut missed) = (0, 0, BTreeMap::<String, usize>::new());
    for seed in 1..=ROUNDS {
        let mut dice = Dice::new(seed);
        for (vendor, secret) in secrets(&mut dice) {
            let text = around(&mut dice, &secret);
            all += 1;
            if covered(&text, &secret) {
                found += 1;
            } else {
                *missed.entry(format!("{vendor}: {text}")).or_default() += 1;
            }
        }
        for (text, secret) in assigned(&mut dice) {
            all += 1;
            if covered(&text, &secret) {
                found += 1;
            } else {
                *missed.entry(format!("assigned: {text}")).or_default() += 1;
            }
        }
    }
    let (mut wrong, mut texts, mut shown) = (0, 0, Vec::new());
    for seed in 1..=ROUNDS {
        for text in harmless(&mut Dice::new(seed + 1_000)) {
            texts += 1;
            let hits = finder.find(&text);
            if let Some(hit) = hits.first() {
                wrong += 1;
                shown.push(format!("{:?} in {:.120}", &text[hit.start..hit.end], text));
            }
        }
    }
    let (recall, false_positives) = (share(found, all), share(wrong, texts));
    println!("secrets: recall {recall:.4} of {all}, false positives {false_positives:.4} of {texts}");
    for miss in missed.keys().take(12) {
        println!("  missed {miss}");
    }
    for hit in shown.iter().take(12) {
        println!("  wrong {hit}");
    }
    assert!(recall >= 0.95 && false_positives <= 0.02);
}

#[test]
fn personal_data_is_found_whole_and_little_else_is_touched() {
    let kinds = [Kind::Email, Kind::Phone, Kind::Card, Kind::Iban, Kind::Ssn, Kind::Ip];
    let finder = Finder::new(kinds.into_iter().fold(Kinds::default(), Kinds::with), Vec::new());
    let mut per_kind = BTreeMap::<&str, (usize, usize)>::new();
    let (mut others, mut lost, mut missed) = (0, 0, Vec::new());
    for seed in 1..=ROUNDS {
        let mut dice = Dice::new(seed + 77);
        for (kind, value) in personal(&mut dice) {
            let text = around(&mut dice, &value);
            let start = text.find(&value).unwrap();
            let end = start + value.len();
            let hits = finder.find(&text);
            let hit = hits
                .iter()
                .find(|hit| hit.start == start && hit.end == end && finder.name(hit.which) == kind);
            let (found, all) = per_kind.entry(kind).or_default();
            *all += 1;
            match hit {
                Some(_) => *found += 1,
                None => missed.push(format!("{kind}: {text} {hits:?}")),
            }
            others += text.len() - value.len();
            lost += hits
                .iter()
                .map(|hit| hit.end - hit.start - (hit.end.min(end).saturating_sub(hit.start.max(start))))
                .sum::<usize>();
        }
    }
    let (mut wrong, mut texts, mut shown) = (0, 0, Vec::new());
    for seed in 1..=ROUNDS {
        for text in impersonal(&mut Dice::new(seed + 5_000)) {
            texts += 1;
            others += text.len();
            let hits = finder.find(&text);
            lost += hits.iter().map(|hit| hit.end - hit.start).sum::<usize>();
            if let Some(hit) = hits.first() {
                wrong += 1;
                shown.push(format!(
                    "{} {:?} in {:.120}",
                    finder.name(hit.which),
                    &text[hit.start..hit.end],
                    text
                ));
            }
        }
    }
    for miss in missed.iter().take(12) {
        println!("  missed {miss}");
    }
    for hit in shown.iter().take(12) {
        println!("  wrong {hit}");
    }
    let (false_positives, kept) = (share(wrong, texts), 1.0 - share(lost, others));
    for (kind, (found, all)) in &per_kind {
        println!("{kind}: span recall {:.4} of {all}", share(*found, *all));
    }
    println!(
        "personal data: false positives {false_positives:.4} of {texts}, other characters kept {kept:.5}"
    );
    assert!(per_kind.len() == 6 && per_kind.values().all(|(found, all)| share(*found, *all) >= 0.97));
    assert!(false_positives <= 0.02 && kept >= 0.995);
}
