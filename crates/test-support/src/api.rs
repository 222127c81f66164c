//! Whether a new description of an interface breaks programs that were written against the old one.

use std::collections::BTreeSet;

use serde_json::Value;

/// Who makes what a schema describes: what is sent to us may not be asked for more, what we answer may not hold less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Sent,
    Answered,
}

/// What of `old`, an OpenAPI document, no longer holds in `new`: a line each.
#[must_use]
pub fn breaks_of_openapi(old: &Value, new: &Value) -> Vec<String> {
    let mut breaks = Breaks { old, new, found: vec![], depth: 0 };
    for (path, methods) in members(&old["paths"]) {
        for (method, was) in members(methods) {
            let at = format!("{method} {path}");
            match new["paths"][path].get(method) {
                None => breaks.found.push(format!("{at}: is gone")),
                Some(is) => breaks.operation(&at, was, is),
            }
        }
    }
    breaks.found
}

/// What of `old`, an AsyncAPI document, no longer holds in `new`: a line each.
#[must_use]
pub fn breaks_of_asyncapi(old: &Value, new: &Value) -> Vec<String> {
    let mut breaks = Breaks { old, new, found: vec![], depth: 0 };
    for (name, was) in members(&old["channels"]) {
        let is = &new["channels"][name];
        if is["address"] != was["address"] {
            breaks.found.push(format!("{name}: {} is {}", was["address"], is["address"]));
        }
        for (message, _) in members(&was["messages"]) {
            if is["messages"].get(message).is_none() {
                breaks.found.push(format!("{name}: {message} is gone"));
            }
        }
    }
    for (name, was) in members(&old["components"]["messages"]) {
        let is = &new["components"]["messages"][name];
        for part in ["payload", "headers"] {
            breaks.schema(&format!("{name}.{part}"), &was[part], &is[part], Way::Answered);
        }
    }
    breaks.found
}

struct Breaks<'a> {
    old: &'a Value,
    new: &'a Value,
    found: Vec<String>,
    depth: usize,
}

/// Deeper than any type of ours; a type that holds itself ends here.
const DEPTH_MAX: usize = 12;

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn texts(value: &Value) -> BTreeSet<String> {
    let all = value.as_array().cloned().unwrap_or_default();
    all.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect()
}

/// Follows references within a document.
fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    while let Some(place) = schema.get("$ref").and_then(Value::as_str) {
        let found = place.strip_prefix('#').and_then(|it| root.pointer(it));
        let Some(found) = found else { break };
        schema = found;
    }
    schema
}

/// The JSON types that a schema lets through; none for every type.
fn types(root: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = resolved(root, schema);
    let mut all = texts(&schema["type"]);
    all.extend(schema["type"].as_str().map(str::to_owned));
    for alternative in ["anyOf", "oneOf"] {
        for it in schema[alternative].as_array().into_iter().flatten() {
            all.extend(types(root, it));
        }
    }
    all
}

impl Breaks<'_> {
    fn operation(&mut self, at: &str, was: &Value, is: &Value) {
        let same =
            |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
        let all = |it: &Value| it["parameters"].as_array().cloned().unwrap_or_default();
        let (before, now) = (all(was), all(is));
        for old in &before {
            match now.iter().find(|it| same(it, old)) {
                None => self.found.push(format!("{at}: parameter {} is gone", old["name"])),
                Some(new) => {
                    let at = format!("{at} {}", old["name"]);
                    self.schema(&at, &old["schema"], &new["schema"], Way::Sent);
                }
            }
        }
        for new in now.iter().filter(|it| it["required"] == true) {
            if !before.iter().any(|old| same(old, new) && old["required"] == true) {
                self.found.push(format!("{at}: parameter {} is required now", new["name"]));
            }
        }
        let (sent, taken) = (&was["requestBody"], &is["requestBody"]);
        if taken["required"] == true && sent["required"] != true {
            self.found.push(format!("{at}: a body is required now"));
        }
        self.contents(at, &sent["content"], &taken["content"], Way::Sent);
        for (status, answer) in members(&was["responses"]) {
            let (answer, now) =
                (resolved(self.old, answer), resolved(self.new, &is["responses"][status]));
            self.contents(
                &format!("{at} {status}"),
                &answer["content"],
                &now["content"],
                Way::Answered,
            );
        }
    }

    fn contents(&mut self, at: &str, was: &Value, is: &Value, way: Way) {
        for (media, content) in members(was) {
            match is.get(media) {
                None => self.found.push(format!("{at}: {media} is gone")),
                Some(it) => self.schema(at, &content["schema"], &it["schema"], way),
            }
        }
    }

    fn schema(&mut self, at: &str, was: &Value, is: &Value, way: Way) {
        if self.depth == DEPTH_MAX {
            return;
        }
        self.depth += 1;
        self.compare(at, was, is, way);
        self.depth -= 1;
    }

    fn compare(&mut self, at: &str, was: &Value, is: &Value, way: Way) {
        let (types_before, types_now) = (types(self.old, was), types(self.new, is));
        let (was, is) = (resolved(self.old, was), resolved(self.new, is));
        let fits = match way {
            Way::Sent => types_now.is_empty() || types_now.is_superset(&types_before),
            Way::Answered => types_before.is_empty() || types_now.is_subset(&types_before),
        };
        // Without a type everything may come.
        let widened = match way {
            Way::Sent => types_before.is_empty() && !types_now.is_empty(),
            Way::Answered => types_now.is_empty() && !types_before.is_empty(),
        };
        if !fits || widened {
            self.found.push(format!("{at}: was {types_before:?}, is {types_now:?}"));
            return;
        }
        for (name, property) in members(&was["properties"]) {
            match is["properties"].get(name) {
                None => self.found.push(format!("{at}.{name}: is gone")),
                Some(now) => self.schema(&format!("{at}.{name}"), property, now, way),
            }
        }
        let (required_before, required_now) = (texts(&was["required"]), texts(&is["required"]));
        let lost = match way {
            Way::Sent => required_now.difference(&required_before),
            Way::Answered => required_before.difference(&required_now),
        };
        for name in lost {
            let what = if way == Way::Sent { "is required now" } else { "may be absent now" };
            self.found.push(format!("{at}.{name}: {what}"));
        }
        let (words_before, words_now) = (texts(&was["enum"]), texts(&is["enum"]));
        let known = match way {
            Way::Sent => words_now.is_empty() || words_now.is_superset(&words_before),
            Way::Answered => words_before.is_empty() || words_now.is_subset(&words_before),
        };
        if !known {
            self.found.push(format!("{at}: was one of {words_before:?}, is one of {words_now:?}"));
        }
        for part in ["items", "additionalProperties"] {
            if was[part].is_object() && is[part].is_object() {
                self.schema(&format!("{at}.{part}"), &was[part], &is[part], way);
            }
        }
        for alternative in ["anyOf", "oneOf"] {
            let pairs = was[alternative].as_array().zip(is[alternative].as_array());
            for (old, new) in pairs.into_iter().flat_map(|(old, new)| old.iter().zip(new)) {
                self.schema(at, old, new, way);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::breaks_of_openapi;

    fn document(body: Value, answer: Value) -> Value {
        json!({
            "paths": { "/v1/things": { "post": {
                "parameters": [{ "name": "after", "in": "query", "schema": { "type": "integer" } }],
                "requestBody": { "content": { "application/json": { "schema": body } } },
                "responses": { "200": { "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Answer" },
                } } } },
            } } },
            "components": { "schemas": { "Answer": answer } },
        })
    }

    fn old() -> Value {
        let body = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
        let answer = json!({
            "type": "object", "required": ["position"],
            "properties": { "position": { "type": "integer" }, "way": { "enum": ["a", "b"] } },
        });
        document(body, answer)
    }

    #[test]
    fn what_is_added_breaks_nobody() {
        let mut new = old();
        new["paths"]["/v1/others"] = json!({ "get": {} });
        let post = &mut new["paths"]["/v1/things"]["post"];
        post["requestBody"]["content"]["application/json"]["schema"]["properties"]["more"] =
            json!({ "type": "string" });
        new["components"]["schemas"]["Answer"]["properties"]["more"] = json!({ "type": "string" });
        assert_eq!(breaks_of_openapi(&old(), &new), Vec::<String>::new());
    }

    #[test]
    fn every_way_to_break_a_program_is_named() {
        type Change = fn(&mut Value);
        let changes: [(Change, &str); 9] = [
            (|it| drop(it["paths"].as_object_mut().unwrap().remove("/v1/things")), "is gone"),
            (
                |it| it["paths"]["/v1/things"]["post"]["parameters"] = json!([]),
                "parameter \"after\" is gone",
            ),
            (
                |it| {
                    let all = &mut it["paths"]["/v1/things"]["post"]["parameters"];
                    all.as_array_mut().unwrap().push(
                        json!({ "name": "key", "in": "header", "required": true, "schema": {} }),
                    );
                },
                "parameter \"key\" is required now",
            ),
            (
                |it| it["paths"]["/v1/things"]["post"]["requestBody"]["required"] = true.into(),
                "a body is required now",
            ),
            (
                |it| {
                    let content = &mut it["paths"]["/v1/things"]["post"]["requestBody"]["content"];
                    content["application/json"]["schema"]["required"] = json!(["name"]);
                },
                ".name: is required now",
            ),
            (
                |it| {
                    it["components"]["schemas"]["Answer"]["properties"]["position"]["type"] =
                        "string".into();
                },
                ".position: was",
            ),
            (
                |it| it["components"]["schemas"]["Answer"]["required"] = json!([]),
                ".position: may be absent now",
            ),
            (
                |it| {
                    let answer = &mut it["components"]["schemas"]["Answer"]["properties"];
                    answer["way"]["enum"] = json!(["a", "b", "c"]);
                },
                "was one of",
            ),
            (
                |it| {
                    let answer = &mut it["components"]["schemas"]["Answer"]["properties"];
                    answer.as_object_mut().unwrap().remove("way");
                },
                ".way: is gone",
            ),
        ];
        for (change, expected) in changes {
            let mut new = old();
            change(&mut new);
            let found = breaks_of_openapi(&old(), &new);
            assert!(
                matches!(found.as_slice(), [it] if it.contains(expected)),
                "{expected}: {found:?}"
            );
        }
    }
}
