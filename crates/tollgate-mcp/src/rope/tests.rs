use proptest::prelude::*;

use super::*;

#[test]
fn small_pieces_are_copied_together_and_large_ones_shared() {
    let large = Bytes::from(vec![b'x'; SMALL + 1]);
    let mut weaver = Weaver::new();
    weaver.text("a").bytes(Bytes::from_static(b"b")).quoted("c\"").bytes(large.clone()).text("d");
    let rope = weaver.finish();
    assert_eq!(rope.pieces().len(), 3);
    assert_eq!(rope.pieces()[0], "ab\"c\\\"\"");
    assert_eq!(rope.pieces()[1].as_ptr(), large.as_ptr());
    assert_eq!(rope.len(), 8 + SMALL + 1);
}

#[test]
fn one_piece_is_not_copied() {
    let piece = Bytes::from(vec![b'x'; 10]);
    assert_eq!(Rope::from(piece.clone()).into_bytes().as_ptr(), piece.as_ptr());
    assert!(Rope::from("").is_empty() && Weaver::new().finish().is_empty());
}

proptest! {
    #[test]
    fn a_rope_is_its_pieces_in_a_row(pieces: Vec<Vec<u8>>, repeat in 1..300_usize) {
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.repeat(repeat)).collect();
        let mut weaver = Weaver::new();
        let mut rope = Rope::new();
        for piece in &pieces {
            weaver.rope(Bytes::from(piece.clone()).into());
            rope.push(piece.clone());
        }
        prop_assert_eq!(rope.len(), pieces.concat().len());
        prop_assert_eq!(rope.into_bytes(), pieces.concat());
        prop_assert_eq!(weaver.finish().into_bytes(), pieces.concat());
    }
}
