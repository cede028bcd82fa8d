//! What a review found once: epochs that have ended, buckets that are left out, a cut that trimming
//! has passed, an origin that has no trees yet; and one bucket alone, itself included.

use model::Entity;

use super::*;

#[tokio::test]
async fn law_9_what_epochs_before_have_left_is_compared_and_proved_too() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    pair.east.put("new", "body");
    for number in 0..40 {
        pair.east.put_past(&object(number), 1, number + 1);
        pair.west.put_past(&object(number), 1, number + 1);
    }
    pair.west.follow(&pair.east);
    let ended = pair.west.follow_past(1);
    pair.west.lose(&object(7));
    pair.west.put_past("never-issued", 2, 5);
    let report = pair.run(&everything()).await.unwrap();
    assert!(report.converged);
    assert_eq!(report.progress.repaired, [(Reason::Missing, 1), (Reason::Foreign, 1)].into());
    assert_eq!(pair.west.roots(), pair.east.roots());
    assert_eq!(pair.west.proved_past(ended), model::Seq(u64::MAX), "all of it is below the cut");
    assert_eq!(pair.west.proved(), pair.east.written());
}

#[tokio::test]
async fn a_bucket_that_is_left_out_is_not_looked_at_unless_it_is_named() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    pair.east.put("a", "body");
    let without = |pair: &Pair| Parts {
        without: Arc::new([bucket()].into()),
        ..pair.parts(Options { realtime: false, ..Options::default() })
    };
    let (parts, (told, _seen)) = (without(&pair), told());
    let never = CancellationToken::new();
    let report = run(&parts, &everything(), &told, &never).await.unwrap();
    assert_eq!(report.progress.repaired, [(Reason::Missing, 1)].into(), "the bucket itself");
    let scopes: Vec<_> = report.proofs.iter().map(|proof| &proof.scope).collect();
    assert!(report.converged && scopes == [&Scope::Entities], "{scopes:?}");
    assert_eq!((pair.west.proved(), pair.west.handled()), (0, 0), "nothing is said of the rest");
    let again = run(&parts, &everything(), &told, &never).await.unwrap();
    assert_eq!((again.progress.differ, again.progress.compared), (0, 1));

    let named = Request { bucket: Some(bucket()), ..everything() };
    let report = run(&parts, &named, &told, &never).await.unwrap();
    assert_eq!(report.progress.repaired, [(Reason::Missing, 1)].into());
    assert_eq!(pair.west.roots(), pair.east.roots());
}

#[tokio::test]
async fn law_6_at_a_cut_that_trimming_here_has_passed_nothing_is_compared() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    pair.east.put("a", "body");
    pair.west.follow(&pair.east);
    pair.west.lose("a");
    // What is absent here may have been deleted above the cut, and its tombstone be trimmed.
    pair.west.trim_here(pair.east.written() + 2);
    let give_up = Options { realtime: false, give_up: Duration::ZERO, ..Options::default() };
    let passed = pair.run_with(&everything(), give_up).await.unwrap_err();
    assert!(matches!(passed, RunError::Passed), "{passed}");
    assert_eq!(pair.west.live(), 1);

    let (told, mut seen) = told();
    let parts = pair.parts(Options { realtime: false, ..Options::default() });
    let (request, never) = (everything(), CancellationToken::new());
    let run = run(&parts, &request, &told, &never);
    let write = async {
        let waits = seen.wait_for(|progress| progress.waits.is_some()).await.unwrap();
        assert!(waits.waits.as_ref().unwrap().contains("beyond the cut"), "{waits:?}");
        drop(waits);
        pair.east.put("b", "body");
        pair.east.put("c", "body");
    };
    let (report, ()) = futures::join!(run, write);
    let report = report.unwrap();
    assert!(report.converged && report.progress.waits.is_none(), "a later cut is above it");
    assert_eq!(pair.west.roots(), pair.east.roots());
}

#[tokio::test]
async fn an_origin_that_builds_its_trees_is_waited_for_as_long_as_they_grow() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    pair.east.build([7, 8, 9]);
    let (told, mut seen) = told();
    // Longer than this, nothing may stand still.
    let give_up = Duration::from_millis(1_500);
    let parts = pair.parts(Options { realtime: false, give_up, ..Options::default() });
    let (request, never) = (everything(), CancellationToken::new());
    let told_of = async {
        let waits = "site `east` is still building its hash tree, 7 of 100 records";
        let is = |progress: &Progress| progress.waits.as_deref() == Some(waits);
        assert_eq!(seen.wait_for(is).await.unwrap().phase, Phase::Waiting);
    };
    let (report, ()) = futures::join!(run(&parts, &request, &told, &never), told_of);
    assert!(report.unwrap().converged);

    pair.east.build([10; 20]);
    let stuck = run(&parts, &request, &told, &never).await.unwrap_err();
    assert_eq!(stuck.building(), Some(10), "{stuck}");
}

#[tokio::test]
async fn of_one_bucket_the_bucket_itself_and_its_owner_are_compared_too() {
    let pair = Pair::new().await;
    let owner = Entity::User("alice".to_owned().try_into().unwrap());
    pair.east.create_owned("alice");
    pair.east.put("a", "body");
    let other = Entity::User("bob".to_owned().try_into().unwrap());
    pair.east.create_user("bob");
    let one = Request { bucket: Some(bucket()), ..everything() };
    let report = pair.run(&one).await.unwrap();
    assert!(report.converged);
    assert_eq!(report.progress.repaired, [(Reason::Missing, 3)].into(), "bucket, owner and object");
    let scopes: Vec<_> = report.proofs.iter().map(|proof| proof.scope.clone()).collect();
    assert_eq!(scopes, [Scope::Bucket(bucket())], "of the other entities nothing is said");

    pair.run(&everything()).await.unwrap();
    for entity in [Entity::Bucket(bucket()), owner, other] {
        pair.west.lose_entity(&entity);
    }
    let prefix = Request { prefix: Some("a".to_owned()), ..one };
    let report = pair.run(&prefix).await.unwrap();
    assert_eq!(report.progress.repaired, [(Reason::Missing, 2)].into());
    let mut names: Vec<_> = report.sample.into_iter().filter_map(|found| found.name).collect();
    names.sort();
    assert_eq!(names, ["bucket bucket", "user alice"], "bob is for a full sync of everything");
    assert_eq!(pair.run(&prefix).await.unwrap().progress.differ, 0);
}
