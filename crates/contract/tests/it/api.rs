//! What is said of the journal to other programs.

use serde_json::Value;
use zhoubao_contract::asyncapi;
use zhoubao_contract::body::TYPES;

#[test]
fn every_kind_has_its_lines_and_a_schema_with_words() {
    let document = asyncapi::document().unwrap();
    let channels = document["channels"].as_object().unwrap();
    for kind in TYPES {
        let name = kind.trim_start_matches("cn.zhoubao.").trim_end_matches(".v1");
        let somewhere = channels.values().any(|it| it["messages"].get(name).is_some());
        assert!(somewhere, "{kind} is in no line");
        let schema = &document["components"]["schemas"][name];
        assert!(
            schema["description"].as_str().is_some_and(|it| !it.is_empty()),
            "{kind}: {schema}"
        );
    }
    let terminal = channels["terminal"]["messages"].as_object().unwrap();
    assert!(terminal.contains_key("Accepted") && !terminal.contains_key("IssueOpened"));
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
    let document = asyncapi::document().unwrap();
    walk(&document, &document);
}
