use bytes::Bytes;
use proptest::prelude::*;

use super::{BLOCK, Gather, Glance};

fn gathered(chunks: &[&[u8]], told: bool) -> (Bytes, Glance) {
    let mut gather = Gather::default();
    let mut left: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    for chunk in chunks {
        left -= chunk.len();
        gather.push(Bytes::copy_from_slice(chunk), told.then_some(left as u64));
    }
    assert_eq!(gather.len(), chunks.iter().map(|chunk| chunk.len()).sum::<usize>());
    gather.finish()
}

#[test]
fn a_single_chunk_is_not_copied() {
    let chunk = Bytes::from(vec![b'a'; 100]);
    let mut gather = Gather::default();
    gather.push(Bytes::new(), None);
    gather.push(chunk.clone(), Some(0));
    let (text, seen) = gather.finish();
    assert_eq!(text.as_ptr(), chunk.as_ptr());
    assert_eq!(seen, Glance { ascii: true, escaped: false });
}

#[test]
fn what_is_in_any_chunk_is_seen() {
    let long = vec![b'x'; 3 * BLOCK];
    for (last, seen) in [
        (b"y".as_slice(), Glance { ascii: true, escaped: false }),
        (b"\\n", Glance { ascii: true, escaped: false }),
        (b"\\u0041", Glance { ascii: true, escaped: true }),
        ("ü".as_bytes(), Glance { ascii: false, escaped: false }),
    ] {
        assert_eq!(gathered(&[&long, last], true).1, seen);
        assert_eq!(gathered(&[last, &long], false).1, seen);
        assert_eq!(gathered(&[b"", last, b"", &long, b"z"], true).1, seen);
    }
    assert!(gathered(&[&long, b"\\", b"u0041"], true).1.escaped, "between two chunks");
    assert!(gathered(&[b"\\", b"u0041", &long], true).1.escaped);
    assert!(!gathered(&[b"\\", b"n", b"u", &long], true).1.escaped);
    assert!(Glance { ascii: true, escaped: false }.is_plain());
    assert!(!Glance { ascii: true, escaped: true }.is_plain());
    assert!(!Glance { ascii: false, escaped: false }.is_plain());
}

proptest! {
    #[test]
    fn it_is_what_came_and_looks_as_the_whole(text in ".*|[ -~]*|[\\\\u]*", cut in 0.0_f64..1.0, told: bool) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
        let cut = (text.len() as f64 * cut) as usize;
        let (before, after) = text.as_bytes().split_at(cut);
        let (all, seen) = gathered(&[before, after], told);
        prop_assert_eq!(&all[..], text.as_bytes());
        prop_assert_eq!(seen, Glance::of(text.as_bytes()));
        prop_assert_eq!(seen.ascii, text.is_ascii());
        prop_assert_eq!(seen.escaped, text.contains("\\u"));
    }
}
