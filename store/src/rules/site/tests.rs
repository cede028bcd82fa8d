use std::{collections::BTreeSet, time::Duration};

use model::{Epoch, Partition, Seq, SiteId, SiteName};

use crate::{
    Acknowledged, BlockState, Evicted, Store,
    store::tests::{bucket, events, key, options, pair, put},
};

#[tokio::test]
async fn law_7_nothing_is_freed_ahead_of_a_registered_site() {
    let (east, west, _homes) = pair().await;
    let peer = west.identity().clone();
    east.register_peer(peer.site, peer.name, BTreeSet::new()).await.unwrap();
    put(&east, "k", b"the first version").await.unwrap();
    let first = east.object(&bucket(), &key("k")).await.unwrap().unwrap().manifest;
    put(&east, "k", b"another version").await.unwrap();
    let count = events(&east).len();
    east.collect(Duration::ZERO).await.unwrap();
    assert_eq!(events(&east).len(), count, "history waits for the site");
    for (_, block) in first.content.named() {
        assert_eq!(east.block_state(block.hash).unwrap(), BlockState::Here);
    }
    let written = east.written().borrow().clone();
    let acknowledged =
        east.identity().partitions.iter().zip(written.iter()).map(|(partition, w)| {
            let epoch = east.identity().epoch;
            Acknowledged { epoch, partition, handled: w.seq, applied: w.seq, complete: w.seq }
        });
    assert!(east.acknowledge(peer.site, acknowledged.collect()).await.unwrap());
    east.collect(Duration::ZERO).await.unwrap();
    east.collect(Duration::ZERO).await.unwrap();
    // The clock stands still, so that no event is older than even an empty window.
    assert_eq!(events(&east).len(), count);
    for (_, block) in first.content.named() {
        assert_eq!(east.block_state(block.hash).unwrap(), BlockState::Unknown);
    }
    assert!(east.remove_peer(peer.site).await.unwrap());
    assert!(!east.acknowledge(peer.site, Vec::new()).await.unwrap());
}

#[tokio::test]
async fn law_7_nobody_acknowledges_what_was_not_written() {
    let (east, west, _homes) = pair().await;
    let (site, epoch) = (west.identity().site, east.identity().epoch);
    east.register_peer(site, west.identity().name.clone(), BTreeSet::new()).await.unwrap();
    let most = Seq(u64::MAX);
    let ack = |epoch, partition| Acknowledged {
        epoch,
        partition: Partition(partition),
        handled: most,
        applied: most,
        complete: most,
    };
    let never = Epoch(u64::MAX);
    let acks = (0..9).flat_map(|partition| [ack(epoch, partition), ack(never, partition)]);
    assert!(east.acknowledge(site, acks.collect()).await.unwrap());
    let held = east.peers().unwrap().remove(0).acknowledged;
    let written = east.written().borrow().clone();
    let expected = written.iter().zip(0..).map(|(written, partition)| {
        let end = written.seq;
        Acknowledged { handled: end, applied: end, complete: end, ..ack(epoch, partition) }
    });
    assert_eq!(held, expected.collect::<Vec<_>>());
    assert!(east.history(epoch, Partition(0), most, 1).unwrap().is_empty());
}

#[tokio::test]
async fn law_7_what_was_written_before_a_site_registered_is_told_apart() {
    let (east, west, _homes) = pair().await;
    let (site, epoch) = (west.identity().site, east.identity().epoch);
    put(&east, "k", b"before").await.unwrap();
    let before: Vec<u64> = east.written().borrow().iter().map(|w| w.volume).collect();
    east.register_peer(site, west.identity().name.clone(), BTreeSet::new()).await.unwrap();
    put(&east, "k", b"after").await.unwrap();
    // Again is the same: a session that begins again does not begin anew.
    let peer =
        east.register_peer(site, west.identity().name.clone(), BTreeSet::new()).await.unwrap();
    let told: Vec<u64> =
        (0..4).map(|partition| peer.volume_before(epoch, Partition(partition))).collect();
    assert_eq!(told, before);
    assert_eq!(before.iter().sum::<u64>(), 6);
    assert_eq!(peer.volume_before(Epoch(epoch.0 + 1), Partition(0)), 0, "a new epoch begins at 0");
}

#[tokio::test]
async fn law_7_that_a_site_was_evicted_is_kept_over_a_restart_until_it_registers_or_is_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let name = SiteName::try_from("west".to_owned()).unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    let peer = store.register_peer(SiteId([7; 16]), name.clone(), <_>::default()).await.unwrap();
    assert!(store.evict_peer(&peer, "fence.max_age").await.unwrap());
    assert!(!store.evict_peer(&peer, "fence.max_bytes").await.unwrap(), "it is gone");
    drop(store);

    let store = Store::open(options(home.path(), 1)).await.unwrap();
    let told = Evicted {
        site: peer.site,
        name: name.clone(),
        at: store.now(),
        limit: "fence.max_age".to_owned(),
    };
    assert_eq!((store.evicted().unwrap(), store.peers().unwrap()), (vec![told], vec![]));
    // One that was rebuilt has another id.
    let peer = store.register_peer(SiteId([8; 16]), name.clone(), <_>::default()).await.unwrap();
    assert_eq!(store.evicted().unwrap(), []);
    store.evict_peer(&peer, "fence.max_bytes").await.unwrap();
    assert!(store.forget_evicted(name.clone()).await.unwrap());
    assert!(!store.forget_evicted(name).await.unwrap());
    assert_eq!(store.evicted().unwrap(), []);
}
