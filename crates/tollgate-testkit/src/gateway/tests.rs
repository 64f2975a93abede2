use std::path::Path;

use super::Running;
use crate::json::Json;

#[tokio::test]
async fn a_binary_that_ends_is_told_with_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let stub = folder.path().join("stub");
    std::fs::write(&stub, "#!/bin/sh\necho \"no: $1 $2\" >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&stub, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let failure = Running::start(&stub, Json::object(), &[]).await.unwrap_err().to_string();
    assert!(failure.contains("exit status: 3") && failure.contains("no: up --config"), "{failure}");
}

#[tokio::test]
async fn a_missing_binary_is_an_error() {
    assert!(Running::start(Path::new("/no/such/tollgate"), Json::object(), &[]).await.is_err());
}
