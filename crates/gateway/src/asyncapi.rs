//! What programs hear from the broker (AsyncAPI 3): what stands in the journal, and what is told of the live board.

use serde_json::{Value, json};
use zhoubao_contract::asyncapi;

use crate::answers::BoardTold;
use crate::openapi::generator;

/// The document.
///
/// # Errors
///
/// As [`asyncapi::document`].
pub fn document() -> Result<Value, serde_json::Error> {
    let mut document = asyncapi::document()?;
    let mut generator = generator();
    let payload = generator.subschema_for::<BoardTold>();
    for (name, schema) in generator.take_definitions(true) {
        document["components"]["schemas"][name] = schema;
    }
    document["components"]["messages"]["BoardTold"] = json!({
        "name": "BoardTold",
        "summary": "The live board: whole every two seconds, and each change in between",
        "payload": payload,
    });
    document["channels"]["live-board"] = json!({
        "address": "live.{hall}.board",
        "description": "看板的播报，不保存 what the live board shows, told and not kept",
        "parameters": { "hall": { "description": "行政区划代码 the hall's six digits" } },
        "messages": { "BoardTold": { "$ref": "#/components/messages/BoardTold" } },
    });
    document["operations"]["read-live-board"] =
        json!({ "action": "receive", "channel": { "$ref": "#/channels/live-board" } });
    Ok(document)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use zhoubao_test_support::breaks_of_asyncapi;

    const WRITE: &str = "write it anew: cargo run -- api asyncapi > docs/asyncapi.json";

    #[test]
    fn the_committed_description_is_that_of_the_code_and_breaks_nobody() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/asyncapi.json");
        let committed = std::fs::read_to_string(path).expect(WRITE);
        let committed: Value = serde_json::from_str(&committed).expect(WRITE);
        let now = document().unwrap();
        let breaks = breaks_of_asyncapi(&committed, &now);
        assert!(breaks.is_empty(), "programs that listen would break:\n{}", breaks.join("\n"));
        assert!(committed == now, "docs/asyncapi.json is not that of the code; {WRITE}");
    }
}
