use super::{Hands, Workers, automatic, here};

#[tokio::test]
async fn work_goes_to_the_worker_with_the_least() {
    let workers = Workers::start(2).unwrap();
    let hands = workers.hands();
    let first = hands.place().unwrap();
    let second = hands.place().unwrap();
    let on = |place: &super::Place| place.runtime.spawn(async { here() });
    let mut both = [on(&first).await.unwrap(), on(&second).await.unwrap()];
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
    let freed = on(&first).await.unwrap();
    drop(first);
    let next = hands.place().unwrap();
    assert_eq!(on(&next).await.unwrap(), freed);
}

#[tokio::test]
async fn dropped_workers_end_what_runs_on_them() {
    let workers = Workers::start(1).unwrap();
    let task = workers.hands().place().unwrap().runtime.spawn(std::future::pending::<()>());
    drop(workers);
    assert!(task.await.unwrap_err().is_cancelled());
}

#[test]
fn without_workers_there_is_no_place() {
    assert!(Hands::default().place().is_none());
    assert_eq!(here(), 0);
}

#[test]
fn half_the_cores_at_least_one() {
    assert_eq!([1, 2, 3, 4, 8, 256].map(automatic), [1, 1, 1, 2, 4, 64]);
}
