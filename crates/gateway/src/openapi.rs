//! What programs may ask (OpenAPI 3.1), from the table of routes and the types of what they send and get.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::access::Access;
use crate::answers::ProblemDetails;
use crate::routes::{Route, routes};

/// The schema of a type, by its name in the document.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a request holds beside its path.
enum Body {
    /// Nothing.
    None,
    /// One JSON object, and an `Idempotency-Key`.
    Command(SchemaOf),
    /// Events, one a line.
    Events,
    /// The bytes of a file.
    File,
}

/// What a route is for a program.
pub(crate) struct Operation {
    /// One line; the body's own words where it is empty.
    summary: &'static str,
    query: Option<SchemaOf>,
    body: Body,
    /// What is answered, and its media type.
    answer: (Option<SchemaOf>, &'static str),
}

const JSON: &str = "application/json";

impl Operation {
    /// A question that is answered in JSON.
    pub(crate) fn answers<A: JsonSchema>(summary: &'static str) -> Self {
        let answer = (Some(schema::<A> as SchemaOf), JSON);
        Self { summary, query: None, body: Body::None, answer }
    }

    /// A question that is answered by something else.
    pub(crate) fn answers_with(summary: &'static str, media: &'static str) -> Self {
        Self { summary, query: None, body: Body::None, answer: (None, media) }
    }

    /// A command of a person; its summary is the first line of its type's documentation.
    pub(crate) fn command<D: JsonSchema, A: JsonSchema>() -> Self {
        let body = Body::Command(schema::<D>);
        Self { body, ..Self::answers::<A>("") }
    }

    /// With parameters behind the question mark.
    pub(crate) fn asked<Q: JsonSchema>(self) -> Self {
        Self { query: Some(schema::<Q>), ..self }
    }

    /// With a file as its body.
    pub(crate) fn with_file(self) -> Self {
        Self { body: Body::File, ..self }
    }

    /// With events in its body.
    pub(crate) fn with_events(self) -> Self {
        Self { body: Body::Events, ..self }
    }
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Of schemas that stand among a document's components.
pub(crate) fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|it| it.definitions_path = "/components/schemas".into())
        .into_generator()
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut generator = generator();
    let problem = schema::<ProblemDetails>(&mut generator);
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let Some(operation) = &route.operation else { continue };
        let described = described(&route, operation, &mut generator);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = described;
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "周报 zhoubao",
            "version": "1",
            "summary": "办件事件、看板、《窗口工作周报》 case events, boards, the weekly",
            "description": "Every refusal is problem details (RFC 9457) with a stable code. Whoever changes something \
                            sends the `csrf` of `GET /v1/me` as `X-CSRF-Token`. What a command answers as `position` \
                            is read back by `?after=`.",
        },
        "security": [{ "session": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": "__Host-zhoubao" },
            },
            "responses": {
                "Problem": {
                    "description": "未办 not done: why, and what to do",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "schemas": schemas,
        },
    })
}

fn described(route: &Route, operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = path_parameters(route.path);
    if let Some(query) = operation.query {
        parameters.extend(query_parameters(query, generator));
    }
    let mut summary = operation.summary.to_owned();
    let mut described = json!({ "operationId": operation_id(route) });
    match operation.body {
        Body::None => {}
        Body::Command(body) => {
            let reference = body(generator);
            let words = resolved(&reference, generator)["description"].clone();
            summary = words.as_str().unwrap_or_default().to_owned();
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header", "required": true,
                "description": "The same key is the same command, also when it is sent again.",
                "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
            }));
            parameters.push(json!({
                "name": "If-Match", "in": "header",
                "description": "The position that the issue was seen at, as `ETag` gives it.",
                "schema": { "type": "string" },
            }));
            described["requestBody"] = json!({ "content": { JSON: { "schema": reference } } });
        }
        Body::File => {
            let content = json!({ "application/octet-stream": {} });
            described["requestBody"] = json!({ "required": true, "content": content });
        }
        Body::Events => {
            let media = "application/x-ndjson";
            let event =
                json!({ "type": "string", "description": "CloudEvents in JSON, one a line" });
            described["requestBody"] =
                json!({ "required": true, "content": { media: { "schema": event } } });
        }
    }
    if !route.method.is_safe() {
        parameters.push(json!({
            "name": "X-CSRF-Token", "in": "header", "required": true,
            "description": "The `csrf` of `GET /v1/me`.", "schema": { "type": "string" },
        }));
    }
    let (answer, media) = &operation.answer;
    let content = match answer {
        Some(answer) => json!({ (*media): { "schema": answer(generator) } }),
        None => json!({ (*media): {} }),
    };
    described["summary"] = summary.into();
    described["parameters"] = parameters.into();
    described["responses"] = json!({
        "200": { "description": "已办 done", "content": content },
        "default": { "$ref": "#/components/responses/Problem" },
    });
    match route.access {
        Access::Open => described["security"] = json!([]),
        Access::Screen => described["x-access"] = json!("a person, or a wall screen"),
        Access::Person => described["x-access"] = json!("a person"),
        Access::Right(any) => {
            let any: Vec<_> = any.iter().map(|it| it.word()).collect();
            described["x-access"] = json!(format!("right: {}", any.join(" or ")));
        }
    }
    described
}

/// `POST /v1/desk/{issue}/freeze` is `postDeskIssueFreeze`.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(['/', '.']).map(|it| it.trim_matches(['{', '}']));
    let mut id = route.method.as_str().to_ascii_lowercase();
    for word in words.filter(|it| !matches!(*it, "" | "v1")) {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        id += &first.to_ascii_uppercase();
        id += rest;
    }
    id
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    names.map(parameter).collect()
}

/// The fields of a type as parameters.
fn query_parameters(query: SchemaOf, generator: &mut SchemaGenerator) -> Vec<Value> {
    let reference = query(generator);
    let fields = resolved(&reference, generator);
    let required = |name: &str| {
        fields["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name))
    };
    let all = fields["properties"].as_object().cloned().unwrap_or_default();
    let parameters = all.into_iter().map(|(name, mut schema)| {
        let mut parameter = json!({ "name": name, "in": "query", "required": required(&name) });
        if let Some(words) = schema.as_object_mut().and_then(|it| it.remove("description")) {
            parameter["description"] = words;
        }
        parameter["schema"] = schema;
        parameter
    });
    parameters.collect()
}

/// What a reference refers to.
fn resolved(reference: &Schema, generator: &SchemaGenerator) -> Value {
    let name = reference.get("$ref").and_then(Value::as_str).and_then(|it| it.rsplit('/').next());
    let definition = name.and_then(|it| generator.definitions().get(it)).cloned();
    definition.unwrap_or_else(|| reference.clone().to_value())
}

/// `GET /v1/openapi.json`.
pub(crate) async fn served() -> axum::Json<Value> {
    axum::Json(document())
}

/// A day as a text, for fields of a type that does not describe itself.
pub(crate) struct Day;

/// A moment as a text.
pub(crate) struct Moment;

macro_rules! text {
    ($type:ident, $format:literal) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({ "type": "string", "format": $format })
            }
        }
    };
}

text!(Day, "date");
text!(Moment, "date-time");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;
    use zhoubao_test_support::breaks_of_openapi;

    use super::{document, routes};

    const WRITE: &str = "write it anew: cargo run -- api openapi > docs/openapi.json";

    #[test]
    fn the_committed_description_is_that_of_the_code_and_breaks_nobody() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let committed = std::fs::read_to_string(path).expect(WRITE);
        let committed: Value = serde_json::from_str(&committed).expect(WRITE);
        let now = document();
        let breaks = breaks_of_openapi(&committed, &now);
        assert!(breaks.is_empty(), "programs would break:\n{}", breaks.join("\n"));
        assert!(committed == now, "docs/openapi.json is not that of the code; {WRITE}");
    }

    #[test]
    fn every_route_for_programs_is_described() {
        let document = document();
        let mut ids = std::collections::HashSet::new();
        for route in routes().into_iter().filter(|it| it.path.starts_with("/v1/")) {
            let method = route.method.as_str().to_ascii_lowercase();
            let described = &document["paths"][route.path][&method];
            let summary = described["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{method} {} says nothing", route.path);
            assert!(ids.insert(described["operationId"].clone()), "{described}: an id twice");
            let sends_key = described["parameters"].to_string().contains("Idempotency-Key");
            let is_command = described["requestBody"].to_string().contains("application/json");
            assert_eq!(sends_key, is_command, "{method} {}", route.path);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(root: &Value, value: &Value) {
            match value {
                Value::Object(all) => {
                    if let Some(Value::String(place)) = all.get("$ref") {
                        let found = place.strip_prefix('#').and_then(|it| root.pointer(it));
                        assert!(found.is_some(), "{place} leads nowhere");
                    }
                    all.values().for_each(|it| walk(root, it));
                }
                Value::Array(all) => all.iter().for_each(|it| walk(root, it)),
                _ => {}
            }
        }
        let document = document();
        walk(&document, &document);
    }
}
