//! Producer's service and consumer's run over a real link, between two sites in memory.

mod careless;
mod deep;
mod ended;
mod histories;
mod site;
mod sketches;
mod stores;

use model::tree::{Scope, Verdict};
use ops::config::MaxDeletes;
use tokio_util::sync::CancellationToken;

use self::{
    site::{Pair, bucket, object, told},
    stores::{Fate, Sites},
};
use super::*;

fn everything() -> Request {
    Request::default()
}

#[tokio::test]
async fn a_run_can_be_a_task() {
    let pair = Pair::new().await;
    let parts = pair.parts(Options { realtime: false, ..Options::default() });
    let task = tokio::spawn(async move {
        let (told, _seen) = told();
        run(&parts, &everything(), &told, &CancellationToken::new()).await
    });
    assert!(task.await.unwrap().unwrap().converged, "two that are new hold the same");
}

#[tokio::test]
async fn law_9_a_new_site_gets_everything_and_a_second_run_moves_only_a_digest() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..300 {
        pair.east.put(&object(number), "body");
    }
    for number in 0..20 {
        pair.east.delete(&object(number));
    }
    let report = pair.run(&everything()).await.unwrap();
    assert!(report.converged);
    assert_eq!(pair.west.roots(), pair.east.roots());
    assert_eq!(report.progress.repaired[&Reason::Missing], 301);
    assert_eq!(report.progress.bytes_moved, 280 * 4);
    assert_eq!(report.proofs.len(), 2);
    assert_eq!(report.proofs[0].scope, Scope::Entities);
    assert_eq!(report.proofs[1].cut, pair.east.cut());

    let again = pair.run(&everything()).await.unwrap();
    assert!(again.converged && again.progress.differ == 0, "{again:?}");
    assert_eq!(again.progress.compared, 301);
    // A cut, one digest, the end of the cut.
    assert_eq!(again.progress.round_trips, 3);
    assert!(again.progress.wire_bytes < 4_096, "{again:?}");
}

#[tokio::test]
async fn content_of_objects_is_counted_apart_from_the_comparison() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..20 {
        pair.east.put(&object(number), &"body".repeat(5_000));
    }
    let Progress { bytes_moved, wire_bytes, .. } = pair.run(&everything()).await.unwrap().progress;
    assert_eq!(bytes_moved, 20 * 20_000);
    // Their tags are as long here, and are no content.
    assert!((400_000..600_000).contains(&wire_bytes), "{wire_bytes}");
}

#[tokio::test]
async fn every_kind_of_difference_is_found_and_mended() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..200 {
        pair.east.put(&object(number), "body");
    }
    pair.west.follow(&pair.east);
    // Newer, deleted, lost here, never issued, other content, deleted long ago.
    pair.east.put(&object(1), "newer");
    pair.east.delete(&object(2));
    pair.east.delete(&object(3));
    pair.east.put(&object(6), "newer");
    pair.west.lose(&object(4));
    pair.west.forge("object-forged", pair.east.written());
    pair.west.spoil(&object(5));
    pair.east.trim_tombstone(&object(3));
    let report = pair.run(&everything()).await.unwrap();
    assert!(report.converged);
    assert_eq!(pair.west.roots(), pair.east.roots());
    let repaired: Vec<_> = report.progress.repaired.into_iter().collect();
    let expected =
        [(Reason::Missing, 1), (Reason::Older, 2), (Reason::Deleted, 2), (Reason::Foreign, 2)];
    assert_eq!(repaired, expected);
    assert_eq!(report.progress.differ, 7);
    assert_eq!(pair.west.quarantined(), 2);
    let mut verdicts: Vec<_> =
        report.sample.iter().map(|found| (found.name.clone().unwrap(), found.verdict)).collect();
    verdicts.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(verdicts[0], ("object-1".to_owned(), Verdict::Behind));
    assert_eq!(verdicts[2], ("object-3".to_owned(), Verdict::Deleted));
    assert_eq!(verdicts[6], ("object-forged".to_owned(), Verdict::Foreign));
}

#[tokio::test]
async fn law_3_attributes_that_differ_are_merged_and_their_object_stays() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for name in ["tagged", "more", "lost", "same"] {
        pair.east.put(name, "body");
        pair.east.tag(name, "tags");
    }
    pair.west.follow(&pair.east);
    pair.east.put("new", "body");
    for name in ["tagged", "new"] {
        pair.east.tag(name, "acl");
    }
    pair.east.tag("more", "tags");
    pair.west.untag("lost");
    let listed = pair.run(&Request { dry_run: true, ..everything() }).await.unwrap();
    let attributes = listed.sample.iter().filter(|found| found.verdict == Verdict::Attributes);
    assert_eq!(attributes.count(), 3);
    let report = pair.run(&everything()).await.unwrap();
    assert!(report.converged);
    assert_eq!(report.progress.repaired, [(Reason::Missing, 1), (Reason::Attributes, 3)].into());
    assert_eq!((report.progress.bytes_to_move, report.progress.bytes_moved), (4, 4), "of the new");
    assert_eq!((pair.west.roots(), pair.west.quarantined()), (pair.east.roots(), 0));
    // What real time brings while this site is looked at is no difference.
    let later = Pair::new().await;
    later.east.create_bucket();
    later.east.put("k", "body");
    later.west.follow(&later.east);
    later.west.on_view(&later.east, |east, west| {
        east.tag("k", "tags");
        west.follow(east);
    });
    assert_eq!(later.run(&everything()).await.unwrap().progress.differ, 0);
}

#[tokio::test]
async fn law_6_a_site_that_missed_what_was_trimmed_hears_it_from_the_cut() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    pair.east.put("gone", "body");
    pair.west.follow(&pair.east);
    pair.east.delete("gone");
    pair.east.trim_tombstone("gone");
    pair.run(&Request { dry_run: true, ..everything() }).await.unwrap();
    assert_eq!(pair.west.floor(), 0, "a dry run changes nothing");
    let report = pair.run(&everything()).await.unwrap();
    assert_eq!(report.progress.repaired, [(Reason::Deleted, 1)].into());
    assert_eq!(pair.west.floor(), 3, "by the proof, for nothing was handled up to there before");
    // Where real time has handled it, before anything is compared.
    pair.east.put("again", "body");
    pair.east.delete("again");
    pair.west.follow(&pair.east);
    pair.east.trim_tombstone("again");
    pair.west.on_view(&pair.east, |_, west| assert_eq!(west.floor(), 5));
    let bucket = Request { bucket: Some(bucket()), ..everything() };
    assert!(pair.run(&bucket).await.unwrap().converged);
    assert_eq!(pair.west.floor(), 5);
}

#[tokio::test]
async fn a_dry_run_lists_and_changes_nothing() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    pair.east.put("a", "body");
    pair.west.follow(&pair.east);
    pair.east.put("b", "more");
    pair.east.delete("a");
    let before = pair.west.roots();
    let report = pair.run(&Request { dry_run: true, ..everything() }).await.unwrap();
    assert_eq!(pair.west.roots(), before);
    assert!(!report.converged && report.progress.repaired.is_empty(), "{report:?}");
    assert_eq!((report.progress.differ, report.progress.bytes_to_move), (2, 4));
    let mut names: Vec<_> = report.sample.into_iter().filter_map(|found| found.name).collect();
    names.sort();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn above_the_ceiling_everything_but_deletes_is_done() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..50 {
        pair.east.put(&object(number), "body");
    }
    pair.west.follow(&pair.east);
    for number in 0..10 {
        pair.east.delete(&object(number));
    }
    pair.east.put("new", "body");
    let request = Request { max_deletes: MaxDeletes::Count(9), ..everything() };
    let report = pair.run(&request).await.unwrap();
    assert!(!report.converged && report.proofs.is_empty());
    assert_eq!(report.progress.deletes_held_back, 10);
    assert_eq!(report.progress.repaired, [(Reason::Missing, 1)].into());
    assert_eq!(pair.metrics.alarms.with_label_values(&["deletes_held_back"]).get(), 1);
    assert_eq!(pair.west.live(), 51 + 1, "the bucket, and nothing is deleted");

    let request = Request { max_deletes: MaxDeletes::Percent(50), ..everything() };
    let report = pair.run(&request).await.unwrap();
    assert!(report.converged);
    assert_eq!(report.progress.repaired, [(Reason::Deleted, 10)].into());
}

#[tokio::test]
async fn more_deletes_than_memory_holds_are_done_in_a_round_of_their_own() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..1_200 {
        pair.east.put(&object(number), "body");
    }
    pair.west.follow(&pair.east);
    for number in 0..1_200 {
        pair.east.delete(&object(number));
    }
    let request = Request { max_deletes: MaxDeletes::Count(1_200), ..everything() };
    let report = pair.run(&request).await.unwrap();
    assert!(report.converged, "{:?}", report.progress);
    assert_eq!(report.progress.repaired, [(Reason::Deleted, 1_200)].into());
    assert_eq!(report.progress.differ, 1_200);
}

#[tokio::test]
async fn a_bucket_or_a_prefix_limits_what_is_compared() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..3_000 {
        pair.east.put(&object(number), "body");
    }
    pair.west.follow(&pair.east);
    for number in [7, 77, 777, 1_777, 2_777] {
        pair.east.put(&object(number), "newer");
        pair.west.lose(&object(number + 1));
    }
    pair.west.forge("object-1forged", 1);
    let prefix =
        Request { bucket: Some(bucket()), prefix: Some("object-1".into()), ..everything() };
    let report = pair.run(&prefix).await.unwrap();
    assert!(report.converged && report.proofs.is_empty(), "a prefix is no scope");
    let expected = [(Reason::Missing, 1), (Reason::Older, 1), (Reason::Foreign, 1)];
    assert_eq!(report.progress.repaired, expected.into());
    assert_eq!(report.progress.compared, 1_112, "in the last round, and the bucket itself");

    let report = pair.run(&Request { prefix: None, ..prefix.clone() }).await.unwrap();
    assert!(report.converged && report.proofs.len() == 1);
    assert_eq!(report.progress.differ, 8);
    assert_eq!(pair.west.roots(), pair.east.roots());

    let refused = pair.run(&Request { bucket: None, ..prefix }).await.unwrap_err();
    assert!(matches!(refused, RunError::Refused(_)));
}

#[tokio::test]
async fn a_prefix_that_only_the_origin_has_much_of_comes_in_pages() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..5_000 {
        pair.east.put(&object(number), "b");
    }
    pair.west.create_bucket();
    let prefix = Request { bucket: Some(bucket()), prefix: Some("obj".into()), ..everything() };
    let report = pair.run(&prefix).await.unwrap();
    assert!(report.converged);
    assert_eq!(report.progress.repaired, [(Reason::Missing, 5_000)].into());
}

#[tokio::test]
async fn what_is_written_meanwhile_is_no_difference() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..100 {
        pair.east.put(&object(number), "body");
    }
    pair.west.follow(&pair.east);
    // The cut is made before the write, and real time brings it before the view here is taken.
    pair.west.on_view(&pair.east, |east, west| {
        east.put(&object(5), "newer");
        east.put("new", "body");
        west.follow(east);
    });
    let report = pair.run(&everything()).await.unwrap();
    assert!(report.converged);
    assert_eq!(report.progress.differ, 0);
    assert_ne!(report.proofs[1].root, pair.west.roots()[&report.proofs[1].scope]);
}

#[tokio::test]
async fn a_cut_is_waited_for_until_it_is_handled() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    pair.east.put("a", "body");
    let parts = pair.parts(Options { realtime: true, ..Options::default() });
    let (told, mut seen) = told();
    let cancelled = CancellationToken::new();
    let request = everything();
    let run = run(&parts, &request, &told, &cancelled);
    let follow = async {
        seen.wait_for(|progress| progress.round_trips > 0).await.unwrap();
        pair.west.follow(&pair.east);
    };
    let (report, ()) = futures::join!(run, follow);
    assert_eq!(report.unwrap().progress.differ, 0, "real time brought it");
}

#[tokio::test]
async fn without_real_time_a_proof_says_how_far_the_site_is() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    pair.east.put("a", "body");
    pair.run(&everything()).await.unwrap();
    assert_eq!(pair.west.handled(), pair.east.written());
    assert_eq!(pair.west.proved(), pair.east.written());
}

#[tokio::test]
async fn an_empty_or_foreign_origin_is_refused() {
    let pair = Pair::new().await;
    pair.west.create_bucket();
    let refused = pair.run(&everything()).await.unwrap_err();
    assert!(refused.to_string().contains("is empty"), "{refused}");
    assert_eq!(pair.west.live(), 1);
}

#[tokio::test]
async fn a_link_that_breaks_again_and_again_does_not_stop_a_run() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..2_000 {
        pair.east.put(&object(number), "body");
    }
    // Of every few requests one is not answered, and all cuts are lost now and then.
    pair.faults.set(7);
    let report = pair.run(&everything()).await.unwrap();
    assert!(report.converged);
    assert_eq!(pair.west.roots(), pair.east.roots());
    assert!(pair.faults.seen() > 0);
    let repaired: u64 = report.progress.repaired.values().sum();
    assert!((2_001..2_600).contains(&repaired), "work is not repeated: {repaired}");
}

#[tokio::test]
async fn a_run_ends_when_it_is_cancelled_or_its_origin_stays_away() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    pair.faults.set(1);
    let parts = pair.parts(Options { give_up: Duration::from_millis(300), ..Options::default() });
    let (told, _seen) = told();
    let cancelled = CancellationToken::new();
    let away = run(&parts, &everything(), &told, &cancelled).await.unwrap_err();
    assert!(matches!(away, RunError::Origin(_)), "{away}");
    cancelled.cancel();
    let ended = run(&parts, &everything(), &told, &cancelled).await.unwrap_err();
    assert!(matches!(ended, RunError::Cancelled));
}

#[tokio::test]
async fn a_thousand_differences_take_as_many_round_trips_as_a_few() {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..20_000 {
        pair.east.put(&object(number), "body");
    }
    pair.west.follow(&pair.east);
    for number in 0..1_000 {
        pair.west.lose(&object(number * 17));
    }
    let report = pair.run(&everything()).await.unwrap();
    assert_eq!(report.progress.repaired, [(Reason::Missing, 1_000)].into());
    // Two rounds of cut, digest and end; a page of roots; four levels; four batches of states.
    assert!(report.progress.round_trips <= 3 + 3 + 1 + 4 + 5, "{report:?}");
}

#[tokio::test]
async fn law_6_a_deleted_bucket_is_known_here_however_much_was_trimmed_before_it_came() {
    let sites = Sites::new(false).await;
    let Sites { east, west, .. } = &sites;
    let (gone, root) = (BucketName::try_from("gone".to_owned()).unwrap(), store::Caller::root());
    for name in [bucket(), gone.clone()] {
        east.store.create_bucket(name, root.clone()).await.unwrap();
    }
    east.store.delete_bucket(gone, root).await.unwrap();
    for number in 0..40 {
        let key = object(number).try_into().unwrap();
        east.put(&bucket(), &key, b"body").await;
        east.delete(&bucket(), &key).await;
    }
    east.collect().await;
    // All that is left to come is how far was trimmed.
    west.follow(east, || Fate::Comes).await;
    assert_eq!(west.store.floors().unwrap().len(), 4, "of each partition");
    let options = Options { realtime: false, ..Options::default() };
    let report = west.full_sync(&everything(), options).await;
    assert_eq!(report.progress.repaired, [(Reason::Missing, 2)].into());
    assert_eq!(west.roots(), east.roots());
}
