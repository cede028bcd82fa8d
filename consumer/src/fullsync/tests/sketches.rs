//! What the sides of a branch have in common does not cross the link, and what only seems so is found.

use super::{
    Reason, everything,
    site::{Pair, object},
};

/// Two sites that hold so many objects.
async fn equal(objects: u64) -> Pair {
    let pair = Pair::new().await;
    pair.east.create_bucket();
    for number in 0..objects {
        pair.east.put(&object(number), "body");
    }
    pair.west.follow(&pair.east);
    pair
}

#[tokio::test]
async fn what_both_have_does_not_cross_the_link() {
    let pair = equal(20_000).await;
    for number in 0..50 {
        pair.west.lose(&object(number * 390));
    }
    let report = pair.run(&everything()).await.unwrap();
    assert_eq!(report.progress.repaired, [(Reason::Missing, 50)].into());
    // Two rounds of cut and digest, three levels, and states of some 300 bytes.
    assert!(report.progress.wire_bytes < 34_000, "{report:?}");
}

#[tokio::test]
async fn law_9_what_is_alike_in_a_sketch_and_not_the_same_is_found() {
    let pair = equal(100).await;
    let [theirs, ours] = pair.east.alike("alike");
    pair.east.put("alike", &theirs);
    pair.west.follow(&pair.east);
    let equal = pair.run(&everything()).await.unwrap();
    pair.west.spoil_with("alike", &ours);
    let report = pair.run(&everything()).await.unwrap();
    assert!(report.converged);
    assert_eq!(report.progress.repaired, [(Reason::Foreign, 1)].into());
    assert_eq!(pair.west.roots(), pair.east.roots());
    // Two rounds, a page of roots, two levels, a state; and the branch once more.
    assert_eq!(report.progress.round_trips, 2 * equal.progress.round_trips + 1 + 2 + 1 + 1);
}

#[tokio::test]
async fn a_tree_of_the_origin_that_does_not_say_what_it_holds_is_compared_as_it_is() {
    let pair = equal(20).await;
    pair.east.hide(&object(3));
    pair.west.lose(&object(4));
    let report = pair.run(&everything()).await.unwrap();
    assert_eq!(report.progress.repaired, [(Reason::Missing, 1), (Reason::Foreign, 1)].into());
    assert_eq!(pair.west.quarantined(), 1);
}
