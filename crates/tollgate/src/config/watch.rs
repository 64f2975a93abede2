use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::{Config, Problems, load};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// For so many looks after a change the content is read even though the file looks the same: file systems keep times too
/// coarsely to tell two writes of one moment apart.
const READ_AGAIN: u8 = 4;

/// Follows the file that `current` came from, and its included files. Each change that settles is sent once: checked, or with
/// its problems (keep the old one then). Ends when the receiver is dropped.
pub fn watch(current: &Config) -> mpsc::Receiver<Result<Config, Problems>> {
    watch_every(current, EVERY)
}

pub(super) fn watch_every(current: &Config, every: Duration) -> mpsc::Receiver<Result<Config, Problems>> {
    let (sender, receiver) = mpsc::channel(1);
    let mut watcher = Watcher {
        path: current.source.path().to_owned(),
        told: Told::Valid(Arc::clone(&current.digest)),
        included: included(current),
        seen: None,
        fresh: READ_AGAIN,
        pending: None,
    };
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = sender.closed() => return,
            }
            let looked = tokio::task::spawn_blocking(move || {
                let news = watcher.look();
                (watcher, news)
            });
            let Ok((back, news)) = looked.await else { return };
            watcher = back;
            if let Some(news) = news
                && sender.send(news).await.is_err()
            {
                return;
            }
        }
    });
    receiver
}

struct Watcher {
    path: PathBuf,
    told: Told,
    /// The folders and files beside the configuration that it depends on.
    included: Vec<PathBuf>,
    seen: Option<Vec<Look>>,
    fresh: u8,
    /// What the last look read, not told yet: a file is believed when two looks in a row read the same.
    pending: Option<Told>,
}

/// What a reading was, to tell whether it is news.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Valid(Arc<str>),
    Invalid(String),
}

/// What a file looks like from outside: device, inode, size, and times of content and inode in nanoseconds.
type Look = Option<(u64, u64, u64, i64, i64, i64, i64)>;

impl Watcher {
    fn look(&mut self) -> Option<Result<Config, Problems>> {
        let seen: Vec<Look> = std::iter::once(self.path.as_path())
            .chain(self.included.iter().map(PathBuf::as_path))
            .map(look)
            .collect();
        if self.seen.as_ref() == Some(&seen) {
            self.fresh = self.fresh.saturating_sub(1);
        } else {
            self.fresh = READ_AGAIN;
            self.seen = Some(seen);
        }
        // What mends a broken configuration may be a file that it does not name yet: until then every look reads.
        if self.fresh == 0 && matches!(self.told, Told::Valid(_)) {
            return None;
        }
        let read = load::open(&self.path);
        let told = match &read {
            Ok(config) => Told::Valid(Arc::clone(&config.digest)),
            Err(problems) => Told::Invalid(problems.render(false)),
        };
        if told == self.told {
            self.pending = None;
            return None;
        }
        if self.pending.as_ref() != Some(&told) {
            // Half written, perhaps: the next look tells.
            self.pending = Some(told);
            self.fresh = READ_AGAIN;
            return None;
        }
        self.pending = None;
        self.told = told;
        if let Ok(config) = &read {
            self.included = included(config);
            self.seen = None;
        }
        Some(read)
    }
}

fn look(path: &Path) -> Look {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some((
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ))
}

/// The included files and their folders, where further ones may appear.
fn included(config: &Config) -> Vec<PathBuf> {
    let files = config.policy.iter().flat_map(|policy| &policy.include);
    let mut paths: Vec<PathBuf> = Vec::new();
    for (file, _) in files {
        paths.extend(file.parent().map(Path::to_owned));
        paths.push(file.clone());
    }
    paths.sort();
    paths.dedup();
    paths
}
