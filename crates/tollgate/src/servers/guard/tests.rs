use super::tree;
use crate::servers::tests::guard;

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

/// What the gateway inherited stays out of its servers' hands.
#[test]
fn a_server_has_no_descriptors_but_its_three() {
    let script = r#"exec 9</dev/null; exec "$0" guard -- ls -1 /proc/self/fd"#;
    let output = std::process::Command::new("sh").args(["-c", script]).arg(guard()).output().unwrap();
    // The last one is the listed directory's.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n1\n2\n3\n");
}
