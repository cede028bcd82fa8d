use std::collections::BTreeMap;

use model::{Change, Encryption, Event, Manifest, NamedWrapped, WrappedKey};
use proptest::prelude::{any, proptest};

use super::samples::{KEY_FILE, codec, event, manifest, put};
use crate::{Codec, CodecError, Keys};

fn keys(ids: &[&str]) -> Keys {
    let line = |id: &&str| format!("{id}:{}\n", hex::encode([id.as_bytes()[0]; 32]));
    Keys::parse(&ids.iter().map(line).collect::<String>(), "test").unwrap()
}

fn site(ids: &[&str]) -> Codec {
    codec().with_site_keys(keys(ids)).unwrap()
}

fn named(ids: &[&str]) -> Codec {
    codec().with_named_keys(keys(ids))
}

fn sealed_under(key: WrappedKey) -> Event {
    let encryption = Some(Encryption::of_whole(key));
    let content = model::Content::Blocks(Vec::new());
    event(put(Manifest { encryption, ..manifest(0, content) }))
}

fn kept(event: &Event) -> &Manifest {
    let Change::ObjectPut { manifest, .. } = &event.change else { panic!("a put") };
    manifest
}

fn key_of(codec: &Codec, event: &Event) -> Result<[u8; 32], CodecError> {
    match &kept(event).encryption.as_ref().unwrap().key {
        WrappedKey::Site(wrapped) => codec.unwrap_data_key(wrapped),
        WrappedKey::Named(wrapped) => codec.unwrap_named(wrapped),
        WrappedKey::Client(_) => panic!("of a client"),
    }
}

proptest! {
    #[test]
    fn law_11_a_data_key_rests_under_each_sites_own_key_and_counts_as_the_same(key: [u8; 32]) {
        let (east, west) = (site(&["a"]), site(&["b", "c"]));
        let written = sealed_under(WrappedKey::Site(east.wrap_data_key(&key)));
        let sent = east.seal(&written).unwrap();
        let read = west.open(&sent.payload).unwrap();
        assert_ne!(read, written);
        assert_eq!(kept(&read).digest(), kept(&written).digest());
        assert_eq!(key_of(&west, &read).unwrap(), key);
        assert!(matches!(key_of(&east, &read), Err(CodecError::NoKey { key_id }) if key_id == "b"));
        // And so on, to a site without keys of its own.
        let plain = codec().open(&west.seal(&read).unwrap().payload).unwrap();
        assert_eq!(kept(&plain).digest(), kept(&written).digest());
        assert_eq!(key_of(&codec(), &plain).unwrap(), key);
    }

    #[test]
    fn what_was_changed_of_a_wrapped_key_does_not_open(key: [u8; 32], at in any::<proptest::sample::Index>()) {
        let mut wrapped = codec().wrap_data_key(&key);
        let mut sealed = wrapped.sealed.to_vec();
        let at = at.index(sealed.len() + 32);
        match at.checked_sub(32) {
            None => wrapped.check[at] ^= 1,
            Some(at) => sealed[at] ^= 1,
        }
        wrapped.sealed = sealed.into();
        let error = codec().unwrap_data_key(&wrapped).unwrap_err();
        assert!(matches!(error, CodecError::DataKey { .. }) && !error.is_curable());
        let error = codec().open(&codec().seal(&sealed_under(WrappedKey::Site(wrapped))).unwrap().payload);
        assert!(matches!(error, Err(CodecError::DataKey { .. })));
    }
}

#[test]
fn what_rests_under_a_class_key_or_an_older_key_of_the_site_opens_and_is_wrapped_again() {
    let key = [7; 32];
    let (before, old) = (codec().wrap_data_key(&key), site(&["a"]).wrap_data_key(&key));
    let rotated = site(&["b", "a"]);
    for wrapped in [&before, &old] {
        assert_eq!(rotated.unwrap_data_key(wrapped).unwrap(), key);
        let again = rotated.rewrap(wrapped).unwrap().unwrap();
        assert_eq!((again.key_id.as_str(), again.check), ("b", wrapped.check));
        assert_eq!(rotated.rewrap(&again).unwrap(), None);
        assert_eq!(site(&["b"]).unwrap_data_key(&again).unwrap(), key);
    }
    assert_eq!(
        rotated.wrap_data_key(&key),
        rotated.wrap_data_key(&key),
        "the same bytes each time"
    );
    assert_eq!(rotated.other_site_keys(), ["a"]);
    assert_eq!((rotated.rests_under().0, codec().rests_under().0), ("b", "main"));
    assert_ne!(site(&["b"]).rests_under(), site(&["a"]).rests_under());
    assert!(codec().other_site_keys().is_empty());
    let unknown = site(&["b"]);
    assert!(matches!(unknown.rewrap(&old), Err(CodecError::NoKey { key_id }) if key_id == "a"));
    let lost = sealed_under(WrappedKey::Site(old));
    assert!(matches!(unknown.seal(&lost), Err(CodecError::NoKey { .. })), "it does not leave so");
}

#[test]
fn a_key_of_the_site_is_no_other_key_of_a_class() {
    let twice = Keys::parse(&format!("new:{}\nmain:{}", "ab".repeat(32), "cd".repeat(32)), "test");
    let error = codec().with_site_keys(twice.unwrap()).unwrap_err().to_string();
    assert!(error.contains("key `main` of `keys.site_file`"), "{error}");
    assert!(
        codec().with_site_keys(Keys::parse(KEY_FILE, "test").unwrap()).is_ok(),
        "the very same"
    );
}

#[test]
fn a_named_key_is_found_by_its_name_and_opens_with_the_same_context_only() {
    assert!(!codec().has_named_keys() && codec().named_key(None).is_none());
    let named = named(&["a", "b"]);
    assert_eq!((named.named_key(None), named.named_key(Some("b"))), (Some("a"), Some("b")));
    assert_eq!(named.named_key(Some("c")), None);
    assert!(named.wrap_named(("c", &BTreeMap::new()), &[7; 32]).is_none());

    let context = BTreeMap::from([("x".to_owned(), "y".to_owned())]);
    let sealed = named.wrap_named(("b", &context), &[7; 32]).unwrap();
    let (shown, bucket_key) = ("alias/b".to_owned(), false);
    let wrapped = NamedWrapped { shown, context, bucket_key, sealed };
    assert_eq!(named.unwrap_named(&wrapped).unwrap(), [7; 32]);
    for context in [&[][..], &[("xy", "")], &[("x", "z")]] {
        let context = context.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let other = NamedWrapped { context, ..wrapped.clone() };
        assert!(matches!(named.unwrap_named(&other), Err(CodecError::DataKey { .. })));
    }

    // A site without the key takes the event in, and passes it on as it is.
    let written = sealed_under(WrappedKey::Named(wrapped));
    let read = codec().open(&named.seal(&written).unwrap().payload).unwrap();
    assert_eq!(read, written);
    assert!(matches!(key_of(&codec(), &read), Err(CodecError::NoKey { key_id }) if key_id == "b"));
    assert_eq!(key_of(&named, &read).unwrap(), [7; 32]);
}
