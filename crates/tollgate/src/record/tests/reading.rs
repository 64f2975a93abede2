//! Tails, followers and the index.

use super::*;
use crate::store::{Index, Query};

#[tokio::test]
async fn a_tail_is_the_last_closed_that_match_oldest_first() {
    let state = tempfile::tempdir().unwrap();
    let ledger = small(state.path());
    let slow = begun(&ledger, "slow/one").await;
    for n in 0..500 {
        call(&ledger, &format!("a/{n}")).await;
    }
    let _open = begun(&ledger, "a/open").await;
    drop(slow.close(Close::of(Outcome::Failed), ending()).await);
    let reader = Reader::new(state.path());
    let tools = |n, filter: &Filter| -> Vec<String> {
        reader.tail(n, filter).unwrap().into_iter().map(|entry| entry.fields.tool.unwrap()).collect()
    };
    assert_eq!(tools(3, &Filter::default()), ["a/498", "a/499", "slow/one"]);
    assert_eq!(tools(0, &Filter::default()), [""; 0]);
    let failed = Filter { outcome: Some("failed".into()), ..Filter::default() };
    assert_eq!(tools(9, &failed), ["slow/one"]);
    let one = Filter { tool: Some("a/7".into()), ..Filter::default() };
    assert_eq!(tools(9, &one), ["a/7"]);
    let entry = reader.tail(1, &one).unwrap().remove(0);
    assert_eq!(reader.show(entry.id()).unwrap().unwrap().fields.hash, entry.fields.hash);
    assert_eq!(reader.at(&entry.place).unwrap().unwrap().fields.tool, entry.fields.tool);
    assert!(reader.show("nothing").unwrap().is_none());
    let tomorrow = Filter { since_ms: Some(entry.at_ms() + 86_400_000), ..Filter::default() };
    assert!(tools(9, &tomorrow).is_empty());
}

#[tokio::test]
async fn an_empty_ledger_reads_as_nothing() {
    let state = tempfile::tempdir().unwrap();
    assert!(tail(state.path()).is_empty());
    assert!(assert_whole(state.path()).chains.is_empty());
    assert!(Reader::new(state.path()).follow(false).unwrap().poll().unwrap().is_empty());
}

#[tokio::test]
async fn a_follower_sees_each_entry_once_across_segments_and_chains() {
    let state = tempfile::tempdir().unwrap();
    let one = small(state.path());
    call(&one, "a/before").await;
    let slow = begun(&one, "a/slow").await;
    let mut follow = Reader::new(state.path()).follow(false).unwrap();
    let mut all = Reader::new(state.path()).follow(true).unwrap();
    assert!(follow.poll().unwrap().is_empty());
    let two = small(state.path());
    let mut seen = Vec::new();
    for n in 0..600 {
        call(if n % 3 == 0 { &two } else { &one }, &format!("a/{n}")).await;
        if n % 50 == 0 {
            seen.extend(follow.poll().unwrap());
        }
    }
    // Its begin was there before the follower.
    drop(slow.close(Close::of(Outcome::Ok), ending()).await);
    one.close().unwrap();
    for _ in 0..5 {
        seen.extend(follow.poll().unwrap());
    }
    let mut tools: Vec<_> = seen.iter().map(|entry| entry.fields.tool.clone().unwrap()).collect();
    tools.sort_unstable();
    let mut expected: Vec<_> = (0..600).map(|n| format!("a/{n}")).chain(["a/slow".to_owned()]).collect();
    expected.sort_unstable();
    assert_eq!(tools, expected);
    let mut count = 0;
    for _ in 0..5 {
        count += all.poll().unwrap().len();
    }
    assert_eq!(count, 602);
}

#[tokio::test]
async fn the_index_follows_and_is_made_again_when_it_is_lost() {
    let state = tempfile::tempdir().unwrap();
    let ledger = small(state.path());
    for n in 0..400 {
        call(&ledger, &format!("a/{}", n % 4)).await;
    }
    let index = Index::open(state.path()).unwrap();
    assert_eq!(super::index::catch_up(state.path(), &index).unwrap(), 400);
    assert_eq!(super::index::catch_up(state.path(), &index).unwrap(), 0);
    let slow = begun(&ledger, "a/slow").await;
    assert_eq!(super::index::catch_up(state.path(), &index).unwrap(), 0);
    drop(slow.close(Close::of(Outcome::Failed), ending()).await);
    assert_eq!(super::index::catch_up(state.path(), &index).unwrap(), 1);
    let failed = Query { outcome: Some("failed".into()), limit: 5, ..Query::default() };
    let row = index.newest(&failed).unwrap().remove(0);
    assert_eq!(row.tool.as_deref(), Some("a/slow"));
    assert_eq!(index.find(&row.id.to_string()).unwrap(), Some(row.clone()));
    let place = crate::record::read::Place {
        chain: row.position.chain.clone(),
        segment: row.position.segment,
        offset: row.position.offset,
    };
    assert_eq!(Reader::new(state.path()).at(&place).unwrap().unwrap().id(), row.id.to_string());
    let twos = Query { tool: Some("a/2".into()), limit: 1000, ..Query::default() };
    assert_eq!(index.newest(&twos).unwrap().len(), 100);
    drop(index);
    std::fs::write(state.path().join("index.sqlite"), "nothing that SQLite knows ".repeat(400)).unwrap();
    let index = Index::open(state.path()).unwrap();
    assert_eq!(super::index::catch_up(state.path(), &index).unwrap(), 401);
    assert_eq!(index.newest(&twos).unwrap().len(), 100);
    // Another version's, opened again.
    let raw = rusqlite::Connection::open(state.path().join("index.sqlite")).unwrap();
    raw.execute("UPDATE migrations SET checksum = x'00'", []).unwrap();
    drop((raw, index));
    let index = Index::open(state.path()).unwrap();
    assert!(index.positions().unwrap().is_empty());
    // Damaged while it is open.
    std::fs::write(state.path().join("index.sqlite"), "nothing that SQLite knows ".repeat(400)).unwrap();
    let error = index.positions().unwrap_err();
    index.remake_if_damaged(&error).unwrap();
    assert_eq!(super::index::catch_up(state.path(), &index).unwrap(), 401);
    assert_eq!(index.forget_before(u64::MAX).unwrap(), 401);
}

#[tokio::test]
async fn the_indexer_works_in_the_background() {
    let state = tempfile::tempdir().unwrap();
    let ledger = small(state.path());
    let index = Index::open(state.path()).unwrap();
    let retain = Duration::from_hours(24);
    let indexer = super::index::Indexer::start(state.path(), index.clone(), Clock::system(), retain).unwrap();
    let entry = begun(&ledger, "a/b").await;
    let id = entry.id().to_string();
    drop(entry);
    for _ in 0..200 {
        if index.find(&id).unwrap().is_some() {
            drop(indexer);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not indexed");
}

/// Whatever a record holds, the index says of its entry what a full reader says.
#[tokio::test]
async fn the_index_agrees_with_the_entries() {
    let state = tempfile::tempdir().unwrap();
    let ledger = small(state.path());
    let index = Index::open(state.path()).unwrap();
    let odd = "a/\"},{[\\ \u{202e}\n\",\"outcome\":\"ok\"";
    let mut open = begun(&ledger, odd).await;
    open.facts_mut().findings = vec![Arc::from("\"outcome\":\"x\"")];
    let mut list = begin(&ledger, Subject::Request(Method::ToolsList));
    list.facts_mut().server = text("files");
    list.facts_mut().interaction = text("of another");
    list.facts_mut().args = Some(Bytes::from_static(br#"{"a":["]}",{"outcome":"\\\""}],"tool":"none"}"#));
    list.facts_mut().reason = text("why \\");
    drop(list.close(Close::with(Outcome::Refused, "rule.denied", "no"), ending()).await);
    ledger.note_parked(open.facts()).unwrap();
    super::index::catch_up(state.path(), &index).unwrap();
    // Its begin is no longer remembered by then.
    drop(open.close(Close::of(Outcome::Asked), ending()).await);
    ledger.count_failure(None, "auth.missing");
    ledger.close().unwrap();
    super::index::catch_up(state.path(), &index).unwrap();
    let entries = tail(state.path());
    assert_eq!(entries.len(), 4);
    for entry in &entries {
        let row = index.find(entry.id()).unwrap().unwrap();
        assert_eq!(row.at_ms, entry.at_ms());
        let fields = &entry.fields;
        assert_eq!(Some(&row.outcome), fields.outcome.as_ref());
        assert_eq!(
            (&row.interaction, &row.agent, &row.server, &row.tool),
            (&fields.interaction, &fields.agent, &fields.server, &fields.tool)
        );
        assert_eq!(row.position.offset, entry.place.offset);
        let query = Query {
            interaction: row.interaction.clone(),
            since_ms: Some(row.at_ms),
            limit: 9,
            ..Query::default()
        };
        assert!(index.newest(&query).unwrap().contains(&row), "{row:?}");
    }
    let newest = index.newest(&Query { limit: 9, ..Query::default() }).unwrap();
    assert!(newest.len() == 4 && newest.is_sorted_by(|a, b| a.id > b.id));
    let later = newest.iter().map(|row| row.at_ms).max().unwrap() + 1;
    assert!(index.newest(&Query { since_ms: Some(later), limit: 9, ..Query::default() }).unwrap().is_empty());
    assert_eq!(index.forget_before(0).unwrap(), 0);
}

/// `cargo nextest run -p tollgate --run-ignored only -- microseconds` prints µs per entry that is indexed.
#[tokio::test]
#[ignore = "a measurement, not a promise"]
async fn microseconds_per_indexed_entry() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    for _ in 0..20_000 {
        let mut entry = begin(&ledger, CALL);
        let facts = entry.facts_mut();
        (facts.server, facts.tool) = (text("files"), text("files/read_file"));
        facts.args = Some(Bytes::from(format!("{{\"path\":\"{}\"}}", "x".repeat(200))));
        entry.commit().await.unwrap();
        drop(entry.close(Close::of(Outcome::Ok), ending()).await);
    }
    let clock = Clock::system();
    let per_entry = |since: std::time::Instant| (clock.instant() - since).as_secs_f64() * 1e6 / 20_000.0;
    let start = clock.instant();
    let mut follow = Reader::new(state.path()).follow(true).unwrap();
    while !follow.poll().unwrap().is_empty() {}
    println!("read in full: {:.2} µs per entry", per_entry(start));
    let start = clock.instant();
    let mut closed = Reader::new(state.path()).closed(std::collections::BTreeMap::new());
    while closed.poll().unwrap().1 {}
    println!("read for the index: {:.2} µs per entry", per_entry(start));
    let index = Index::open(state.path()).unwrap();
    let start = clock.instant();
    assert_eq!(super::index::catch_up(state.path(), &index).unwrap(), 20_000);
    println!("read and indexed: {:.2} µs per entry", per_entry(start));
}

/// `cargo nextest run -p tollgate --run-ignored only -- microseconds` prints µs per record of begin + commit + close.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a promise"]
async fn microseconds_per_record() {
    let state = tempfile::tempdir().unwrap();
    for durability in [Durability::Commit, Durability::Batch] {
        for tasks in [1_usize, 16] {
            let ledger = Ledger::open(state.path(), config(durability), Clock::system()).unwrap();
            let clock = Clock::system();
            let start = clock.instant();
            let each = 20_000 / tasks;
            let work: Vec<_> = (0..tasks)
                .map(|_| {
                    let ledger = ledger.clone();
                    tokio::spawn(async move {
                        for _ in 0..each {
                            call(&ledger, "files/read_file").await;
                        }
                    })
                })
                .collect();
            for task in work {
                task.await.unwrap();
            }
            let records = u32::try_from(each * tasks * 2).unwrap();
            let micros = (clock.instant() - start).as_secs_f64() * 1e6 / f64::from(records);
            println!("{durability:?}, {tasks:2} tasks: {micros:.2} µs per record");
        }
    }
}
