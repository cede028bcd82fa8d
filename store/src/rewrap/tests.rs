use std::{collections::BTreeMap, path::Path, sync::Arc};

use model::{ETag, Encryption, Manifest, Parts, Slot, tree::Scope};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use schemas::{Codec, Keys};

use super::*;
use crate::{
    BodyKey, Condition, Memory, MultipartId, NewMultipart, Options, PutObject, Sizes, Under,
    engine::Engine,
    rules::multipart::MultipartName,
    store::tests::{bucket, caller, codec, key, options},
    tree::tests::assert_tree_is_true,
};

fn with_keys(ids: &[&str]) -> Codec {
    let line = |id: &&str| format!("{id}:{}\n", hex::encode([id.as_bytes()[0]; 32]));
    let keys = Keys::parse(&ids.iter().map(line).collect::<String>(), "test").unwrap();
    codec().with_site_keys(keys).unwrap()
}

/// Class keys alone, if there are none of the site.
async fn open(engine: &Arc<Memory>, home: &Path, ids: &[&str]) -> Store {
    let codec = if ids.is_empty() { codec() } else { with_keys(ids) };
    let sizes = Sizes { block: 128, inline_max: 100 };
    let engine: Arc<dyn Engine> = Arc::<Memory>::clone(engine);
    Store::open_on(engine, Options { codec, sizes, ..options(home, 1) }).await.unwrap()
}

async fn put(store: &Store, name: &str, body: &[u8]) {
    let (data, kept) = store.draw_data_key(Under::Site).unwrap();
    let mut upload = store.sealed_upload(&data);
    upload.write(Bytes::copy_from_slice(body)).await.unwrap();
    let uploaded = upload.finish().await.unwrap();
    let manifest = Manifest {
        size: uploaded.size(),
        etag: ETag("e".to_owned()),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: Parts::Whole,
        content: uploaded.content().clone(),
        encryption: Some(Encryption::of_whole(kept)),
    };
    let (bucket, key, condition) = (bucket(), key(name), Condition::None);
    let (caller, attributes) = (caller(), BTreeMap::new());
    let put = PutObject { caller, bucket, key, manifest, uploaded, condition, attributes };
    store.put_object(put).await.unwrap();
}

async fn begin(store: &Store, name: &str) -> MultipartId {
    let (_, kept) = store.draw_data_key(Under::Site).unwrap();
    let new = NewMultipart {
        caller: caller(),
        bucket: bucket(),
        key: key(name),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksum: None,
        attributes: BTreeMap::new(),
        sealed_under: Some(kept),
    };
    store.create_multipart(new).await.unwrap()
}

async fn keep_versions(store: &Store) {
    let (name, value) = (model::attribute::VERSIONING, Bytes::from_static(b"Enabled"));
    store.set_bucket_attribute(bucket(), name, Some(value), caller()).await.unwrap();
}

/// Of an object that is small enough to be inline.
async fn read(store: &Store, name: &str) -> Result<Bytes, crate::KeyError> {
    let object = store.object(&bucket(), &key(name)).await.unwrap().unwrap();
    let encryption = object.manifest.encryption.clone().unwrap();
    let data = store.data_key(&encryption.key, None)?;
    let key = BodyKey::new(data, &object.manifest, &encryption);
    let model::Content::Inline(body) = object.manifest.content.clone() else { panic!("inline") };
    Ok(key.open(0, body).unwrap())
}

fn block_files(home: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![home.join("blocks")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// What other sites see.
fn seen(store: &Store) -> (BTreeMap<Scope, model::tree::Summary>, Vec<crate::Written>) {
    (store.tree_view().unwrap().roots().unwrap(), store.written().borrow().to_vec())
}

async fn finish(store: &Store) {
    while !store.rewrap_step((2, 3)).await.unwrap() {}
}

#[tokio::test]
async fn data_keys_are_wrapped_again_and_no_block_leaf_or_event_is_written_for_it() {
    let (engine, home) = (Arc::<Memory>::default(), tempfile::tempdir().unwrap());
    let home = home.path();
    let store = open(&engine, home, &[]).await;
    store.create_bucket(bucket(), caller()).await.unwrap();
    put(&store, "class", b"under a class key").await;
    drop(store);
    let store = open(&engine, home, &["a"]).await;
    for name in ["over", "over", "blocks"] {
        let body = if name == "blocks" { vec![7; 300] } else { b"twice".to_vec() };
        put(&store, name, &body).await;
    }
    keep_versions(&store).await;
    for name in ["over", "many", "many", "many"] {
        put(&store, name, b"a version").await;
    }
    let id = begin(&store, "parts").await;
    let (before, files) = (seen(&store), block_files(home));
    drop(store);

    // One step and a crash, again and again, whatever else is under way.
    let mut steps = 0;
    loop {
        let store = open(&engine, home, &["b", "a"]).await;
        steps += 1;
        assert_eq!(read(&store, "over").await.unwrap(), "a version");
        if store.rewrap_step((2, 3)).await.unwrap() {
            break;
        }
    }
    assert!(steps > 6, "{steps}");
    let store = open(&engine, home, &["b", "a"]).await;
    assert_eq!((seen(&store), block_files(home)), (before, files));
    assert_tree_is_true(&store);
    let state = engine.snapshot();
    rewrap_forever(store.clone(), CancellationToken::new()).await.unwrap();
    let same = |table| crate::open::rows(&*engine, table, b"").unwrap();
    let meta = same(Table::Meta);
    let mut seen_meta = Vec::new();
    state
        .scan(Table::Meta, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
            seen_meta.push((key.clone(), value.clone()));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(meta, seen_meta, "where all is done nothing is written");
    drop(store);

    let store = open(&engine, home, &["b"]).await;
    let keys = store.check_data_keys(9).await.unwrap();
    assert_eq!((keys.checked, keys.unopened), (9, 0), "{keys:?}");
    assert_eq!(read(&store, "class").await.unwrap(), "under a class key");
    let name = MultipartName { bucket: bucket(), key: key("parts"), id };
    let kept = store.multipart(&name).unwrap().unwrap().sealed_under.unwrap();
    assert!(store.data_key(&kept, None).is_ok());
}

#[tokio::test]
async fn a_data_key_whose_key_is_gone_is_counted_and_left_until_the_key_is_back() {
    let (engine, home) = (Arc::<Memory>::default(), tempfile::tempdir().unwrap());
    let home = home.path();
    let store = open(&engine, home, &["a"]).await;
    store.create_bucket(bucket(), caller()).await.unwrap();
    put(&store, "k", b"body").await;
    put(&store, "l", b"body").await;
    drop(store);

    let store = open(&engine, home, &["b"]).await;
    rewrap_forever(store.clone(), CancellationToken::new()).await.unwrap();
    assert_eq!(store.shared.metrics.data_keys_unopened.get(), 2);
    let error = read(&store, "k").await.unwrap_err();
    assert!(ops::chain(&error).contains("no key `a` at this site"), "{}", ops::chain(&error));
    let keys = store.check_data_keys(1).await.unwrap();
    assert_eq!((keys.checked, keys.unopened, keys.first.len()), (2, 2, 1));
    assert_eq!(&keys.first[0].row[..], b"bucket\0k");
    assert!(keys.first[0].why.contains("`a`"));
    put(&store, "l", b"another").await;
    assert_eq!(read(&store, "l").await.unwrap(), "another");
    drop(store);

    let store = open(&engine, home, &["b", "a"]).await;
    rewrap_forever(store.clone(), CancellationToken::new()).await.unwrap();
    assert_eq!(store.shared.metrics.data_keys_unopened.get(), 0);
    assert!(store.shared.metrics.data_keys_rewrapped.get() >= 1);
    drop(store);
    let store = open(&engine, home, &["b"]).await;
    assert_eq!(read(&store, "k").await.unwrap(), "body");
}

#[derive(Clone, Debug)]
enum Op {
    Put(u8),
    Delete(u8),
    /// One of the versions that the key has, the newest first.
    Remove(u8, prop::sample::Index),
    Step,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (0..3_u8).prop_map(Op::Put),
        1 => (0..3_u8).prop_map(Op::Delete),
        3 => (0..3_u8, any::<prop::sample::Index>()).prop_map(|(key, which)| Op::Remove(key, which)),
        3 => prop::strategy::Just(Op::Step),
    ];
    prop::collection::vec(op, 1..40)
}

async fn call(store: &Store, op: &Op) {
    let (caller, none) = (caller(), Condition::None);
    match op {
        Op::Put(name) => put(store, &name.to_string(), b"body").await,
        Op::Delete(name) => {
            let object = (bucket(), key(&name.to_string()));
            store.delete_object(object, caller, none).await.unwrap();
        }
        Op::Remove(name, which) => {
            let name = name.to_string();
            let query = crate::VersionQuery {
                prefix: name.clone(),
                delimiter: None,
                after: None,
                limit: 99,
            };
            let listed = store.list_versions(&bucket(), &query).unwrap().entries;
            let slots: Vec<Slot> = listed
                .iter()
                .filter_map(|entry| match entry {
                    crate::VersionEntry::Version(version) => Some(version.slot),
                    crate::VersionEntry::CommonPrefix(_) => None,
                })
                .collect();
            if !slots.is_empty() {
                let object = (bucket(), key(&name));
                store.remove_version(object, *which.get(&slots), caller, none).await.unwrap();
            }
        }
        Op::Step => {
            let _done = store.rewrap_step((1, 2)).await.unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_pass_finds_every_data_key_wherever_clients_move_its_record_meanwhile(
        before in ops(),
        during in ops(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (engine, home) = (Arc::<Memory>::default(), tempfile::tempdir().unwrap());
            let store = open(&engine, home.path(), &["a"]).await;
            store.create_bucket(bucket(), caller()).await.unwrap();
            keep_versions(&store).await;
            for op in before.iter().filter(|op| !matches!(op, Op::Step)) {
                call(&store, op).await;
            }
            drop(store);
            let store = open(&engine, home.path(), &["b", "a"]).await;
            for op in &during {
                call(&store, op).await;
            }
            finish(&store).await;
            assert_tree_is_true(&store);
            drop(store);
            let store = open(&engine, home.path(), &["b"]).await;
            assert_eq!(store.check_data_keys(9).await.unwrap().unopened, 0);
        });
    }
}
