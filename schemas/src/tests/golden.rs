//! Bytes of every released schema, kept for ever: they read as ever, and are written as ever.

use std::path::Path;

use super::samples::{NONCE, changes, codec, event, heartbeat};
use crate::{change, kind::Kind, registry::REGISTRY};

/// The kept bytes. With `GOLDEN=write` in the environment one that is not there is made first; one
/// that is there never changes.
fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let path = folder.join(format!("{name}.bin"));
    if !path.exists() && std::env::var_os("GOLDEN").is_some_and(|wish| wish == "write") {
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("`{name}.bin`: {error}; make a new sample with GOLDEN=write")
    })
}

#[test]
fn every_change_reads_from_its_golden_sample_and_is_written_like_it() {
    for (name, change) in changes() {
        let written = change::encode(&REGISTRY, &change).unwrap();
        let kept = golden(name, &written);
        let kind = change::kind(&change);
        let read = change::decode(&REGISTRY, kind, &kept).unwrap();
        assert_eq!(read, change, "{name}");
        assert_eq!(written, kept, "{name}: add a schema instead of a change");
    }
}

#[test]
fn every_event_reads_from_its_golden_sample_and_is_written_like_it() {
    for (name, change) in changes() {
        let event = event(change);
        let sealed = codec().seal_with(&event, NONCE).unwrap();
        let kept = golden(&format!("envelope_{name}"), &sealed.payload);
        assert_eq!(codec().open(&kept).unwrap(), event, "{name}");
        assert_eq!(sealed.payload, kept, "{name}");
        let envelope = codec().envelope(&kept).unwrap();
        assert_eq!(envelope.sealed_event(kept.into()), sealed, "{name}");
    }
}

#[test]
fn the_heartbeat_reads_from_its_golden_sample_and_is_written_like_it() {
    let written = codec().encode_heartbeat(&heartbeat());
    let kept = golden("heartbeat", &written);
    assert_eq!(codec().decode_heartbeat(&kept).unwrap(), heartbeat());
    assert_eq!(written, kept);
}

#[test]
fn every_change_has_a_golden_sample_and_every_sample_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let samples = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(samples, 2 * changes().len() + 1);
    let kinds: Vec<_> = changes().iter().map(|(_, c)| change::kind(c)).collect();
    assert!(Kind::CHANGES.iter().all(|kind| kinds.contains(kind)));
}
