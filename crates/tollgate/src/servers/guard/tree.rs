//! The processes below one, read from `/proc`.

use std::collections::HashMap;

use rustix::process::Pid;

/// All living descendants of `root`, without itself. Zombies don't count: they are only waiting to be reaped.
pub(super) fn descendants(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<(i32, bool)>> = HashMap::new();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some((alive, parent)) = read(&stat) {
            children.entry(parent).or_default().push((pid, alive));
        }
    }
    let mut found = Vec::new();
    let mut open = vec![root.as_raw_nonzero().get()];
    while let Some(parent) = open.pop() {
        for (pid, alive) in children.remove(&parent).unwrap_or_default() {
            open.push(pid);
            if alive {
                found.extend(Pid::from_raw(pid));
            }
        }
    }
    found
}

/// Whether it lives, and its parent: `pid (name) state ppid …`, where the name may hold anything.
pub(super) fn read(stat: &str) -> Option<(bool, i32)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    Some((!matches!(state, "Z" | "X"), fields.next()?.parse().ok()?))
}
