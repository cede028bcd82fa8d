//! Deep mode over two real stores that hold the same blocks.

use std::{collections::BTreeMap, path::PathBuf};

use model::{BlockRef, ETag, Manifest, Millis, ObjectKey, PartitionCount, Parts as UploadParts};
use store::{Caller, Condition, Options as StoreOptions, PutObject, Sizes, Store};

use super::{
    site::{Pair, bucket, codec, name, told},
    *,
};

/// A store in a directory of its own, with one object of eight blocks.
pub(super) struct Disk {
    pub(super) store: Store,
    home: tempfile::TempDir,
}

impl Disk {
    pub(super) async fn new(site: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            directory: home.path().to_owned(),
            name: name(site),
            partitions: PartitionCount::new(1).unwrap(),
            new_site: model::SiteId([site.len() as u8; 16]),
            sizes: Sizes { block: 8, inline_max: 0 },
            reserve: 0,
            codec: codec(),
            clock: Arc::new(ops::ManualClock::at(Millis(1))),
            metrics: Metrics::new(),
        };
        let store = Store::open(options).await.unwrap();
        store.create_bucket(bucket(), Caller::root()).await.unwrap();
        let mut upload = store.upload();
        let body: Vec<u8> = (0..64).collect();
        upload.write(body.into()).await.unwrap();
        let uploaded = upload.finish().await.unwrap();
        let manifest = Manifest {
            size: uploaded.size(),
            etag: ETag("tag".to_owned()),
            headers: BTreeMap::new(),
            metadata: BTreeMap::new(),
            checksums: BTreeMap::new(),
            parts: UploadParts::Whole,
            content: uploaded.content().clone(),
            encryption: None,
        };
        let key = ObjectKey::try_from("a".to_owned()).unwrap();
        let (caller, bucket) = (Caller::root(), bucket());
        let (condition, attributes) = (Condition::None, BTreeMap::new());
        let put = PutObject { caller, bucket, key, manifest, uploaded, condition, attributes };
        store.put_object(put).await.unwrap();
        Self { store, home }
    }

    fn blocks(&self) -> Vec<BlockRef> {
        self.store.blocks_here(None, 99).unwrap()
    }

    fn file(&self, block: BlockRef) -> PathBuf {
        let name = block.hash.to_string();
        self.home.path().join("blocks").join(&name[..2]).join(&name)
    }

    fn spoil(&self, block: BlockRef) {
        std::fs::write(self.file(block), b"rotten").unwrap();
    }

    fn lose(&self, block: BlockRef) {
        std::fs::remove_file(self.file(block)).unwrap();
    }

    fn is_whole(&self) -> bool {
        let good = |block: &BlockRef| {
            let bytes = std::fs::read(self.file(*block)).unwrap_or_default();
            model::BlockHash::of(&bytes) == block.hash
        };
        self.blocks().iter().all(good)
    }
}

fn deep() -> Request {
    Request { deep: true, ..Request::default() }
}

async fn scrub(pair: &Pair, west: &Disk, request: &Request) -> Report {
    let options = Options { realtime: false, ..Options::default() };
    let parts = Parts { blocks: Some(west.store.clone()), ..pair.parts(options) };
    let (told, _seen) = told();
    run(&parts, request, &told, &CancellationToken::new()).await.unwrap()
}

#[tokio::test]
async fn law_5_rotten_and_lost_blocks_come_from_the_origin() {
    let (east, west) = (Disk::new("east").await, Disk::new("western").await);
    let pair = Pair::with_store(Some(east.store.clone())).await;
    let blocks = west.blocks();
    west.spoil(blocks[0]);
    west.lose(blocks[7]);
    let listed = scrub(&pair, &west, &Request { dry_run: true, ..deep() }).await;
    assert_eq!((listed.progress.differ, listed.sample.len()), (2, 2));
    assert!(!west.is_whole(), "a dry run changes nothing");
    assert_eq!((listed.progress.bytes_to_move, listed.progress.bytes_moved), (16, 0));
    assert!(!listed.converged, "it has found something");
    let report = scrub(&pair, &west, &deep()).await;
    assert!(west.is_whole());
    assert_eq!(report.progress.repaired, [(Reason::Block, 2)].into());
    assert_eq!((report.progress.bytes_moved, report.converged), (16, true));
    assert_eq!(report.sample[0].name, Some(format!("block {}", blocks[0].hash)));
    let again = scrub(&pair, &west, &deep()).await;
    assert_eq!(again.progress.repaired, [].into());
    assert_eq!(again.progress.compared, 8);
}

#[tokio::test]
async fn what_the_origin_does_not_have_is_named_and_counted() {
    let (east, west) = (Disk::new("east").await, Disk::new("western").await);
    let pair = Pair::with_store(Some(east.store.clone())).await;
    let block = west.blocks()[3];
    west.spoil(block);
    east.lose(block);
    let report = scrub(&pair, &west, &deep()).await;
    assert_eq!((report.progress.unrepaired, report.progress.repaired.len()), (1, 0));
    assert!(!report.converged, "something here stays rotten");
    assert_eq!(report.sample[0].name, Some(format!("block {}", block.hash)));
    // The origin's copy rots too: its bytes are refused.
    east.spoil(block);
    std::fs::write(east.file(block), b"rotten!!").unwrap();
    assert_eq!(scrub(&pair, &west, &deep()).await.progress.unrepaired, 1);
}

#[tokio::test]
async fn with_both_the_origin_gets_good_copies_and_no_others() {
    let (east, west) = (Disk::new("east").await, Disk::new("western").await);
    let pair = Pair::with_store(Some(east.store.clone())).await;
    let blocks = east.blocks();
    east.spoil(blocks[1]);
    east.lose(blocks[2]);
    east.spoil(blocks[5]);
    west.lose(blocks[5]);
    let report = scrub(&pair, &west, &Request { both: true, ..deep() }).await;
    assert_eq!(report.progress.repaired, [(Reason::Block, 2)].into());
    assert_eq!(report.progress.unrepaired, 2, "a block that nobody has, at both sites");
    assert!(!east.is_whole());
    let whole = |block: BlockRef| std::fs::read(east.file(block)).unwrap().len() == 8;
    assert!(whole(blocks[1]) && whole(blocks[2]));
}

#[tokio::test]
async fn a_scrub_that_was_stopped_goes_on_from_its_checkpoint() {
    let (east, west) = (Disk::new("east").await, Disk::new("western").await);
    let pair = Pair::with_store(Some(east.store.clone())).await;
    let blocks = west.blocks();
    west.store.set_scrubbed(Some(blocks[4].hash)).await.unwrap();
    assert_eq!(scrub(&pair, &west, &deep()).await.progress.compared, 3);
    assert_eq!(scrub(&pair, &west, &deep()).await.progress.compared, 8);
}

#[tokio::test]
async fn what_was_read_again_before_a_stop_is_not_read_again() {
    let (east, west) = (Disk::new("east").await, Disk::new("western").await);
    let pair = Pair::with_store(Some(east.store.clone())).await;
    pair.east.create_bucket();
    pair.east.put("rotten", "body");
    pair.west.follow(&pair.east);
    pair.west.rot("rotten");
    let options = Options { realtime: false, give_up: Duration::ZERO, ..Options::default() };
    let parts = Parts { blocks: Some(west.store.clone()), ..pair.parts(options) };
    let (told, _seen) = told();
    let (request, never) = (Request { both: true, ..deep() }, CancellationToken::new());
    // All records have been read when the origin goes away.
    pair.faults.set(1);
    run(&parts, &request, &told, &never).await.unwrap_err();
    let parts_of = |names: &[&str]| -> Vec<_> {
        let names = names.iter().map(|name| Some((*name).to_owned()));
        [None].into_iter().chain(names).collect()
    };
    assert_eq!(pair.west.verified(), parts_of(&["two", "three"]));
    pair.faults.set(0);
    let report = run(&parts, &request, &told, &never).await.unwrap();
    assert_eq!(pair.west.verified().len(), 3, "records are not read twice");
    assert_eq!(
        report.progress.repaired,
        [(Reason::Rotten, 1)].into(),
        "known from before the stop"
    );
    // Two entities, and eight blocks at each site.
    assert_eq!(report.progress.compared, 2 + 16);
    let again = run(&parts, &request, &told, &never).await.unwrap();
    assert_eq!(
        (again.progress.compared, again.progress.differ),
        (2, 0),
        "the job had read them all"
    );

    let new = scrub(&pair, &west, &request).await;
    assert_eq!(
        (new.progress.compared, pair.west.verified().len()),
        (2 + 16, 6),
        "the next job reads all"
    );
}

#[tokio::test]
async fn law_12_a_record_that_could_not_be_read_counts_as_rotten_when_it_is_mended() {
    let (east, west) = (Disk::new("east").await, Disk::new("western").await);
    let pair = Pair::with_store(Some(east.store.clone())).await;
    pair.east.create_bucket();
    for number in 0..9 {
        pair.east.put(&object(number), "body");
    }
    pair.west.follow(&pair.east);
    pair.west.lose(&object(1));
    pair.west.rot(&object(2));
    pair.west.rot(&object(3));
    let report = scrub(&pair, &west, &deep()).await;
    assert_eq!(report.progress.repaired, [(Reason::Missing, 1), (Reason::Rotten, 2)].into());
    assert_eq!((report.converged, pair.west.quarantined()), (true, 2));
    assert_eq!(pair.west.roots(), pair.east.roots());
}
