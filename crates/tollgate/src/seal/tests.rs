use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000_000;
const PURPOSES: [Purpose; 5] =
    [Purpose::State, Purpose::Cursor, Purpose::Session, Purpose::Task, Purpose::Reply];

fn sealer() -> Sealer {
    Sealer::new([7; 32])
}

#[test]
fn opens_for_its_purpose_and_principal_only() {
    let sealer = sealer();
    for made_for in PURPOSES {
        let token = sealer.seal(made_for, "5:coder--", b"content", NOW + 1);
        for tried_as in PURPOSES {
            let opened = sealer.open(tried_as, "5:coder--", &token, NOW);
            assert_eq!(opened.is_ok(), made_for == tried_as, "{made_for:?} as {tried_as:?}");
        }
        assert_eq!(sealer.open(made_for, "5:codes--", &token, NOW), Err(Unopenable));
        assert_eq!(sealer.open(made_for, "", &token, NOW), Err(Unopenable));
    }
}

#[test]
fn opens_before_its_expiry_only() {
    let sealer = sealer();
    let token = sealer.seal(Purpose::State, "p", b"content", NOW);
    assert_eq!(sealer.open(Purpose::State, "p", &token, NOW - 1).unwrap(), b"content");
    assert_eq!(sealer.open(Purpose::State, "p", &token, NOW), Err(Unopenable));
    assert_eq!(sealer.open(Purpose::State, "p", &token, u64::MAX), Err(Unopenable));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let sealer = sealer();
    let token = sealer.seal(Purpose::Session, "p", b"content", NOW + 1);
    let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
    for index in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[index / 8] ^= 1 << (index % 8);
        let token = URL_SAFE_NO_PAD.encode(bytes);
        assert_eq!(sealer.open(Purpose::Session, "p", &token, NOW), Err(Unopenable), "bit {index}");
    }
    for index in 0..token.len() * 7 {
        let mut text = token.clone().into_bytes();
        text[index / 7] ^= 1 << (index % 7);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(sealer.open(Purpose::Session, "p", &text, NOW), Err(Unopenable), "{text}");
    }
}

#[test]
fn every_truncation_and_extension_is_noticed() {
    let sealer = sealer();
    let token = sealer.seal(Purpose::Cursor, "p", b"", NOW + 1);
    for length in 0..token.len() {
        assert_eq!(
            sealer.open(Purpose::Cursor, "p", token.get(..length).unwrap(), NOW),
            Err(Unopenable),
            "{length}"
        );
    }
    assert_eq!(sealer.open(Purpose::Cursor, "p", &format!("{token}A"), NOW), Err(Unopenable));
    assert_eq!(sealer.open(Purpose::Cursor, "p", &format!("{token}="), NOW), Err(Unopenable));
}

#[test]
fn another_key_opens_nothing() {
    let token = sealer().seal(Purpose::Task, "p", b"content", NOW + 1);
    for key in 0..=255 {
        let other = Sealer::new([key; 32]);
        assert_eq!(other.open(Purpose::Task, "p", &token, NOW).is_ok(), key == 7);
        // Also when the key id happens to agree.
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        bytes[0] = other.key_id;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        assert_eq!(other.open(Purpose::Task, "p", &token, NOW).is_ok(), key == 7);
    }
}

#[test]
fn equal_contents_give_different_tokens() {
    let (one, two) = (sealer(), sealer());
    let seal = |sealer: &Sealer| sealer.seal(Purpose::Session, "p", b"content", NOW + 1);
    let tokens = [seal(&one), seal(&one), seal(&two)];
    assert!(tokens[0] != tokens[1] && tokens[0] != tokens[2] && tokens[1] != tokens[2]);
    for token in tokens {
        assert_eq!(two.open(Purpose::Session, "p", &token, NOW).unwrap(), b"content");
    }
}

#[test]
fn processes_of_one_state_directory_open_each_others_tokens() {
    let state = tempfile::tempdir().unwrap();
    let token = Sealer::load_or_create(state.path()).unwrap().seal(Purpose::State, "p", b"x", NOW + 1);
    let opened = Sealer::load_or_create(state.path()).unwrap().open(Purpose::State, "p", &token, NOW);
    assert_eq!(opened.unwrap(), b"x");
}

proptest! {
    #[test]
    fn there_and_back(plain: Vec<u8>, principal: String, expires in NOW + 1..) {
        let token = sealer().seal(Purpose::State, &principal, &plain, expires);
        prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        prop_assert_eq!(sealer().open(Purpose::State, &principal, &token, NOW), Ok(plain));
    }

    #[test]
    fn garbage_does_not_open(token: String) {
        prop_assert_eq!(sealer().open(Purpose::State, "p", &token, NOW), Err(Unopenable));
    }
}
