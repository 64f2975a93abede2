//! Disks that are full or broken: nothing new passes, nothing that began is lost.

use super::*;

#[tokio::test]
async fn a_full_disk_refuses_new_calls_but_loses_no_outcome() {
    let state = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::default());
    let ledger = tuned(state.path(), Durability::Commit, &disk, &Clock::system());
    disk.full.store(true, Ordering::SeqCst);
    let mut open = Vec::new();
    let refused = loop {
        let mut entry = begin(&ledger, CALL);
        entry.facts_mut().tool = text("a/b");
        match entry.commit().await {
            Ok(_) => open.push(entry),
            Err(_) => break entry,
        }
        assert!(open.len() < 1000);
    };
    assert!(open.len() > 10, "{}", open.len());
    // The refusal reaches the agent as it is, though it cannot be recorded: nothing has happened.
    let mut reply = refused.close(Close::with(Outcome::Refused, "ledger.unavailable", ""), ending()).await;
    assert_eq!(told(reply), "as it came");
    // A list has been seen: without a record it is withheld.
    let mut list = begin(&ledger, LIST);
    while list.commit().await.is_ok() {
        reply = list.close(Close::of(Outcome::Ok), ending()).await;
        if told(reply).starts_with("the answer is withheld") {
            break;
        }
        list = begin(&ledger, LIST);
    }
    let count = open.len();
    for mut entry in open {
        for _ in 0..100 {
            entry.facts_mut().findings.push(Arc::from("a long finding, to fill the reserved room"));
        }
        let close = Close::with(Outcome::Failed, "x", "y".repeat(2000));
        assert_eq!(told(entry.close(close, ending()).await), "as it came");
    }
    disk.full.store(false, Ordering::SeqCst);
    call(&ledger, "a/after").await;
    let found = tail(state.path());
    assert_eq!(outcomes(&found).iter().filter(|outcome| **outcome == "failed").count(), count);
    assert_eq!(found.last().unwrap().fields.tool.as_deref(), Some("a/after"));
    assert_whole(state.path());
}

#[tokio::test]
async fn a_disk_that_fails_lets_nothing_pass_and_gets_everything_later() {
    let state = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::default());
    let ledger = tuned(state.path(), Durability::Commit, &disk, &Clock::system());
    let entry = begun(&ledger, "a/running").await;
    disk.faults.writes.store(true, Ordering::SeqCst);
    let mut first = begin(&ledger, CALL);
    assert!(first.commit().await.is_err());
    assert!(first.commit().await.is_err());
    assert!(begin(&ledger, CALL).commit().await.is_err());
    assert!(!ledger.is_writable());
    let reply = entry.close(Close::of(Outcome::Ok), ending()).await;
    assert_eq!(told(reply), "the answer is withheld: the ledger cannot be written");
    // A refusal goes out as it is, though its begin has its place and its close must wait.
    let refusal = Close::with(Outcome::Refused, "ledger.unavailable", "");
    assert_eq!(told(first.close(refusal, ending()).await), "as it came");
    disk.faults.writes.store(false, Ordering::SeqCst);
    call(&ledger, "a/after").await;
    assert!(ledger.is_writable());
    // The begin that had its place before the disk failed is closed like any other.
    assert_eq!(outcomes(&tail(state.path())), ["ok", "refused", "ok"]);
    let written = lines(&segments(state.path())[0]);
    assert_eq!(written.iter().filter(|line| line.contains("\"note\":\"undelivered\"")).count(), 1);
    assert_whole(state.path());
}

#[tokio::test]
async fn a_failed_flush_refuses_until_one_succeeds() {
    let state = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::default());
    let ledger = tuned(state.path(), Durability::Sync, &disk, &Clock::system());
    call(&ledger, "a/before").await;
    disk.faults.flushes.store(true, Ordering::SeqCst);
    let mut entry = begin(&ledger, CALL);
    assert!(entry.commit().await.is_err());
    assert!(begin(&ledger, CALL).commit().await.is_err());
    disk.faults.flushes.store(false, Ordering::SeqCst);
    ledger.flush().await.unwrap();
    drop(entry);
    call(&ledger, "a/after").await;
    // The second one found the ledger unavailable: nothing has happened, and nothing could be recorded.
    assert_eq!(outcomes(&tail(state.path())), ["ok", "cancelled", "ok"]);
    assert_whole(state.path());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_share_a_flush() {
    let state = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::default());
    let ledger = tuned(state.path(), Durability::Sync, &disk, &Clock::system());
    let before = disk.faults.flushed.load(Ordering::SeqCst);
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move { begun(&ledger, "a/b").await })
        })
        .collect();
    for task in tasks {
        drop(task.await.unwrap());
    }
    let flushes = disk.faults.flushed.load(Ordering::SeqCst) - before;
    assert!((1..32).contains(&flushes), "{flushes} flushes for 64 callers");
}

#[tokio::test]
async fn a_batch_is_written_soon() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path(), config(Durability::Batch), Clock::system()).unwrap();
    call(&ledger, "a/b").await;
    // 50 ms are promised; the machine that runs the tests may be busy.
    for _ in 0..100 {
        if tail(state.path()).len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not written");
}

#[tokio::test]
async fn commit_is_flushed_within_a_second() {
    let state = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::default());
    let ledger = tuned(state.path(), Durability::Commit, &disk, &Clock::system());
    ledger.flush().await.unwrap();
    let before = disk.faults.flushed.load(Ordering::SeqCst);
    call(&ledger, "a/b").await;
    for _ in 0..100 {
        if disk.faults.flushed.load(Ordering::SeqCst) > before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not flushed");
}

#[tokio::test]
async fn what_comes_after_the_end_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let entry = begun(&ledger, "a/b").await;
    ledger.close().unwrap();
    ledger.close().unwrap();
    assert!(begin(&ledger, CALL).commit().await.is_err());
    let reply = entry.close(Close::of(Outcome::Ok), ending()).await;
    assert_eq!(told(reply), "the answer is withheld: the ledger cannot be written");
    assert_eq!(outcomes(&tail(state.path())), ["abandoned"]);
    assert_whole(state.path());
}
