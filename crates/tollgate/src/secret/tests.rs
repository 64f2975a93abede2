use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Barrier};

use super::*;

#[test]
fn a_secret_does_not_print() {
    assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret(…)");
}

#[test]
fn mac_is_hmac_sha_256() {
    // RFC 4231, test case 2, needs a shorter key: zero padding makes the keys equal.
    let mut key = [0; 32];
    key[..4].copy_from_slice(b"Jefe");
    let code = Mac::new(&key).digest(&[b"what do ya want ", b"for nothing?"]);
    assert_eq!(hex::encode(&code), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

#[test]
fn hex_there_and_back() {
    let bytes = std::array::from_fn(|index| u8::try_from(index * 7 % 256).unwrap());
    assert_eq!(hex::decode_32(&hex::encode(&bytes)), Some(bytes));
    assert_eq!(hex::decode_32(&hex::encode(&bytes).to_uppercase()), Some(bytes));
    for bad in ["", "00", &"0".repeat(63), &"0".repeat(65), &"0".repeat(66), &"g".repeat(64)] {
        assert_eq!(hex::decode_32(bad), None, "{bad}");
    }
}

#[test]
fn a_key_file_is_made_once_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/some.key");
    let (first, made) = load_or_create(&path).unwrap();
    assert!(made);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let (second, made) = load_or_create(&path).unwrap();
    assert!(!made);
    assert_eq!(first.expose(), second.expose());
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn racing_starts_agree_on_one_key() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = Arc::new(folder.path().join("seal.key"));
        let start = Arc::new(Barrier::new(4));
        let keys: Vec<[u8; 32]> = (0..4)
            .map(|_| {
                let (path, start) = (Arc::clone(&path), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    *load_or_create(&path).unwrap().0.expose()
                })
            })
            .collect::<Vec<_>>()
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        assert!(keys.iter().all(|key| key == &keys[0]));
    }
}

#[test]
fn a_key_file_open_to_others_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seal.key");
    load_or_create(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = load_or_create(&path).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn a_damaged_key_file_is_an_error_not_a_new_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seal.key");
    load_or_create(&path).unwrap();
    std::fs::write(&path, "abc").unwrap();
    let error = load_or_create(&path).unwrap_err().to_string();
    assert!(error.contains("64 hexadecimal digits"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "abc");
}
