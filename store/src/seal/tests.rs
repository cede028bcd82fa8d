use std::collections::BTreeMap;

use model::{BlockRef, Content, ETag, Part, Segment};
use proptest::prelude::*;

use super::*;
use crate::store::tests::options;

const BLOCK: usize = 64;
/// What a block of 64 bytes holds of a body.
const HELD: usize = BLOCK - SEAL_BYTES as usize;

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

fn manifest(parts: Parts, size: usize, content: Content, encryption: Encryption) -> Manifest {
    Manifest {
        size: size as u64,
        etag: ETag("e".to_owned()),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts,
        content,
        encryption: Some(encryption),
    }
}

async fn site() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(options(home.path(), 1)).await.unwrap();
    (home, store)
}

async fn blocks(store: &Store, content: &Content) -> Vec<(BlockRef, Bytes)> {
    let mut refs = Vec::new();
    match content {
        Content::Inline(_) => {}
        Content::Blocks(blocks) => refs.extend(blocks),
        Content::Segments(segments) => {
            for segment in segments {
                let bytes = store.block(segment.stored).await.unwrap().unwrap();
                refs.extend(Segment::from_bytes(&bytes).unwrap().0);
            }
        }
    }
    let mut read = Vec::new();
    for block in refs {
        read.push((block, store.block(block).await.unwrap().unwrap()));
    }
    read
}

/// The body that a manifest comes to, and every stored run of bytes that it is made of.
async fn opened(
    store: &Store,
    key: &BodyKey,
    manifest: &Manifest,
) -> (Result<Vec<u8>, NotOpened>, Vec<Bytes>) {
    let stored = match &manifest.content {
        Content::Inline(body) if body.is_empty() => Vec::new(),
        Content::Inline(body) => vec![body.clone()],
        content => blocks(store, content).await.into_iter().map(|(_, bytes)| bytes).collect(),
    };
    (joined(key, &stored), stored)
}

fn joined(key: &BodyKey, stored: &[Bytes]) -> Result<Vec<u8>, NotOpened> {
    let mut body = Vec::new();
    for block in stored {
        let opened = key.open(body.len() as u64, block.clone())?;
        body.extend_from_slice(&opened);
    }
    Ok(body)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn law_5_any_body_in_any_pieces_comes_back_and_lies_nowhere_in_the_clear(
        length in prop_oneof![0..4 * HELD, (0_usize..5).prop_map(|n| n * HELD)],
        piece in 1..3 * BLOCK,
    ) {
        runtime().block_on(async {
            let (_home, store) = site().await;
            let body = body(length);
            let (key, wrapped) = store.draw_data_key(Under::Site).unwrap();
            let mut upload = Upload::new(&store.shared);
            upload.block_size(BLOCK);
            let mut upload = upload.sealed(Sealer::new(&key, 0));
            for piece in body.chunks(piece) {
                upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            let uploaded = upload.finish().await.unwrap();
            assert_eq!(uploaded.size(), length as u64);
            let encryption = Encryption::of_whole(wrapped);
            let content = uploaded.content().clone();
            let manifest = manifest(Parts::Whole, length, content, encryption.clone());
            assert!(manifest.is_consistent(), "{manifest:?}");
            let key = store.data_key(&encryption.key, None).unwrap();
            let key = BodyKey::new(key, &manifest, &encryption);
            let (read, stored) = opened(&store, &key, &manifest).await;
            assert_eq!(read.unwrap(), body);
            for stored in stored {
                assert!(stored.len() <= BLOCK);
                let clear = |piece: &[u8]| stored.windows(piece.len()).any(|seen| seen == piece);
                assert!(!body.chunks_exact(8).any(clear));
            }
        });
    }

    #[test]
    fn law_5_a_block_that_was_swapped_cut_or_changed_is_an_error_and_never_bytes(
        parts in prop::collection::vec(0..3 * HELD, 1..4),
        (change, at) in (0..4, any::<prop::sample::Index>()),
        other in any::<prop::sample::Index>(),
    ) {
        let key = DataKey::draw();
        let mut stored = Vec::new();
        let mut listed = Vec::new();
        for (number, length) in parts.iter().enumerate() {
            let sealer = Sealer::new(&key, u16::try_from(number + 1).unwrap());
            let part = Bytes::from(body(*length));
            listed.push(Part { size: *length as u64, md5: [0; 16] });
            for (n, block) in part.chunks(HELD).enumerate() {
                stored.push(sealer.seal((n * HELD) as u64, &[Bytes::copy_from_slice(block)]));
            }
        }
        let size = parts.iter().sum();
        let wrapped = WrappedKey::Client(ClientKey::new([1; 32]).wrap(&key));
        let encryption = Encryption::of_parts(wrapped, &(1..=parts.len() as u16).collect::<Vec<_>>());
        let content = Content::Inline(Bytes::new());
        let manifest = manifest(Parts::Listed(listed), size, content, encryption.clone());
        let key = BodyKey::new(key, &manifest, &encryption);
        let whole: Vec<u8> = parts.iter().flat_map(|length| body(*length)).collect();
        prop_assert_eq!(joined(&key, &stored).unwrap(), whole);
        if stored.is_empty() {
            return Ok(());
        }
        let (at, other) = (at.index(stored.len()), other.index(stored.len()));
        let mut block = stored[at].to_vec();
        match change {
            0 => block[other % stored[at].len()] ^= 1,
            1 => { block.pop(); }
            2 => block.truncate(SALT_BYTES - 1),
            _ => {
                stored.swap(at, other);
                prop_assert_eq!(joined(&key, &stored).is_err(), at != other);
                return Ok(());
            }
        }
        stored[at] = block.into();
        prop_assert!(joined(&key, &stored).is_err());
    }
}

#[tokio::test]
async fn a_data_key_comes_back_only_with_what_it_was_wrapped_under() {
    let (_home, store) = site().await;
    let (client, other) = (ClientKey::new([1; 32]), ClientKey::new([2; 32]));
    let (key, wrapped) = store.draw_data_key(Under::Client(&client)).unwrap();
    assert_eq!(store.data_key(&wrapped, Some(&client)).unwrap().0, key.0);
    let refused = store.data_key(&wrapped, Some(&other));
    assert!(matches!(refused, Err(KeyError::OtherClientKey)));
    assert!(matches!(store.data_key(&wrapped, None), Err(KeyError::NoClientKey)));
    let again = store.wrap_data_key(&key, Under::Client(&client)).unwrap();
    assert_ne!(again, wrapped, "each wrap has a salt of its own");

    let WrappedKey::Client(mut damaged) = wrapped else { panic!("wrapped for a client") };
    damaged.sealed = Bytes::from_static(&[7; 48]);
    let damaged = store.data_key(&WrappedKey::Client(damaged), Some(&client));
    assert!(matches!(damaged, Err(KeyError::Damaged)));

    let (key, wrapped) = store.draw_data_key(Under::Site).unwrap();
    assert_eq!(store.data_key(&wrapped, None).unwrap().0, key.0);
    assert!(matches!(store.data_key(&wrapped, Some(&client)), Err(KeyError::NotOfClient)));
    let WrappedKey::Site(mut foreign) = wrapped else { panic!("wrapped for the sites") };
    foreign.key_id = "elsewhere".to_owned();
    let foreign = store.data_key(&WrappedKey::Site(foreign), None);
    assert!(matches!(foreign, Err(KeyError::Site(CodecError::NoKey { .. }))));
}

#[tokio::test]
async fn a_data_key_under_a_named_key_opens_where_that_key_is_and_with_its_context() {
    let home = tempfile::tempdir().unwrap();
    let keys = format!("one:{}\ntwo:{}", "ab".repeat(32), "cd".repeat(32));
    let keys = schemas::Keys::parse(&keys, "test").unwrap();
    let named = crate::store::tests::codec().with_named_keys(keys);
    let holds = crate::Options { codec: named, ..options(home.path(), 1) };
    let store = Store::open(holds).await.unwrap();
    assert_eq!((store.named_key(None), store.named_key(Some("two"))), (Some("one"), Some("two")));
    let context = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let key = |id: &str| NamedKey {
        id: id.to_owned(),
        shown: format!("alias/{id}"),
        context: context.clone(),
        bucket_key: true,
    };
    let (data, wrapped) = store.draw_data_key(Under::Named(&key("two"))).unwrap();
    assert_eq!(store.data_key(&wrapped, None).unwrap().0, data.0);
    let client = ClientKey::new([1; 32]);
    assert!(matches!(store.data_key(&wrapped, Some(&client)), Err(KeyError::NotOfClient)));
    let unknown = store.wrap_data_key(&data, Under::Named(&key("three")));
    assert!(matches!(unknown, Err(KeyError::NoNamedKey { id }) if id == "three"));

    let (_elsewhere, other) = site().await;
    assert!(!other.has_named_keys() && store.has_named_keys());
    let error = other.data_key(&wrapped, None).unwrap_err().to_string();
    assert!(error.contains("key `two`") && error.contains("keys.named_file"), "{error}");
    let WrappedKey::Named(mut changed) = wrapped else { panic!("wrapped under a named key") };
    changed.context.clear();
    let changed = store.data_key(&WrappedKey::Named(changed), None);
    assert!(matches!(changed, Err(KeyError::Damaged)));
}

#[test]
fn the_same_block_is_never_sealed_to_the_same_bytes_and_keys_are_not_shown() {
    let key = DataKey::draw();
    let piece = [Bytes::from_static(b"body")];
    let (one, other) = (Sealer::new(&key, 1), Sealer::new(&key, 1));
    assert_ne!(one.seal(0, &piece), other.seal(0, &piece), "a part that is sent again");
    assert_ne!(one.seal(0, &piece)[SALT_BYTES..], one.seal(4, &piece)[SALT_BYTES..]);
    assert_eq!(format!("{key:?} {:?}", ClientKey::new([1; 32])), "DataKey(***) ClientKey(***)");
}

#[test]
fn parts_without_bytes_have_no_place_and_numbers_may_have_gaps() {
    let key = DataKey::draw();
    let part = |size| Part { size, md5: [0; 16] };
    let parts = Parts::Listed(vec![part(4), part(0), part(4)]);
    let wrapped = WrappedKey::Client(ClientKey::new([1; 32]).wrap(&key));
    let encryption = Encryption::of_parts(wrapped, &[3, 5, 9]);
    let content = Content::Inline(Bytes::new());
    let manifest = manifest(parts, 8, content, encryption.clone());
    let opens = BodyKey::new(key.clone(), &manifest, &encryption);
    for (at, number) in [(0, 3), (4, 9)] {
        let sealed = Sealer::new(&key, number).seal(0, &[Bytes::from_static(b"part")]);
        assert_eq!(opens.open(at, sealed.clone()).unwrap(), "part");
        assert_eq!(opens.open(4 - at, sealed), Err(NotOpened { at: 4 - at }));
    }
}
