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
    assert_eq!(index.find(&row.id).unwrap(), Some(row.clone()));
    let place = crate::record::read::Place {
        chain: row.position.chain.clone(),
        segment: row.position.segment,
        offset: row.position.offset,
    };
    assert_eq!(Reader::new(state.path()).at(&place).unwrap().unwrap().id(), row.id);
    let twos = Query { tool: Some("a/2".into()), limit: 1000, ..Query::default() };
    assert_eq!(index.newest(&twos).unwrap().len(), 100);
    drop(index);
    std::fs::write(state.path().join("index.sqlite"), "nothing that SQLite knows ".repeat(400)).unwrap();
    let index = Index::open(state.path()).unwrap();
    assert_eq!(super::index::catch_up(state.path(), &index).unwrap(), 401);
    assert_eq!(index.newest(&twos).unwrap().len(), 100);
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
