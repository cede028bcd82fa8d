//! Laws as properties, over random histories of a few keys: every collision happens.

use std::{ops::Bound, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use model::{
    Attributes, Change, Content, ETag, Event, Hlc, Manifest, Parts, Register, Seq, SiteId, Slot,
    UserId, Version, progress::Handled, tree::Scope,
};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use super::tests::{bucket, events, key, options, put, read};
use crate::{
    Condition, Engine, Memory, Step, Store, engine::Table, open::rows,
    recount::tests::assert_counts_are_true, section::Section, tree::tests::assert_tree_is_true,
};

#[derive(Clone, Debug)]
enum Op {
    Put {
        key: u8,
        length: u8,
    },
    Delete {
        key: u8,
    },
    /// Sets an attribute of the latest version of a key, if there is one.
    Tag {
        key: u8,
        value: u8,
    },
    /// Sets an attribute of the bucket, or takes it away.
    Set {
        name: u8,
        value: u8,
    },
    /// Empties the bucket, deletes it and makes it again.
    Rebuild,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (0u8..4, 0u8..40).prop_map(|(key, length)| Op::Put { key, length }),
        2 => (0u8..4).prop_map(|key| Op::Delete { key }),
        2 => (0u8..4, any::<u8>()).prop_map(|(key, value)| Op::Tag { key, value }),
        2 => (0u8..2, 0u8..3).prop_map(|(name, value)| Op::Set { name, value }),
        1 => Just(Op::Rebuild),
    ];
    prop::collection::vec(op, 1..20)
}

fn caller() -> crate::Caller {
    crate::Caller::root()
}

async fn open(engine: &Arc<Memory>, directory: &Path, site: u8) -> Store {
    let engine: Arc<dyn Engine> = Arc::<Memory>::clone(engine);
    let store = Store::open_on(engine, options(directory, site)).await.unwrap();
    // From here on, what stands in all buckets of each owner is kept in memory too.
    let keep = |section: &mut Section<'_>| {
        section.standing_of(&UserId::root())?;
        Ok::<_, crate::KeepError>(())
    };
    store.shared.committer.run(keep).await.unwrap();
    store
}

async fn run(store: &Store, ops: &[Op]) {
    store.create_bucket(bucket(), caller()).await.unwrap();
    for op in ops {
        match op {
            Op::Put { key, length } => {
                let body: Vec<u8> = (0..*length).map(|n| n.wrapping_mul(*key + 1)).collect();
                put(store, &format!("k{key}"), &body).await.unwrap();
            }
            Op::Delete { key: name } => {
                store
                    .delete_object((bucket(), key(&format!("k{name}"))), caller(), Condition::None)
                    .await
                    .unwrap();
            }
            Op::Tag { key: name, value } => {
                let key = key(&format!("k{name}"));
                let object = crate::VersionName { bucket: bucket(), key, of: None };
                let value = Some(Bytes::from(vec![*value]));
                let tagged = store.set_object_attribute(object, "tags", value, caller()).await;
                assert!(matches!(tagged, Ok(_) | Err(crate::WriteError::NoSuchKey)));
            }
            Op::Set { name, value } => {
                let (name, value) = (name.to_string(), Bytes::from(vec![7; usize::from(*value)]));
                store.set_bucket_attribute(bucket(), &name, Some(value), caller()).await.unwrap();
            }
            Op::Rebuild => {
                for name in 0..4 {
                    store
                        .delete_object(
                            (bucket(), key(&format!("k{name}"))),
                            caller(),
                            Condition::None,
                        )
                        .await
                        .unwrap();
                }
                store.delete_bucket(bucket(), caller()).await.unwrap();
                store.create_bucket(bucket(), caller()).await.unwrap();
            }
        }
    }
}

/// Every row that clients' answers are made of.
fn state(store: &Store) -> Vec<(Table, Bytes, Bytes)> {
    let mut rows = Vec::new();
    for table in [Table::Entities, Table::Objects] {
        let all = (Bound::Unbounded, Bound::Unbounded);
        let scan = store.shared.engine.scan(table, all, &mut |key, value| {
            rows.push((table, key.clone(), value.clone()));
            std::ops::ControlFlow::Continue(())
        });
        scan.unwrap();
    }
    rows
}

fn apply(event: &Event) -> Step {
    Step::Apply(Box::new(event.clone()))
}

fn handle(event: &Event) -> Step {
    let seq = event.position.seq;
    let handled = Handled { seq, digest: event.prev, volume: event.volume, time: event.time() };
    Step::Handle(event.position.line(), handled)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What another site says of the attributes of two versions of a key: few registers, so that they meet.
fn attributes() -> impl Strategy<Value = Vec<Event>> {
    let register = (1u64..3, 0u8..3, 1u64..4);
    prop::collection::vec(register, 1..12).prop_map(|all| {
        let event = |(seq, (of, name, hlc)): (u64, (u64, u8, u64))| {
            let version = Version { hlc: Hlc(100 * hlc + seq), site: SiteId([9; 16]) };
            let register = Register { version, value: Bytes::from(vec![name]) };
            let attributes = Attributes([(name.to_string(), register)].into());
            let of = Version { hlc: Hlc(of), ..version };
            event(
                seq,
                version,
                Change::Attributes { bucket: bucket(), key: key("k"), of, attributes },
            )
        };
        (3u64..).zip(all).map(event).collect()
    })
}

fn event(seq: u64, version: Version, change: Change) -> Event {
    let (epoch, partition) = (model::Epoch(1), model::Partition(0));
    let line = model::Line { site: version.site, epoch, partition };
    let (prev, request) = (model::Digest::ZERO, model::RequestId::NONE);
    Event { position: line.at(Seq(seq)), version, prev, volume: 0, request, change }
}

/// A version of the key.
fn object(hlc: u64) -> Event {
    let version = Version { hlc: Hlc(hlc), site: SiteId([9; 16]) };
    let manifest = Manifest {
        size: 1,
        etag: ETag(String::new()),
        headers: <_>::default(),
        metadata: <_>::default(),
        checksums: <_>::default(),
        parts: Parts::Whole,
        content: Content::Inline(Bytes::from(vec![hlc as u8])),
        encryption: None,
    };
    let (bucket, key, birth) = (bucket(), key("k"), Version::NONE);
    let manifest = Box::new(manifest);
    event(hlc, version, Change::ObjectPut { bucket, key, slot: Slot::Null, birth, manifest })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn law_3_attributes_merge_register_by_register_whether_they_are_applied_or_repaired(
        attributes in attributes(),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..30),
    ) {
        block_on(async {
            let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let east = open(&Arc::default(), homes[0].path(), 1).await;
            let west = open(&Arc::default(), homes[1].path(), 2).await;
            let events: Vec<Event> = [object(1), object(2)].into_iter().chain(attributes).collect();
            east.apply(events.iter().map(apply).collect()).await.unwrap();
            let repair = |event: &Event| {
                let cut = event.position.line().at(Seq(99));
                Step::Repair { event: Box::new(event.clone()), cut }
            };
            for (index, repaired) in &order {
                let event = index.get(&events);
                let step = if *repaired { repair(event) } else { apply(event) };
                west.apply(vec![step]).await.unwrap();
            }
            // What full sync would bring, and then it is the same object, in every respect.
            let (view, scope) = (east.tree_view().unwrap(), Scope::Bucket(bucket()));
            let entity = events[0].change.entity().hash();
            let state = view.change(&scope, entity).unwrap();
            west.apply(state.iter().map(repair).collect()).await.unwrap();
            let leaf = |store: &Store| store.tree_view().unwrap().leaf(&scope, entity).unwrap();
            assert_eq!(leaf(&west), leaf(&east));
            assert_tree_is_true(&west);
            west.apply(events.iter().rev().map(repair).collect()).await.unwrap();
            let duplicates = west.apply(state.iter().map(apply).collect()).await.unwrap().duplicate;
            assert_eq!(duplicates, state.len() as u64);
            let rows = |store: &Store| rows(&*store.shared.engine, Table::Attributes, b"").unwrap();
            assert_eq!(rows(&west), rows(&east));
            assert_eq!(leaf(&west), leaf(&east));
        });
    }

    #[test]
    fn law_3_and_6_any_order_and_repetition_of_events_gives_the_state_of_the_origin(
        ops in ops(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        batch in 1usize..7,
    ) {
        block_on(async {
            let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let east = open(&Arc::default(), homes[0].path(), 1).await;
            let west = open(&Arc::default(), homes[1].path(), 2).await;
            run(&east, &ops).await;
            let events = events(&east);
            // Anything in any order any number of times, and somewhere among it everything.
            let mut shuffled: Vec<&Event> = order.iter().map(|index| index.get(&events)).collect();
            shuffled.extend(events.iter().rev());
            shuffled.extend(order.iter().map(|index| index.get(&events)));
            for events in shuffled.chunks(batch) {
                west.apply(events.iter().map(|event| apply(event)).collect()).await.unwrap();
            }
            assert_eq!(state(&west), state(&east));
            assert_tree_is_true(&west);
            assert_counts_are_true(&west).await;
            let roots = |store: &Store| store.tree_view().unwrap().roots().unwrap();
            assert_eq!(roots(&west), roots(&east));
            assert_eq!(west.bucket_view(&bucket()).unwrap(), east.bucket_view(&bucket()).unwrap());
            assert_eq!(west.usage(None, None).unwrap(), east.usage(None, None).unwrap());
        });
    }

    #[test]
    fn law_4_a_site_that_is_cut_off_anywhere_goes_on_from_what_it_holds(
        ops in ops(),
        cuts in prop::collection::vec(1usize..9, 1..12),
    ) {
        block_on(async {
            let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let east = open(&Arc::default(), homes[0].path(), 1).await;
            run(&east, &ops).await;
            let engine = Arc::<Memory>::default();
            let all = events(&east);
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let west = open(&engine, homes[1].path(), 2).await;
                let handled = |event: &Event| west.line(event.position.line()).handled.seq;
                let rest = all.iter().filter(|event| event.position.seq > handled(event));
                let steps = rest.take(cut).flat_map(|event| [apply(event), handle(event)]);
                west.apply(steps.collect()).await.unwrap();
            }
            let west = open(&engine, homes[1].path(), 2).await;
            assert_eq!(state(&west), state(&east));
            let last = |event: &Event| west.line(event.position.line()).handled.seq;
            assert!(all.iter().all(|event| event.position.seq <= last(event)));
            assert_tree_is_true(&west);
            assert_counts_are_true(&west).await;
        });
    }

    #[test]
    fn law_14_objects_show_with_their_bucket_whichever_comes_first(ops in ops()) {
        block_on(async {
            let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let east = open(&Arc::default(), homes[0].path(), 1).await;
            let west = open(&Arc::default(), homes[1].path(), 2).await;
            run(&east, &ops).await;
            let (buckets, objects): (Vec<Event>, Vec<Event>) = events(&east)
                .into_iter()
                .partition(|event| matches!(event.change.entity(), model::Entity::Bucket(_)));
            west.apply(objects.iter().map(apply).collect()).await.unwrap();
            for name in 0..4 {
                assert!(read(&west, &format!("k{name}")).await.is_none(), "no bucket, no object");
            }
            west.apply(buckets.iter().map(apply).collect()).await.unwrap();
            for name in 0..4 {
                let here = read(&west, &format!("k{name}")).await.is_some();
                let there = read(&east, &format!("k{name}")).await.is_some();
                assert_eq!(here, there);
            }
            assert_tree_is_true(&west);
            assert_counts_are_true(&west).await;
            assert_tree_is_true(&east);
            assert_counts_are_true(&east).await;
        });
    }

    #[test]
    fn the_collector_never_takes_a_block_that_an_upload_counts_on(
        lengths in prop::collection::vec(9u8..40, 2..12),
    ) {
        block_on(async {
            let home = tempfile::tempdir().unwrap();
            let store = open(&Arc::default(), home.path(), 1).await;
            store.create_bucket(bucket(), caller()).await.unwrap();
            // All share their blocks, so that deletes and uploads of the same content meet.
            let uploads = lengths.iter().enumerate().map(|(n, &length)| {
                let store = store.clone();
                tokio::spawn(async move {
                    let name = format!("k{}", n % 3);
                    put(&store, &name, &vec![7; usize::from(length)]).await.unwrap();
                    if n % 2 == 0 {
                        store.delete_object((bucket(), key(&name)), caller(), Condition::None).await.unwrap();
                    }
                })
            });
            let uploads: Vec<_> = uploads.collect();
            for _ in 0..6 {
                store.collect(Duration::ZERO).await.unwrap();
            }
            for upload in uploads {
                upload.await.unwrap();
            }
            for _ in 0..2 {
                store.collect(Duration::ZERO).await.unwrap();
            }
            for name in 0..3 {
                let found = read(&store, &format!("k{name}")).await;
                assert!(!matches!(found, Some(Err(_))), "a block of k{name} is gone");
            }
            assert_tree_is_true(&store);
            assert_counts_are_true(&store).await;
        });
    }
}
