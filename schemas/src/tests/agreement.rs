//! Each `.avsc` file and the Rust types that go by it name the same fields in the same order.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor},
    forward_to_deserialize_any,
};
use serde_json::Value;

use crate::{
    ENVELOPE_SCHEMA,
    change::{bucket, encrypted, manifest, object, trimmed, user, version},
    envelope::EnvelopeRecord,
    fields::VersionRecord,
    heartbeat::HeartbeatRecord,
    registry::RELEASED,
    schema_id,
};

/// Asks a type for the names of its fields, or of its variants, and answers with an error.
struct Asked;

#[derive(Debug)]
struct Names(&'static [&'static str]);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Names {}

impl serde::de::Error for Names {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Asked {
    type Error = Names;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Names> {
        Err(Names(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(variants))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

fn names<T: DeserializeOwned>() -> Vec<String> {
    let Err(Names(names)) = T::deserialize(Asked) else {
        panic!("a type was read out of nothing");
    };
    names.iter().map(|name| name.to_lowercase()).collect()
}

/// The Rust type of each record.
fn types() -> BTreeMap<&'static str, Vec<String>> {
    BTreeMap::from([
        ("envelope", names::<EnvelopeRecord>()),
        ("version", names::<VersionRecord>()),
        ("heartbeat", names::<HeartbeatRecord>()),
        ("object_put", names::<object::ObjectPut>()),
        ("object_deleted", names::<object::ObjectDeleted>()),
        ("manifest", names::<manifest::ManifestRecord>()),
        ("part", names::<manifest::PartRecord>()),
        ("inline", names::<manifest::InlineRecord>()),
        ("blocks", names::<manifest::BlocksRecord>()),
        ("block", names::<manifest::BlockRecord>()),
        ("segments", names::<manifest::SegmentsRecord>()),
        ("segment", names::<manifest::SegmentRecord>()),
        ("attributes", names::<object::AttributesRecord>()),
        ("register", names::<object::RegisterRecord>()),
        ("bucket_put", names::<bucket::BucketPut>()),
        ("bucket_deleted", names::<bucket::BucketDeleted>()),
        ("bucket_attributes", names::<bucket::BucketAttributes>()),
        ("user_put", names::<user::UserPut>()),
        ("limited_user_put", names::<user::LimitedUserPut>()),
        ("access_key", names::<user::AccessKeyRecord>()),
        ("sealed_secret", names::<user::SecretRecord>()),
        ("user_deleted", names::<user::UserDeleted>()),
        ("version_put", names::<version::VersionPut>()),
        ("marker_put", names::<version::MarkerPut>()),
        ("version_removed", names::<version::VersionRemoved>()),
        ("encrypted_put", names::<encrypted::EncryptedPut>()),
        ("encryption", names::<encrypted::EncryptionRecord>()),
        ("class_wrapped", names::<encrypted::ClassWrappedRecord>()),
        ("client_wrapped", names::<encrypted::ClientWrappedRecord>()),
        ("named_wrapped", names::<encrypted::NamedWrappedRecord>()),
        ("trimmed", names::<trimmed::Trimmed>()),
    ])
}

/// Every named type that a schema defines.
fn defined(schema: &Value, found: &mut Vec<(String, Value)>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| defined(item, found)),
        Value::Object(object) => {
            if matches!(object["type"].as_str(), Some("record" | "fixed")) {
                let mut definition = schema.clone();
                // The outer one names the namespace that the inner ones inherit.
                definition.as_object_mut().unwrap().remove("namespace");
                found.push((object["name"].as_str().unwrap().to_owned(), definition));
            }
            let inner = ["type", "fields", "items", "values"];
            inner
                .iter()
                .filter_map(|name| object.get(*name))
                .for_each(|inner| defined(inner, found));
        }
        _ => {}
    }
}

fn all_defined() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (_, text) in RELEASED {
        defined(&serde_json::from_str(text).unwrap(), &mut found);
    }
    found
}

#[test]
fn every_record_has_the_fields_of_its_rust_type_and_every_type_a_record() {
    let mut types = types();
    for (name, definition) in all_defined() {
        let Some(fields) = definition.get("fields") else {
            continue;
        };
        let fields = fields.as_array().unwrap().iter();
        let fields: Vec<_> = fields.map(|f| f["name"].as_str().unwrap()).collect();
        assert_eq!(types[name.as_str()], fields, "{name}");
    }
    types.retain(|name, _| all_defined().iter().all(|(defined, _)| defined != name));
    assert!(types.is_empty(), "no schema defines {types:?}");
}

#[test]
fn a_name_means_the_same_in_every_file() {
    let found = all_defined();
    let first = |name: &str| found.iter().find(|(n, _)| n == name).unwrap().1.to_string();
    let (site_id, digest) = (first("site_id"), first("digest"));
    for (name, definition) in &found {
        // A fixed type is defined where a file names it first, and referred to after that.
        let spelled = |definition: String| {
            let spelled = definition.replace(&site_id, "\"site_id\"");
            spelled.replace(&digest, "\"digest\"")
        };
        assert_eq!(spelled(definition.to_string()), spelled(first(name)), "{name}");
    }
}

#[test]
fn variants_of_content_stand_in_the_order_of_the_union() {
    let found = all_defined();
    let (_, manifest) = found.iter().find(|(name, _)| name == "manifest").unwrap();
    let fields = manifest["fields"].as_array().unwrap();
    let content = fields.iter().find(|f| f["name"] == "content").unwrap();
    let union = content["type"].as_array().unwrap().iter();
    let union: Vec<_> = union.map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(names::<manifest::ContentRecord>(), union);
}

#[test]
fn every_file_is_released_and_named_after_its_record() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("avsc");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), RELEASED.len());
    for (kind, text) in RELEASED {
        let schema: Value = serde_json::from_str(text).unwrap();
        assert_eq!(schema["name"], kind.name());
        let file = folder.join(format!("{}.avsc", kind.name()));
        assert_eq!(std::fs::read_to_string(file).unwrap(), text);
    }
}

#[test]
fn the_schema_id_is_the_fingerprint_on_the_wire() {
    let schema: Value = serde_json::from_str(ENVELOPE_SCHEMA).unwrap();
    assert_eq!(schema["name"], "envelope");
    assert_eq!(schema_id(), "e768c8445f653fc4");
}
