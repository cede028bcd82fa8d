//! A schema with every reference replaced by what it names.
//!
//! The library writes Rust types only by schemas without references. What is written is the same,
//! but the fingerprint is not: that always comes from the schema as released.

use std::collections::BTreeMap;

use apache_avro::{
    Schema,
    schema::{ArraySchema, MapSchema, Namespace, RecordField, RecordSchema, UnionSchema},
};

/// The schema without references. It must not be recursive; ours describe flat lists.
pub(super) fn spelled(schema: &Schema) -> Schema {
    let namespace = schema.namespace();
    Speller { namespace, defined: BTreeMap::new() }.schema(schema)
}

struct Speller {
    namespace: Namespace,
    /// By full name; a definition always stands before its references.
    defined: BTreeMap<String, Schema>,
}

impl Speller {
    fn schema(&mut self, schema: &Schema) -> Schema {
        let spelled = match schema {
            Schema::Ref { name } => {
                let name = name.fullname(self.namespace.clone());
                let named = self.defined.get(&name);
                return named.expect("a name is defined before it is used").clone();
            }
            Schema::Record(record) => Schema::Record(RecordSchema {
                fields: record.fields.iter().map(|f| self.field(f)).collect(),
                ..record.clone()
            }),
            Schema::Array(array) => Schema::Array(ArraySchema {
                items: Box::new(self.schema(&array.items)),
                attributes: array.attributes.clone(),
            }),
            Schema::Map(map) => Schema::Map(MapSchema {
                types: Box::new(self.schema(&map.types)),
                attributes: map.attributes.clone(),
            }),
            Schema::Union(union) => {
                let variants = union.variants().iter().map(|v| self.schema(v)).collect();
                Schema::Union(UnionSchema::new(variants).expect("it was a union before"))
            }
            plain => plain.clone(),
        };
        if let Some(name) = schema.name() {
            let name = name.fullname(self.namespace.clone());
            self.defined.insert(name, spelled.clone());
        }
        spelled
    }

    fn field(&mut self, field: &RecordField) -> RecordField {
        RecordField { schema: self.schema(&field.schema), ..field.clone() }
    }
}
