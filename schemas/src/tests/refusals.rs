//! Every way in which a record is refused that neither a key nor tampering explains.

use std::error::Error;

use model::{Change, Digest, Event, Slot};
use serde::Serialize;

use super::samples::{NONCE, OWN, bucket, changes, codec, event, heartbeat, key, user, version};
use crate::{
    CodecError, Envelope, change,
    kind::{Kind, Record},
    registry::REGISTRY,
};

fn deleted() -> Event {
    event(Change::UserDeleted { user: user() })
}

/// Seals `plain` as a change of `kind`, as a writer would that knows other rules.
fn sealed(kind: &str, plain: &[u8], edit: impl FnOnce(&mut Envelope)) -> Vec<u8> {
    let payload = codec().seal(&deleted()).unwrap().payload;
    let mut envelope = codec().envelope(&payload).unwrap();
    edit(&mut envelope);
    let sealed = codec().seal_change(&envelope, kind, NONCE, plain.to_vec());
    sealed.unwrap().to_vec()
}

fn refused(kind: &str, plain: &[u8]) -> CodecError {
    codec().open(&sealed(kind, plain, |_| {})).unwrap_err()
}

fn plain(change: &Change) -> Vec<u8> {
    change::encode(&REGISTRY, change).unwrap()
}

#[test]
fn an_unknown_kind_is_named_and_its_envelope_stays_readable() {
    let payload = sealed("bucket_renamed", b"of a later release", |_| {});
    let error = codec().open(&payload).unwrap_err();
    assert!(matches!(&error, CodecError::UnknownKind { kind } if kind == "bucket_renamed"));
    assert!(error.is_curable() && error.to_string().contains("`bucket_renamed`"));
    let envelope = codec().envelope(&payload).unwrap();
    assert_eq!(envelope.position, deleted().position);
    assert_eq!(envelope.entity, deleted().change.entity().hash());
    // Neither of these is a change, though both are records.
    assert!(matches!(refused("heartbeat", b""), CodecError::UnknownKind { .. }));
    assert!(matches!(refused("envelope", b""), CodecError::UnknownKind { .. }));
}

#[test]
fn an_unknown_schema_is_named_by_its_fingerprint() {
    let mut payload = codec().seal(&deleted()).unwrap().payload.to_vec();
    payload[2..10].copy_from_slice(&[0xAB; 8]);
    for error in [
        codec().open(&payload).unwrap_err(),
        codec().envelope(&payload).unwrap_err(),
        codec().decode_heartbeat(&payload).unwrap_err(),
        refused("user_deleted", &payload),
    ] {
        let CodecError::UnknownSchema { fingerprint } = &error else {
            panic!("{error}");
        };
        assert_eq!(fingerprint, "abababababababab");
        assert!(error.is_curable());
    }
}

#[test]
fn a_slot_of_its_own_is_named_after_its_event_and_removed_by_a_later_one() {
    let own = |n| Slot::Own(version(n));
    let marker = |slot| Change::MarkerPut { bucket: bucket(), key: key(), slot, birth: version(1) };
    let (bucket, key, of, birth) = (bucket(), key(), OWN, version(1));
    let wrong = [marker(own(1)), Change::VersionRemoved { bucket, key, of, birth }];
    for change in wrong {
        let sealed = codec().seal(&event(change)).unwrap();
        assert!(matches!(codec().open(&sealed.payload), Err(CodecError::Entity)));
    }
}

#[test]
fn one_record_is_not_taken_for_another() {
    let payload = codec().seal(&deleted()).unwrap().payload;
    let heartbeat = codec().encode_heartbeat(&heartbeat());
    let error = codec().open(&heartbeat).unwrap_err();
    assert_eq!(error.to_string(), "record is `heartbeat`, expected `envelope`");
    let error = codec().decode_heartbeat(&payload).unwrap_err();
    assert_eq!(error.to_string(), "record is `envelope`, expected `heartbeat`");
    let error = refused("bucket_deleted", &plain(&deleted().change));
    assert_eq!(error.to_string(), "record is `user_deleted`, expected `bucket_deleted`");
    assert!(!error.is_curable());
}

#[test]
fn what_is_no_record_or_more_than_one_is_refused() {
    for bytes in [&b""[..], b"\xC3", b"\xC3\x01\x00\x00", b"{\"seq\": 1}"] {
        let error = codec().open(bytes).unwrap_err();
        assert!(matches!(error, CodecError::NotARecord));
    }
    let payload = codec().seal(&deleted()).unwrap().payload;
    let error = codec().open(&[&payload[..], b"xy"].concat()).unwrap_err();
    assert!(matches!(error, CodecError::Trailing(2)));
    let trailing = [&plain(&deleted().change)[..], b"x"].concat();
    let error = refused("user_deleted", &trailing);
    assert!(matches!(error, CodecError::Trailing(1)));
}

#[test]
fn every_cut_envelope_heartbeat_and_change_is_refused() {
    let payload = codec().seal(&deleted()).unwrap().payload;
    let heartbeat = codec().encode_heartbeat(&heartbeat());
    for cut in 0..payload.len() {
        assert!(codec().open(&payload[..cut]).is_err());
        assert!(codec().envelope(&payload[..cut]).is_err());
    }
    for cut in 0..heartbeat.len() {
        assert!(codec().decode_heartbeat(&heartbeat[..cut]).is_err());
    }
    let error = codec().open(&payload[..payload.len() - 1]).unwrap_err();
    assert!(error.source().is_some(), "{error}");
    for (name, change) in changes() {
        let (kind, plain) = (change::kind(&change), plain(&change));
        for cut in 0..plain.len() {
            let cut = change::decode(&REGISTRY, kind, &plain[..cut]);
            assert!(cut.is_err(), "{name}");
        }
    }
}

#[test]
fn an_error_in_what_was_sealed_never_quotes_it() {
    let (_, change) = changes().remove(7);
    let mut plain = plain(&change);
    // The last byte is a boolean: neither 0 nor 1.
    *plain.last_mut().unwrap() = 2;
    let error = change::decode(&REGISTRY, change::kind(&change), &plain).unwrap_err();
    assert!(matches!(error, CodecError::Change { record: "user_put" }));
    assert!(error.source().is_none());
    assert!(!format!("{error} {error:?}").contains("hidden"));
}

#[test]
fn a_change_of_another_entity_than_the_envelope_says_is_refused() {
    let plain = plain(&deleted().change);
    let payload = sealed("user_deleted", &plain, |envelope| {
        envelope.entity.0 = Digest::of(b"another");
    });
    let error = codec().open(&payload).unwrap_err();
    assert!(matches!(error, CodecError::Entity));
}

#[test]
fn a_key_id_that_no_key_file_could_hold_is_not_shown() {
    for id in ["", "two\nlines", &"k".repeat(65)] {
        let payload = sealed("user_deleted", b"", |envelope| {
            id.clone_into(&mut envelope.key_id);
        });
        let error = codec().envelope(&payload).unwrap_err();
        assert!(matches!(error, CodecError::KeyId { bytes } if bytes == id.len()));
        assert!(codec().open(&payload).is_err());
    }
}

#[derive(Serialize)]
struct Foreign {
    bucket: String,
}

impl Record for Foreign {
    const KIND: Kind = Kind::BucketDeleted;
}

#[derive(Serialize)]
struct Unfit {
    users: String,
}

impl Record for Unfit {
    const KIND: Kind = Kind::UserDeleted;
}

#[test]
fn a_name_that_breaks_the_rules_is_refused() {
    let bucket = "NOT A BUCKET".to_owned();
    let plain = REGISTRY.encode(&Foreign { bucket }, 0).unwrap();
    let error = refused("bucket_deleted", &plain);
    assert!(matches!(error, CodecError::Name(_)));
    assert!(error.source().unwrap().to_string().contains("NOT A BUCKET"));
}

#[test]
fn a_type_that_does_not_fit_its_schema_is_refused() {
    let users = "hidden".to_owned();
    let error = REGISTRY.encode(&Unfit { users }, 0).unwrap_err();
    assert!(matches!(error, CodecError::Change { record: "user_deleted" }));
}
