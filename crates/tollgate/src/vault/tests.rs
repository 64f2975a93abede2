use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

/// Two vaults that share one are two processes on one state directory.
struct Memory {
    blobs: Mutex<BTreeMap<String, Sealed>>,
    changes: watch::Sender<u64>,
    gets: std::sync::atomic::AtomicUsize,
}

impl Memory {
    fn new() -> Arc<Self> {
        let (blobs, gets) = (Mutex::default(), std::sync::atomic::AtomicUsize::new(0));
        Arc::new(Self { blobs, changes: watch::Sender::new(0), gets })
    }

    fn gets(&self) -> usize {
        self.gets.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl BlobStore for Memory {
    fn put(&self, name: &str, sealed: &Sealed, _now_ms: u64) -> Result<(), StoreFailure> {
        self.blobs.lock().unwrap().insert(name.to_owned(), sealed.clone());
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Option<Sealed>, StoreFailure> {
        self.gets.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(self.blobs.lock().unwrap().get(name).cloned())
    }

    fn list(&self) -> Result<Vec<String>, StoreFailure> {
        Ok(self.blobs.lock().unwrap().keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> Result<bool, StoreFailure> {
        let removed = self.blobs.lock().unwrap().remove(name).is_some();
        self.changes.send_modify(|count| *count += 1);
        Ok(removed)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

struct Scene {
    state: tempfile::TempDir,
    blobs: Arc<Memory>,
}

impl Scene {
    fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap(), blobs: Memory::new() }
    }

    fn open(&self, source: Option<&VaultKey>) -> Result<Vault, VaultError> {
        Vault::open(source, self.state.path(), Arc::clone(&self.blobs) as Arc<dyn BlobStore>, 0)
    }
}

fn value(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn get(vault: &Vault, name: &str) -> String {
    vault.get(name).unwrap().expose().clone()
}

#[test]
fn keeps_and_forgets() {
    let scene = Scene::new();
    let vault = scene.open(None).unwrap();
    assert!(vault.list().unwrap().is_empty());
    assert!(matches!(vault.get("a"), Err(VaultError::Missing(name)) if name == "a"));
    vault.set("b", &value("two"), 0).unwrap();
    vault.set("a", &value("one"), 0).unwrap();
    assert_eq!(vault.list().unwrap(), ["a", "b"]);
    assert_eq!((get(&vault, "a"), get(&vault, "b")), ("one".to_owned(), "two".to_owned()));
    assert!(vault.remove("a").unwrap());
    assert!(!vault.remove("a").unwrap());
    assert!(matches!(vault.get("a"), Err(VaultError::Missing(_))));
    // With the key beside it, the next process reads it too.
    assert_eq!(get(&scene.open(None).unwrap(), "b"), "two");
}

#[test]
fn a_change_applies_at_once_everywhere() {
    let scene = Scene::new();
    let (one, two) = (scene.open(None).unwrap(), scene.open(None).unwrap());
    one.set("a", &value("old"), 0).unwrap();
    assert_eq!(get(&two, "a"), "old");
    let before = scene.blobs.gets();
    for _ in 0..10 {
        assert_eq!(get(&two, "a"), "old");
    }
    assert_eq!(scene.blobs.gets(), before, "what has not changed is not read again");
    let changes = two.changes();
    one.set("a", &value("new"), 0).unwrap();
    assert!(changes.has_changed().unwrap());
    assert_eq!(get(&two, "a"), "new");
    one.remove("a").unwrap();
    assert!(matches!(two.get("a"), Err(VaultError::Missing(_))));
}

#[test]
fn nothing_is_kept_in_clear() {
    let scene = Scene::new();
    let vault = scene.open(None).unwrap();
    vault.set("a", &value("same"), 0).unwrap();
    let first = scene.blobs.get("a").unwrap().unwrap();
    vault.set("a", &value("same"), 0).unwrap();
    let second = scene.blobs.get("a").unwrap().unwrap();
    assert!(!first.ciphertext.windows(4).any(|window| window == b"same"));
    assert_ne!(first.nonce, second.nonce);
    assert_eq!(format!("{vault:?} {:?}", vault.get("a").unwrap()), "Vault(…) Secret(…)");
}

#[test]
fn an_entry_opens_under_its_own_name_only_and_unchanged_only() {
    let scene = Scene::new();
    let vault = scene.open(None).unwrap();
    vault.set("a", &value("for a"), 0).unwrap();
    let sealed = scene.blobs.get("a").unwrap().unwrap();
    scene.blobs.put("b", &sealed, 0).unwrap();
    assert!(matches!(vault.get("b"), Err(VaultError::Damaged(name)) if name == "b"));
    for bit in 0..sealed.ciphertext.len() * 8 {
        let mut damaged = sealed.clone();
        damaged.ciphertext[bit / 8] ^= 1 << (bit % 8);
        scene.blobs.put("a", &damaged, 0).unwrap();
        assert!(matches!(vault.get("a"), Err(VaultError::Damaged(_))));
    }
    for nonce in [vec![], vec![0; 23], vec![0; 25]] {
        scene.blobs.put("a", &Sealed { nonce, ..sealed.clone() }, 0).unwrap();
        assert!(matches!(vault.get("a"), Err(VaultError::Damaged(_))));
    }
}

#[test]
fn names_and_values_have_limits() {
    let scene = Scene::new();
    let vault = scene.open(None).unwrap();
    for name in ["", ".check", "a b", "a\n", "-a", &"a".repeat(129)] {
        assert!(matches!(vault.set(name, &value("x"), 0), Err(VaultError::Name(_))), "{name}");
        assert!(matches!(vault.get(name), Err(VaultError::Missing(_))), "{name}");
        assert!(!vault.remove(name).unwrap(), "{name}");
    }
    for bad in [String::new(), "x".repeat(VALUE_MAX + 1)] {
        assert!(matches!(vault.set("a", &Secret::new(bad), 0), Err(VaultError::Value)));
    }
    vault.set("a", &Secret::new("x".repeat(VALUE_MAX)), 0).unwrap();
}

#[test]
fn the_key_comes_from_a_file_or_a_command() {
    let scene = Scene::new();
    let file = scene.state.path().join("elsewhere.key");
    let (key, _) = secret::load_or_create(&file).unwrap();
    let from_file = VaultKey::File(file.clone());
    let vault = scene.open(Some(&from_file)).unwrap();
    assert_eq!(vault.warning(), None);
    vault.set("a", &value("one"), 0).unwrap();
    assert!(!scene.state.path().join("vault.key").exists());
    let command = ["cat".to_owned(), file.to_string_lossy().into_owned()];
    let vault = scene.open(Some(&VaultKey::Command(command.to_vec()))).unwrap();
    assert_eq!(get(&vault, "a"), "one");
    assert_eq!(master::run(&command, Duration::from_secs(30)).unwrap().expose(), key.expose());
}

#[test]
fn a_key_that_cannot_be_had_is_told() {
    let scene = Scene::new();
    let told = |source: VaultKey| scene.open(Some(&source)).unwrap_err().to_string();
    let command = |script: &str| VaultKey::Command(["sh", "-c", script].map(str::to_owned).to_vec());
    for (source, message) in [
        (VaultKey::File(scene.state.path().join("missing")), "missing`: no such file"),
        (VaultKey::Env("TOLLGATE_TEST_NOT_SET".to_owned()), "`TOLLGATE_TEST_NOT_SET` is not set"),
        (VaultKey::Env("PATH".to_owned()), "`PATH` does not give 64 hexadecimal digits"),
        (VaultKey::Command(vec!["/nowhere/pass".to_owned()]), "does not start"),
        (command("echo hunter2"), "`sh` does not give 64 hexadecimal digits"),
        (command("exit 3"), "`sh` failed"),
    ] {
        let found = told(source);
        assert!(found.contains(message) && !found.contains("hunter2"), "{found}");
    }
    let slow = ["sleep".to_owned(), "60".to_owned()];
    let error = master::run(&slow, Duration::from_millis(50)).unwrap_err().to_string();
    assert!(error.contains("printed nothing"), "{error}");
}

#[test]
fn the_wrong_key_is_told_and_changes_nothing() {
    let scene = Scene::new();
    let vault = scene.open(None).unwrap();
    vault.set("a", &value("one"), 0).unwrap();
    assert!(vault.warning().unwrap().contains("vault.key`, beside the data"));
    let other = scene.state.path().join("other.key");
    secret::load_or_create(&other).unwrap();
    assert!(matches!(scene.open(Some(&VaultKey::File(other))), Err(VaultError::WrongKey)));
    // A lost key is not replaced by one that opens nothing.
    let kept = scene.state.path().join("kept");
    std::fs::rename(scene.state.path().join("vault.key"), &kept).unwrap();
    assert!(matches!(scene.open(None), Err(VaultError::Key(_))));
    assert!(!scene.state.path().join("vault.key").exists());
    std::fs::rename(&kept, scene.state.path().join("vault.key")).unwrap();
    assert_eq!(get(&scene.open(None).unwrap(), "a"), "one");
}
