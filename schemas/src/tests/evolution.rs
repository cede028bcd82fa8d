//! Schemas of another release: what it adds with a default, and what it drops that had one.

use apache_avro::{GenericSingleObjectWriter, Schema, types::Value};
use model::{Change, Content, Parts};
use serde_json::json;

use super::samples::{NONCE, changes, codec, event, heartbeat, keys, manifest, put};
use crate::{
    Codec, CodecError, change,
    envelope::EnvelopeRecord,
    heartbeat::HeartbeatRecord,
    kind::{Kind, Record},
    registry::{REGISTRY, RELEASED, Registry},
};

fn today(kind: Kind) -> &'static str {
    let found = RELEASED.iter().find(|(released, _)| *released == kind);
    found.unwrap().1
}

/// Applies `edit` to the fields of every record in a schema.
fn edited(text: &str, edit: &dyn Fn(&mut Vec<serde_json::Value>)) -> String {
    fn walk(schema: &mut serde_json::Value, edit: &dyn Fn(&mut Vec<serde_json::Value>)) {
        match schema {
            serde_json::Value::Array(items) => items.iter_mut().for_each(|i| walk(i, edit)),
            serde_json::Value::Object(object) => {
                object.values_mut().for_each(|inner| walk(inner, edit));
                if let Some(fields) = object.get_mut("fields") {
                    edit(fields.as_array_mut().unwrap());
                }
            }
            _ => {}
        }
    }
    let mut schema = serde_json::from_str(text).unwrap();
    walk(&mut schema, edit);
    schema.to_string()
}

/// As a later release may have it: two more fields in every record.
fn wider(kind: Kind) -> String {
    edited(today(kind), &|fields| {
        fields.push(json!({"name": "added", "type": ["null", "string"], "default": null}));
        fields.insert(0, json!({"name": "first", "type": "long", "default": 7}));
    })
}

fn without(kind: Kind, name: &str) -> String {
    edited(today(kind), &|fields| {
        fields.retain(|field| field["name"] != name);
    })
}

/// A release that writes `text` and reads today's schema too.
fn later(kind: Kind, text: &str) -> Registry {
    Registry::new(&[(kind, today(kind)), (kind, text)])
}

/// Today's release, that has been given `text` to read.
fn given(kind: Kind, text: &str) -> Registry {
    Registry::new(&[(kind, text), (kind, today(kind))])
}

fn written(text: &str, value: Value) -> Vec<u8> {
    let schema = Schema::parse_str(text).unwrap();
    let mut writer = GenericSingleObjectWriter::new_with_capacity(&schema, 512).unwrap();
    let mut bytes = Vec::new();
    writer.write_value(value, &mut bytes).unwrap();
    bytes
}

/// What a later release makes of today's bytes, and writes again.
fn rewritten(kind: Kind, text: &str, bytes: &[u8]) -> Vec<u8> {
    written(text, later(kind, text).value(kind, bytes).unwrap())
}

#[test]
fn a_later_release_reads_todays_changes_and_writes_what_today_reads() {
    for (name, change) in changes() {
        let kind = change::kind(&change);
        let bytes = change::encode(&REGISTRY, &change).unwrap();
        let text = wider(kind);
        let Value::Record(fields) = later(kind, &text).value(kind, &bytes).unwrap() else {
            panic!("{name} is no record");
        };
        assert_eq!(fields[0], ("first".to_owned(), Value::Long(7)), "{name}");

        let bytes = rewritten(kind, &text, &bytes);
        let read = change::decode(&given(kind, &text), kind, &bytes).unwrap();
        assert_eq!(read, change, "{name}");
        let unknown = change::decode(&REGISTRY, kind, &bytes).unwrap_err();
        assert!(matches!(unknown, CodecError::UnknownSchema { .. }), "{name}");
    }
}

#[test]
fn an_event_in_a_later_envelope_opens_when_its_schema_is_given() {
    let kind = Kind::Envelope;
    let event = event(changes().remove(0).1);
    let sealed = codec().seal_with(&event, NONCE).unwrap();
    let bytes = rewritten(kind, &wider(kind), &sealed.payload);

    let mut released = vec![(kind, wider(kind))];
    released.extend(RELEASED.map(|(kind, text)| (kind, text.to_owned())));
    let released: Vec<_> = released.iter().map(|(k, text)| (*k, &text[..])).collect();
    let registry = Box::leak(Box::new(Registry::new(&released)));
    let codec = Codec::of(keys(), registry);
    assert_eq!(codec.open(&bytes).unwrap(), event);
    assert_eq!(codec.open(&sealed.payload).unwrap(), event);
}

#[test]
fn a_later_heartbeat_reads_as_todays() {
    let kind = HeartbeatRecord::KIND;
    let bytes = codec().encode_heartbeat(&heartbeat());
    let bytes = rewritten(kind, &wider(kind), &bytes);
    let record = given(kind, &wider(kind)).decode::<HeartbeatRecord>(&bytes);
    let read: Result<model::Heartbeat, _> = record.unwrap().try_into();
    assert_eq!(read.unwrap(), heartbeat());
}

#[test]
fn a_dropped_field_takes_its_default() {
    let kind = Kind::ObjectPut;
    let text = without(kind, "parts");
    let (_, change) = changes().remove(2);
    let bytes = change::encode(&REGISTRY, &change).unwrap();
    let bytes = rewritten(kind, &text, &bytes);
    let read = change::decode(&given(kind, &text), kind, &bytes).unwrap();
    let Change::ObjectPut { manifest, .. } = read else {
        panic!("another change");
    };
    assert_eq!(manifest.parts, Parts::Whole);
    assert!(matches!(manifest.content, Content::Segments(_)));
}

#[test]
fn a_field_without_default_cannot_be_dropped() {
    let kind = Kind::ObjectPut;
    let text = without(kind, "etag");
    let change = put(manifest(0, Content::Blocks(Vec::new())));
    let bytes = rewritten(kind, &text, &change::encode(&REGISTRY, &change).unwrap());
    let error = change::decode(&given(kind, &text), kind, &bytes).unwrap_err();
    assert!(matches!(error, CodecError::Change { record: "object_put" }));

    let kind = EnvelopeRecord::KIND;
    let text = without(kind, "volume");
    let sealed = codec().seal(&event(change)).unwrap();
    let bytes = rewritten(kind, &text, &sealed.payload);
    let error = given(kind, &text).decode::<EnvelopeRecord>(&bytes).err();
    assert!(matches!(error, Some(CodecError::Avro { record: "envelope", .. })));
}
