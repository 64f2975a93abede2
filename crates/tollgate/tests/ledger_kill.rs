//! `kill -9` at random instants: whatever the writer was doing, the ledger can be verified, and each begin has exactly one close.
//! The writer is this test's own binary, started again with the directory in its environment.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tollgate::call::Ending;
use tollgate::clock::Clock;
use tollgate::config::{self, Durability, Payloads};
use tollgate::record::read::Reader;
use tollgate::record::{Close, Ledger, Outcome, Subject, begin};
use tollgate_mcp::error::RpcError;
use tollgate_mcp::method::Method;

const DIRECTORY: &str = "TOLLGATE_TEST_LEDGER";
const KILLS: usize = 10;

fn config(durability: Durability) -> config::Ledger {
    config::Ledger { durability, payloads: Payloads::Redacted, retain: Duration::from_hours(24) }
}

/// The child: appends under load from several tasks until it is killed. What it says on its output was acknowledged before.
#[test]
#[ignore = "the child of the test below"]
fn writer() {
    let Some(state) = std::env::var_os(DIRECTORY) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open(Path::new(&state), config(Durability::Commit), Clock::system()).unwrap();
        let mut tasks = Vec::new();
        for task in 0..4 {
            let ledger = ledger.clone();
            tasks.push(tokio::spawn(async move { load(&ledger, task).await }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[expect(clippy::unwrap_used, reason = "the load of a test")]
async fn load(ledger: &Ledger, task: usize) {
    for n in 0.. {
        let subject = Subject::Request(if n % 5 == 0 { Method::ToolsList } else { Method::ToolsCall });
        let mut entry = begin(ledger, subject);
        let size = if n % 9 == task { 20_000 } else { 300 };
        entry.facts_mut().args = Some(format!("{{\"text\":\"{}\"}}", "x".repeat(size)).into());
        entry.commit().await.unwrap();
        let id = entry.id();
        let mut out = std::io::stdout();
        writeln!(out, "begun {id} {}", subject.as_str()).unwrap();
        tokio::task::yield_now().await;
        let ending = Ending::Error(RpcError::new(0, ""));
        drop(entry.close(Close::of(Outcome::Ok), ending).await);
        writeln!(out, "closed {id}").unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_a_ledger_that_verifies() {
    let state = tempfile::tempdir().unwrap();
    let mut seed = getrandom::u64().unwrap();
    let mut entries = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["writer", "--exact", "--ignored", "--nocapture"])
            .env(DIRECTORY, state.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (busy, is_busy) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut said: HashMap<String, &'static str> = HashMap::new();
            for line in output.lines() {
                let line = line.unwrap();
                let mut words = line.split(' ');
                match (words.next(), words.next(), words.next()) {
                    // A list has no begin record: only its close was promised.
                    (Some("begun"), Some(id), Some("tools/call")) => {
                        // Nobody listens any more after the first.
                        busy.send(()).unwrap_or_default();
                        said.insert(id.to_owned(), "begun");
                    }
                    (Some("closed"), Some(id), None) if id.len() == 36 => {
                        said.insert(id.to_owned(), "closed");
                    }
                    _ => {}
                }
            }
            said
        });
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Every third time at its start, while it finishes the chain before; else under load.
        if kill % 3 != 2 {
            is_busy.recv().unwrap();
        }
        std::thread::sleep(Duration::from_millis((seed >> 33) % 80));
        child.kill().unwrap();
        child.wait().unwrap();
        let said = reader.join().unwrap();

        drop(Ledger::open(state.path(), config(Durability::Commit), Clock::system()).unwrap());
        let reader = Reader::new(state.path());
        let report = reader.verify(None).unwrap();
        assert!(report.is_whole(), "kill {kill}: {report:#?}");
        assert!(report.chains.iter().all(|chain| chain.open == 0 && !chain.unfinished), "kill {kill}");
        assert!(report.entries >= entries, "kill {kill}");
        entries = report.entries;
        let mut outcomes: HashMap<String, String> = HashMap::new();
        for entry in reader.newest().unwrap() {
            let entry = entry.unwrap();
            let outcome = entry.fields.outcome.clone().unwrap();
            assert!(outcome == "ok" || outcome == "abandoned", "{outcome}");
            assert!(entry.fields.method.is_some(), "a close without its begin");
            assert!(outcomes.insert(entry.id().to_owned(), outcome).is_none(), "closed twice");
        }
        assert_eq!(u64::try_from(outcomes.len()).unwrap(), entries);
        for (id, state) in said {
            let outcome = outcomes.get(&id).unwrap_or_else(|| panic!("kill {kill}: {id} was {state}"));
            assert!(state == "begun" || outcome == "ok", "kill {kill}: {id} was {state}, is {outcome}");
        }
    }
    assert!(entries > 0, "nothing was ever written");
}
