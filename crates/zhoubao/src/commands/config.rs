//! `zhoubao config check`: the settings in force.

use serde_json::{Map, Value, json};

use crate::cli::{ConfigAction, ConfigArgs};
use crate::config::KEYS;
use crate::failure::Failure;
use crate::output::Table;
use crate::wiring::Context;

/// Lists every setting with its source; the settings were checked when they were read.
///
/// # Errors
///
/// None of its own.
pub async fn run(ctx: &Context, args: ConfigArgs) -> Result<(), Failure> {
    let ConfigAction::Check = args.action;
    let sources = &ctx.config.sources;
    if ctx.output.is_json() {
        let settings: Map<String, Value> = KEYS
            .iter()
            .filter_map(|(key, _, meaning)| {
                let it = sources.get(key)?;
                let shown = json!({ "value": it.value, "source": it.source, "meaning": meaning });
                Some(((*key).to_owned(), shown))
            })
            .collect();
        ctx.output.value(&Value::Object(settings));
        return Ok(());
    }
    let mut table = Table::new(["键 key", "值 value", "来源 source", "含义 meaning"]);
    for (key, _, meaning) in KEYS {
        if let Some(it) = sources.get(key) {
            let value = if it.value.is_empty() { "—" } else { &it.value };
            table.row([*key, value, &it.source, *meaning]);
        }
    }
    ctx.output.table(&table);
    Ok(())
}
