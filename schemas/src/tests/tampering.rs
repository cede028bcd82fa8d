//! Whatever is done to the bytes of an event, it is an error: no panic, and no other event.

use proptest::prelude::{any, prop, proptest};

use super::samples::{NONCE, changes, codec, event, heartbeat};
use crate::{
    CodecError, change,
    kind::Kind,
    registry::{HEADER_BYTES, REGISTRY},
};

#[test]
fn every_flipped_bit_of_every_kind_of_event_is_an_error() {
    for (name, change) in changes() {
        let payload = codec().seal_with(&event(change), NONCE).unwrap().payload;
        let mut bytes = payload.to_vec();
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(codec().open(&bytes).is_err(), "{name}, bit {bit}");
            // Nothing vouches for the clear part alone; reading it is safe all the same.
            let _ = codec().envelope(&bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(bytes, payload);
    }
}

#[test]
fn every_flipped_bit_of_a_heartbeat_is_read_without_a_panic() {
    let mut bytes = codec().encode_heartbeat(&heartbeat());
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let read = codec().decode_heartbeat(&bytes);
        assert!(read.is_err() || read.is_ok_and(|read| read != heartbeat()));
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn no_clear_field_can_be_exchanged() {
    let codec = codec();
    let event = event(changes().remove(0).1);
    let payload = codec.seal_with(&event, NONCE).unwrap().payload;
    let plain = change::encode(&REGISTRY, &event.change).unwrap();
    let kind = change::kind(&event.change).name();
    let original = codec.envelope(&payload).unwrap();
    let associated = original.associated(kind);
    let mut others = vec![original.associated("object_deleted")];
    let mut with = |edit: &dyn Fn(&mut crate::Envelope)| {
        let mut envelope = original.clone();
        edit(&mut envelope);
        others.push(envelope.associated(kind));
    };
    with(&|e| e.position.site.0[0] ^= 1);
    with(&|e| e.position.epoch.0 += 1);
    with(&|e| e.position.partition.0 += 1);
    with(&|e| e.position.seq.0 += 1);
    with(&|e| e.version.hlc.0 += 1);
    with(&|e| e.version.site.0[0] ^= 1);
    with(&|e| e.entity.0.0[0] ^= 1);
    with(&|e| e.prev.0[0] ^= 1);
    with(&|e| e.volume += 1);
    with(&|e| e.key_id.push('2'));
    // A letter that moves from one text to the next is a change too.
    let mut moved = original.clone();
    moved.key_id.insert(0, 't');
    others.push(moved.associated("object_pu"));

    let keys = super::samples::keys();
    let mut sealed = plain.clone();
    keys.seal(&NONCE, &associated, &mut sealed);
    for other in others {
        let mut opened = sealed.clone();
        let error = keys.open("main", &NONCE, &other, &mut opened).unwrap_err();
        assert!(matches!(error, CodecError::Sealed { .. }));
    }
    keys.open("main", &NONCE, &associated, &mut sealed).unwrap();
    assert_eq!(sealed, plain);
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_and_never_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        assert!(codec().open(&bytes).is_err());
        assert!(codec().envelope(&bytes).is_err());
        assert!(codec().decode_heartbeat(&bytes).is_err());
    }

    #[test]
    fn any_datum_behind_a_right_header_never_panics(
        datum in prop::collection::vec(any::<u8>(), 0..300),
        sample in any::<prop::sample::Index>(),
    ) {
        let headed = |bytes: &[u8]| [&bytes[..HEADER_BYTES], &datum].concat();
        let samples = changes();
        let (_, change) = sample.get(&samples);
        let _ = codec().decode_heartbeat(&headed(&codec().encode_heartbeat(&heartbeat())));
        let payload = codec().seal(&event(change.clone())).unwrap().payload;
        assert!(codec().open(&headed(&payload)).is_err());
        let plain = change::encode(&REGISTRY, change).unwrap();
        for kind in Kind::CHANGES {
            let _ = change::decode(&REGISTRY, kind, &headed(&plain));
        }
    }

    #[test]
    fn any_run_of_bytes_overwritten_is_an_error(
        sample in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        run in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let samples = changes();
        let (_, change) = sample.get(&samples);
        let payload = codec().seal(&event(change.clone())).unwrap().payload;
        let mut bytes = payload.to_vec();
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + run.len());
        bytes[at..end].copy_from_slice(&run[..end - at]);
        assert!(bytes == payload || codec().open(&bytes).is_err());
    }
}
