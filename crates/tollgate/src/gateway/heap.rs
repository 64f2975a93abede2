//! What a crowd took is given back when it is gone. *Never* runs where nothing was taken: a small heap is left alone.

use std::time::Duration;

/// How often the heap is looked at; what was freed is given back within a second look.
const LOOK: Duration = Duration::from_secs(10);

/// How long after the start: what reading the configuration took is free then.
const STARTED: Duration = Duration::from_secs(1);

/// A heap up to this size is left alone, in KiB. The gateway's own is 3 MB at rest.
const SMALL_KIB: u64 = 8 * 1024;

/// Looks at the heap for as long as it is polled.
pub(super) async fn tend() {
    tokio::time::sleep(STARTED).await;
    give_back().await;
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        if anonymous_kib().is_some_and(|kib| kib > SMALL_KIB) {
            give_back().await;
        }
    }
}

async fn give_back() {
    // It takes the allocator's locks one after another, for milliseconds: not on a thread that serves.
    if let Err(error) = tokio::task::spawn_blocking(tollgate_heap::give_back).await {
        tracing::debug!(%error, "freed memory could not be given back");
    }
}

/// The resident memory that is no file's, in KiB (proc(5), `status`). `None` where there is no such file.
fn anonymous_kib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    field.trim().strip_suffix(" kB")?.trim_end().parse().ok()
}
