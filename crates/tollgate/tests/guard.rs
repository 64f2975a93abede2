//! The guard with real process trees: nothing outlives the gateway.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that leaves a grandchild in a session of its own, orphaned by a double fork, deaf to SIGTERM, and prints both pids.
const STUBBORN: &str = r#"
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(w, str(os.getpid()).encode() + b"\n")
        time.sleep(600)
    os._exit(0)
os.wait()
print(os.getpid(), os.read(r, 64).decode().strip(), flush=True)
time.sleep(600)
"#;

fn guard() -> PathBuf {
    let mut path = std::env::current_exe().expect("own path");
    path.pop();
    path.pop();
    path.push("examples/guard");
    path
}

fn start(command: &[&str]) -> Child {
    Command::new(guard())
        .args(["guard", "--"])
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the guard starts")
}

fn pids(child: &mut Child) -> Vec<String> {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("stdout")).read_line(&mut line).expect("a line");
    line.split_whitespace().map(str::to_owned).collect()
}

fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[expect(clippy::disallowed_methods, reason = "a test's stopwatch")]
fn gone_within(pids: &[String], limit: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit {
        if pids.iter().all(|pid| !alive(pid)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn the_whole_tree_ends_when_the_pipe_closes() {
    let mut child = start(&["python3", "-c", STUBBORN]);
    let tree = pids(&mut child);
    assert_eq!(tree.len(), 2);
    assert!(tree.iter().all(|pid| alive(pid)));
    drop(child.stdin.take());
    assert!(gone_within(&tree, Duration::from_secs(5)), "{tree:?}");
    assert_eq!(child.wait().expect("reaped").code(), Some(137));
}

#[test]
fn the_whole_tree_ends_when_the_guards_parent_is_killed() {
    // A shell stands for the gateway: it holds the only write end of the guard's input.
    let script = format!(
        "import subprocess, sys, time\np = subprocess.Popen([{:?}, 'guard', '--', 'python3', '-c', {STUBBORN:?}], stdin=subprocess.PIPE)\ntime.sleep(600)",
        guard()
    );
    let mut gateway = Command::new("python3")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the gateway's stand-in starts");
    let tree = pids(&mut gateway);
    assert_eq!(tree.len(), 2);
    gateway.kill().expect("killed");
    gateway.wait().expect("reaped");
    // Twice 0.25 s, and room for a busy machine; the grace of a living gateway's child is eight times that.
    assert!(gone_within(&tree, Duration::from_secs(2)), "{tree:?}");
}

#[test]
fn leftovers_end_with_the_child_and_its_code_is_passed_on() {
    let mut child = start(&["sh", "-c", "setsid sleep 600 & echo $!; exit 7"]);
    let tree = pids(&mut child);
    assert!(gone_within(&tree, Duration::from_secs(5)));
    assert_eq!(child.wait().expect("reaped").code(), Some(7));
}

#[test]
fn a_term_to_the_guard_ends_the_tree() {
    let mut child = start(&["sh", "-c", "sleep 600 & echo $!; wait"]);
    let tree = pids(&mut child);
    Command::new("kill").arg(child.id().to_string()).status().expect("kill");
    assert!(gone_within(&tree, Duration::from_secs(5)));
    assert_eq!(child.wait().expect("reaped").code(), Some(143));
}

#[test]
fn the_server_reads_the_same_pipe_and_the_guard_takes_nothing() {
    use std::io::Write;
    let mut child = start(&["cat"]);
    let mut stdin = child.stdin.take().expect("stdin");
    let sent = vec![b'x'; 300_000];
    let copy = sent.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&copy).map(|()| drop(stdin)));
    let mut got = Vec::new();
    child.stdout.take().expect("stdout").read_to_end(&mut got).expect("read");
    writer.join().expect("joined").expect("written");
    assert_eq!(got, sent);
    assert_eq!(child.wait().expect("reaped").code(), Some(0));
}

#[test]
fn the_server_has_no_new_privileges_no_core_and_a_session_of_its_own() {
    let mut child = start(&[
        "python3",
        "-c",
        "import os,resource;s=open('/proc/self/status').read();print('NoNewPrivs:\\t1' in s, resource.getrlimit(resource.RLIMIT_CORE), os.getsid(0)==os.getpid())",
    ]);
    let mut out = String::new();
    child.stdout.take().expect("stdout").read_to_string(&mut out).expect("read");
    assert_eq!(out, "True (0, 0) True\n");
    child.wait().expect("reaped");
}

#[test]
fn a_missing_program_is_told() {
    let mut child = start(&["/nonexistent/program"]);
    let mut err = String::new();
    child.stderr.take().expect("stderr").read_to_string(&mut err).expect("read");
    assert!(err.starts_with("cannot start `/nonexistent/program`: No such file"), "{err}");
    assert_eq!(child.wait().expect("reaped").code(), Some(127));
}
