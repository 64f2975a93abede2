use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use crate::config::watch::watch_every;
use crate::config::{Config, Problems, open};

const EVERY: Duration = Duration::from_millis(20);

struct Scene {
    folder: tempfile::TempDir,
    news: Receiver<Result<Config, Problems>>,
}

impl Scene {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tollgate.yaml"), text).unwrap();
        let config = open(&folder.path().join("tollgate.yaml")).unwrap();
        Self { news: watch_every(&config, EVERY), folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tollgate.yaml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    async fn next(&mut self) -> Result<Config, Problems> {
        tokio::time::timeout(Duration::from_secs(10), self.news.recv()).await.expect("no news").unwrap()
    }

    async fn drain_of_next(&mut self) -> u64 {
        self.next().await.unwrap().drain.as_secs()
    }

    async fn silence(&mut self) {
        let news = tokio::time::timeout(EVERY * 15, self.news.recv()).await;
        assert!(news.is_err(), "{news:?}");
    }
}

#[tokio::test]
async fn a_valid_change_is_told_once() {
    let mut scene = Scene::new("drain: 1s");
    scene.silence().await;
    scene.write("drain: 2s");
    assert_eq!(scene.drain_of_next().await, 2);
    scene.silence().await;
    // Touched, but not changed.
    scene.write("drain: 2s");
    scene.silence().await;
}

#[tokio::test]
async fn an_invalid_change_is_told_once_and_mended() {
    let mut scene = Scene::new("drain: 1s");
    scene.write("drain: soon");
    assert!(scene.next().await.unwrap_err().to_string().contains("`soon` is not a duration"));
    scene.silence().await;
    scene.write("drain: later");
    assert!(scene.next().await.unwrap_err().to_string().contains("`later` is not a duration"));
    scene.write("drain: 1s");
    assert_eq!(scene.drain_of_next().await, 1);
    scene.silence().await;
}

#[tokio::test]
async fn a_rename_over_the_file_and_a_removal_are_noticed() {
    let mut scene = Scene::new("drain: 1s");
    let draft = scene.folder.path().join("draft");
    std::fs::write(&draft, "drain: 3s").unwrap();
    std::fs::rename(&draft, scene.path()).unwrap();
    assert_eq!(scene.drain_of_next().await, 3);
    std::fs::remove_file(scene.path()).unwrap();
    assert!(scene.next().await.unwrap_err().to_string().contains("no such file"));
    scene.silence().await;
    scene.write("drain: 4s");
    assert_eq!(scene.drain_of_next().await, 4);
}

#[tokio::test]
async fn the_last_of_many_writes_counts() {
    let mut scene = Scene::new("drain: 1s");
    for round in 0..5_u64 {
        // The same size each time, faster than anyone looks, some of them half written.
        for step in 10..60 {
            scene.write(&format!("drain: {step}s"));
            scene.write("drai");
        }
        let last = 60 + round;
        scene.write(&format!("drain: {last}s"));
        loop {
            match scene.next().await {
                Ok(config) if config.drain.as_secs() == last => break,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn an_included_file_counts_too() {
    let mut scene = Scene::new("drain: 1s");
    let policies = scene.folder.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    // Named before it exists: told as a problem, then mended without touching the configuration.
    scene.write("policy: { include: [\"policies/*.cedar\"] }");
    assert!(scene.next().await.unwrap_err().to_string().contains("no file matches"));
    std::fs::write(policies.join("a.cedar"), "one").unwrap();
    assert_eq!(scene.next().await.unwrap().policy.unwrap().include.len(), 1);
    std::fs::write(policies.join("a.cedar"), "two").unwrap();
    assert_eq!(scene.next().await.unwrap().policy.unwrap().include[0].1, "two");
    std::fs::write(policies.join("b.cedar"), "new").unwrap();
    assert_eq!(scene.next().await.unwrap().policy.unwrap().include.len(), 2);
    scene.silence().await;
}

#[tokio::test]
async fn a_change_before_the_first_look_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    std::fs::write(&path, "drain: 1s").unwrap();
    let config = open(&path).unwrap();
    std::fs::write(&path, "drain: 2s").unwrap();
    let mut scene = Scene { news: watch_every(&config, EVERY), folder };
    assert_eq!(scene.drain_of_next().await, 2);
}
