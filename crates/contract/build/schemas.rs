//! JSON Schemas of the messages of `proto/`, as proto3 JSON writes them; their comments become descriptions.

use std::error::Error;

use protox::prost_reflect::prost_types::FileDescriptorSet;
use protox::prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
};
use serde_json::{Map, Value, json};

/// One object: the schema of each message and enum by its name, `Accepted` or `Frozen.Head`.
pub(crate) fn of(files: FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let pool = DescriptorPool::from_file_descriptor_set(files)?;
    let mut all = Map::new();
    for message in pool.all_messages().filter(|it| !it.is_map_entry()) {
        all.insert(name(message.full_name()), message_schema(&message));
    }
    for it in pool.all_enums() {
        all.insert(name(it.full_name()), enum_schema(&it));
    }
    Ok(serde_json::to_string(&all)?)
}

/// The name without its package.
fn name(full: &str) -> String {
    full.strip_prefix("zhoubao.v1.").unwrap_or(full).to_owned()
}

fn message_schema(message: &MessageDescriptor) -> Value {
    let mut properties = Map::new();
    for field in message.fields() {
        let mut schema = field_schema(&field);
        let words = comment(field.parent_message(), field.path());
        if !words.is_empty() {
            schema["description"] = words.into();
        }
        properties.insert(field.json_name().to_owned(), schema);
    }
    // Nothing is required: proto3 JSON leaves out what is not set, and the reader says which field is missing.
    json!({
        "type": "object",
        "description": comment(message, message.path()),
        "properties": properties,
    })
}

fn enum_schema(it: &EnumDescriptor) -> Value {
    let words: Vec<_> = it.values().map(|it| it.name().to_owned()).collect();
    json!({ "type": "string", "enum": words })
}

fn field_schema(field: &FieldDescriptor) -> Value {
    if field.is_map() {
        let values = match field.kind() {
            Kind::Message(entry) => kind_schema(&entry.map_entry_value_field().kind()),
            other => kind_schema(&other),
        };
        return json!({ "type": "object", "additionalProperties": values });
    }
    let one = kind_schema(&field.kind());
    if field.is_list() { json!({ "type": "array", "items": one }) } else { one }
}

/// <https://protobuf.dev/programming-guides/json/>: 64-bit numbers are texts, so that no reader rounds them.
fn kind_schema(kind: &Kind) -> Value {
    let reference = |full: &str| json!({ "$ref": format!("#/components/schemas/{}", name(full)) });
    match kind {
        Kind::Message(it) => reference(it.full_name()),
        Kind::Enum(it) => reference(it.full_name()),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Double | Kind::Float => json!({ "type": "number" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer" }),
        Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "minimum": 0 }),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "string", "pattern": "^-?[0-9]+$" })
        }
        Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "pattern": "^[0-9]+$" }),
    }
}

/// The comment above a declaration, on one line.
fn comment(message: &MessageDescriptor, path: &[i32]) -> String {
    let file = message.parent_file();
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let places = info.map(|it| it.location.as_slice()).unwrap_or_default();
    let place = places.iter().find(|it| it.path == path);
    let words = place.map(|it| it.leading_comments()).unwrap_or_default();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
