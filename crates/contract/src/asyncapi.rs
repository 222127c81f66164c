//! What stands in the journal of a hall (AsyncAPI 3), for programs that read it: from the messages of `proto/` and the
//! table of what belongs into which line.

use serde_json::{Map, Value, json};
use zhoubao_domain::id::{DeskTopic, ObjectId, SetupTopic, Stream};

use crate::body::{self, TYPES};

/// Schemas of all messages, as `build/schemas.rs` has written them.
const SCHEMAS: &str = include_str!(concat!(env!("OUT_DIR"), "/schemas.json"));

/// A family of lines.
struct Channel {
    name: &'static str,
    address: &'static str,
    what: &'static str,
    /// One line of it.
    example: Stream,
}

fn channels() -> Option<Vec<Channel>> {
    let id = || "x".parse::<ObjectId>().ok();
    let mut all = vec![
        Channel {
            name: "terminal",
            address: "hall.{hall}.terminal.{id}",
            what: "窗口终端的事件 events of a window's terminal",
            example: Stream::Terminal("w01".parse().ok()?),
        },
        Channel {
            name: "authorization",
            address: "hall.{hall}.authorization.{id}",
            what: "一个部门的授权变更 authorizations of a department",
            example: Stream::Authorization("labour".parse().ok()?),
        },
        Channel {
            name: "issues",
            address: "hall.{hall}.issues",
            what: "各期的办理过程 life cycles of all issues",
            example: Stream::Issues,
        },
        Channel {
            name: "quarantine",
            address: "hall.{hall}.quarantine",
            what: "放行和驳回 what a person let in or rejected",
            example: Stream::Quarantine,
        },
        Channel {
            name: "live-issues",
            address: "live.{hall}.issue",
            what: "各期办理过程的播报，不保存 what is stored of issues, repeated by the server and not kept",
            example: Stream::Issues,
        },
        Channel {
            name: "audit",
            address: "hall.{hall}.audit",
            what: "审计 audit",
            example: Stream::Audit,
        },
    ];
    for (name, address, topic) in [
        ("submission", "hall.{hall}.desk.submission.{id}", DeskTopic::Submission),
        ("inspection", "hall.{hall}.desk.inspection.{id}", DeskTopic::Inspection),
        ("statistics", "hall.{hall}.desk.statistics.{id}", DeskTopic::Statistics),
    ] {
        let what = "编辑台 what departments, inspectors and imports bring";
        all.push(Channel { name, address, what, example: Stream::Desk(topic, id()?) });
    }
    for (name, address, topic) in [
        ("hall", "hall.{hall}.setup.hall.{id}", SetupTopic::Hall),
        ("window", "hall.{hall}.setup.window.{id}", SetupTopic::Window),
        ("terminal-setup", "hall.{hall}.setup.terminal.{id}", SetupTopic::Terminal),
        ("department", "hall.{hall}.setup.department.{id}", SetupTopic::Department),
        ("matter", "hall.{hall}.setup.matter.{id}", SetupTopic::Matter),
        ("checklist", "hall.{hall}.setup.checklist.{id}", SetupTopic::Checklist),
        ("template", "hall.{hall}.setup.template.{id}", SetupTopic::Template),
        ("calendar", "hall.{hall}.setup.calendar.{id}", SetupTopic::Calendar),
        ("user", "hall.{hall}.setup.user.{id}", SetupTopic::User),
        ("figures", "hall.{hall}.setup.figures.{id}", SetupTopic::Figures),
        ("rules", "hall.{hall}.setup.rules.{id}", SetupTopic::Rules),
        ("key", "hall.{hall}.setup.key.{id}", SetupTopic::Key),
    ] {
        let what = "设置 set-up of the hall";
        all.push(Channel { name, address, what, example: Stream::Setup(topic, id()?) });
    }
    Some(all)
}

/// The attributes that are headers of every message.
fn headers() -> Value {
    let text = |what: &str| json!({ "type": "string", "description": what });
    json!({
        "type": "object",
        "description": "CloudEvents 1.0, as headers of NATS",
        "properties": {
            "ce-specversion": { "type": "string", "const": "1.0" },
            "ce-id": text("the number of the event in its line, decimal, from 1"),
            "ce-source": text("the subject"),
            "ce-type": text("the kind and its version"),
            "ce-time": text("when it happened, RFC 3339"),
            "Content-Type": { "type": "string", "const": "application/json" },
            "ce-prevhash": text("the hash of the event before it in its line; none at the first"),
            "ce-hash": text("the hash of this event: SHA-256, hexadecimal"),
            "ce-signature": text("the terminal's Ed25519 signature of the hash, base64"),
            "ce-actor": text("who, by work number"),
            "ce-command": text("idempotency key of the command that made it"),
            "ce-enteredat": text("when it was typed in, if that was not when it happened, RFC 3339"),
            "ce-clockoffset": text("how far the device's clock was ahead of the journal's, in milliseconds"),
            "ce-clockunsure": text("what the device's clock said when it was recorded, where nobody had measured it"),
        },
        "required": ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "Content-Type"],
    })
}

/// The document.
///
/// # Errors
///
/// None that can happen: an example of a line that is none, or schemas that are no JSON, would be a fault of this crate.
pub fn document() -> Result<Value, serde_json::Error> {
    let mut schemas: Map<String, Value> = serde_json::from_str(SCHEMAS)?;
    schemas.insert("Attributes".to_owned(), headers());
    let mut messages = Map::new();
    for (kind, name) in TYPES.iter().filter_map(|it| Some((it, body::name_of(it)?))) {
        messages.insert(
            name.to_owned(),
            json!({
                "name": kind,
                "summary": schemas.get(name).map(|it| it["description"].clone()),
                "headers": { "$ref": "#/components/schemas/Attributes" },
                "payload": { "$ref": format!("#/components/schemas/{name}") },
            }),
        );
    }
    let (mut described, mut operations) = (Map::new(), Map::new());
    for Channel { name, address, what, example } in channels().unwrap_or_default() {
        let own = TYPES.iter().filter_map(|it| body::name_of(it));
        let own = own.filter(|it| body::belongs(it, &example)).map(|it| {
            let reference = json!({ "$ref": format!("#/components/messages/{it}") });
            (it.to_owned(), reference)
        });
        let mut parameters =
            json!({ "hall": { "description": "行政区划代码 the hall's six digits" } });
        if address.contains("{id}") {
            parameters["id"] = json!({ "description": "whose line it is" });
        }
        described.insert(
            name.to_owned(),
            json!({
                "address": address,
                "description": what,
                "parameters": parameters,
                "messages": own.collect::<Map<_, _>>(),
            }),
        );
        let channel = json!({ "$ref": format!("#/channels/{name}") });
        operations
            .insert(format!("read-{name}"), json!({ "action": "receive", "channel": channel }));
    }
    Ok(json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "周报 zhoubao",
            "version": "1",
            "description": "The journal of a hall: one JetStream stream, one subject a line. Unknown fields and kinds \
                            may come; the bytes of a message are what its hash is of.",
        },
        "defaultContentType": "application/json",
        "channels": described,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    }))
}
