//! How long redaction takes: `cargo bench -p tollgate-policy --bench redact`. Prints the median and the 99th percentile of single
//! runs; the aim is 1 ms at the 99th percentile for everything on a result of 10 KiB.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]
#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on has failed")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use tollgate_policy::Path;
use tollgate_policy::detect::Kinds;
use tollgate_policy::hidden::{Hidden, clean_json};
use tollgate_policy::redact::{Job, Redactor, Rule, Shape, StandIn};

struct Make;

impl StandIn for Make {
    fn hash(&self, kind: &str, _: &str) -> String {
        format!("[{kind}:0123456789abcdef]")
    }

    fn token(&self, kind: &str, _: &str, _: bool) -> String {
        format!("tgt_{kind}_0")
    }
}

const ROW: &str = "{\"id\":\"550e8400-e29b-41d4-a716-446655440000\",\"name\":\"Ann Example\",\"mail\":\"ann@example.com\",\"phone\":\"+1 415-555-0123\",\"paid\":\"4111 1111 1111 1111\",\"note\":\"called at 10:30, wants version 1.2.3 of https://example.com/app?x=1\",\"n\":12345.678}";
const PROSE: &str =
    "The quick brown fox jumps over the lazy dog; it did so 12 times in 2026, and nobody minded at all. ";
const CODE: &str = "let token = get_token(user_id)?; // see https://example.com/auth\\n    if token.expires < now { return Err(\\\"expired\\\"); }\\n";

fn text(of: &str, bytes: usize) -> String {
    let text = of.repeat(bytes / of.len() + 1);
    format!("{{\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}")
}

fn rows(bytes: usize) -> String {
    let rows = vec![ROW; bytes / ROW.len() + 1].join(",");
    format!("{{\"content\":[],\"structuredContent\":{{\"rows\":[{rows}]}}}}")
}

fn main() {
    let rule = Rule {
        of: "*/*".into(),
        arguments: true,
        results: true,
        fields: vec![Path::new("$..ssn").unwrap(), Path::new("$.customer.email").unwrap()],
        kinds: Kinds::ALL,
        ..Rule::default()
    };
    let plan = Redactor::new(vec![rule]).plan("crm/read").unwrap();
    let job = Job { side: plan.results.as_ref().unwrap(), make: &Make, schema: None, shape: Shape::Message };
    for (name, size) in [("1 KiB", 1 << 10), ("10 KiB", 10 << 10), ("1 MiB", 1 << 20)] {
        for (what, text) in [("rows", rows(size)), ("prose", text(PROSE, size)), ("code", text(CODE, size))] {
            time(&format!("all detectors, {name} of {what}"), size, || {
                drop(black_box(job.run(black_box(text.as_bytes()))));
            });
        }
    }
    println!();
    let chinese = text("快速的棕色狐狸跳过了懒狗；一共十二次。", 1 << 20);
    let escaped = text("\\u5feb\\u901f\\u7684 \\u201cfox\\u201d ", 1 << 20);
    for (what, text) in
        [("prose", text(PROSE, 1 << 20)), ("rows", rows(1 << 20)), ("chinese", chinese), ("escapes", escaped)]
    {
        time(&format!("hidden characters, none in 1 MiB of {what}"), 1 << 20, || {
            drop(black_box(clean_json(black_box(text.as_bytes()), Hidden::Strip)));
        });
    }
    let small = rows(1 << 10);
    time("hidden characters, none in 1 KiB", 1 << 10, || {
        drop(black_box(clean_json(black_box(small.as_bytes()), Hidden::Strip)));
    });
}

fn time(name: &str, bytes: usize, run: impl Fn()) {
    let rounds = if bytes > 1 << 16 { 200 } else { 5_000 };
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |share: usize| times.get(rounds * share / 100).copied().unwrap_or_default();
    println!("{name:50} median {:>10.1?}   p99 {:>10.1?}", at(50), at(99));
}
