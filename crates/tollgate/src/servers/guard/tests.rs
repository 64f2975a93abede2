use super::tree;

#[test]
fn a_name_with_parentheses_does_not_confuse_the_parent() {
    assert_eq!(tree::read("12 (a) S 99 (b) R 7 1 1"), Some((true, 7)));
    assert_eq!(tree::read("12 (sh) Z 7 1 1"), Some((false, 7)));
    assert_eq!(tree::read("garbage"), None);
}

#[test]
fn a_wrong_use_is_told() {
    assert_eq!(super::main(vec![]), 2);
    assert_eq!(super::main(vec!["ls".into()]), 2);
}
