//! The administration page: how the hall stands, and a person who lets in or rejects what waits; and what programs of the
//! office record and ask.

use std::slice;

use anyhow::Context as _;
use serde_json::{Value, json};
use zhoubao_application::journal::{Expectation, head_or_start};
use zhoubao_domain::id::{Stream, Subject};
use zhoubao_test_support::eventually;

use crate::hall::{COMMAND_MAX, Hall, code, consulted, sample};
use crate::web::{Answer, Service, Visitor};

/// A message that the program itself would not write, under this number of a terminal's line.
async fn plant(hall: &Hall, terminal: &str, number: u64) -> anyhow::Result<u64> {
    let subject = Subject::new(code()?, Stream::Terminal(terminal.parse()?));
    let journal = hall.context().open_journal().await?;
    let last = head_or_start(&*journal, &subject).await?.last;
    let message = consulted(&subject, number, None)?;
    let expected = Expectation { subject, last };
    let positions = journal.append(slice::from_ref(&message), slice::from_ref(&expected)).await?;
    positions.first().copied().context("no position")
}

/// A person with a right, and what his requests hold.
struct Person {
    visitor: Visitor,
    csrf: String,
}

impl Person {
    async fn welcomed(hall: &Hall, service: &Service, user: &str) -> anyhow::Result<Self> {
        let visitor = Visitor::at(service.address).welcomed(hall, user).await?;
        let csrf = visitor.csrf().await?;
        Ok(Self { visitor, csrf })
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Answer> {
        let visitor = self.visitor.with("X-CSRF-Token", &self.csrf).with("Idempotency-Key", key);
        visitor.call("POST", path, &body.to_string()).await
    }

    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let visitor = self.visitor.with("Accept", "text/html");
        visitor.send(path, &[&[("csrf", self.csrf.as_str())], fields].concat()).await
    }

    /// How the hall stands, once everything is in the read models.
    async fn state(&self) -> anyhow::Result<Value> {
        eventually("the projector", COMMAND_MAX, async || {
            let state = self.visitor.get("/v1/admin").await?.json()?;
            Ok((state["lag"] == 0).then_some(state))
        })
        .await
    }

    async fn page(&self) -> anyhow::Result<String> {
        let page = self.visitor.get("/admin").await?;
        anyhow::ensure!(page.status == 200, "{page:?}");
        Ok(page.body)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_listed_and_let_in_or_rejected_by_a_person() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let sample = sample()?;
    let department = sample.departments[0].department.as_str();
    // Typed in long after it happened, so that somebody has to look at it.
    let accept = ["emit", "accept", "--terminal", "w01", "--department", department];
    let of = ["--case", "c2", "--time", "2023-02-08T09:00:00+08:00", "--anyway"];
    hall.run(&[&accept[..], &of].concat()).await?.ok();
    let flagged = hall.last().await?;
    hall.run(&["emit", "咨询", "--terminal", "w03"]).await?.ok();
    let fork = plant(&hall, "w03", 1).await?;
    let held = plant(&hall, "w02", 3).await?;

    let mut service = Service::start(&hall, 0).await?;
    let administrator =
        Person::welcomed(&hall, &service, sample.people.administrator.as_str()).await?;
    let state = administrator.state().await?;
    let row = |it: &Value| {
        json!([it["event"], it["standing"], it["code"], it["position"], it["by_position"]])
    };
    let waiting = state["waiting"].as_array().context("no list")?;
    assert_eq!(
        waiting.iter().map(row).collect::<Vec<_>>(),
        [
            json!(["terminal.w01#1", "flagged", "E.106", flagged, false]),
            json!(["terminal.w03#1", "quarantined", "E.104", fork, true]),
            json!(["terminal.w02#3", "held", "E.107", held, true]),
        ]
    );
    let terminals = state["terminals"].as_array().context("no terminals")?;
    let second = terminals.iter().find(|it| it["terminal"] == "w02").context("no w02")?;
    assert_eq!(
        (&second["number"], &second["missing_first"], &second["missing_last"]),
        (&json!(null), &json!(1), &json!(2)),
        "{second}"
    );
    let counts = &state["counts"];
    assert_eq!(counts["stored"], held);
    for it in ["flagged", "quarantined", "held"] {
        assert_eq!(counts[it], 1, "{counts}");
    }

    // Whoever keeps the set-up sees it; what counts, another right decides.
    let page = administrator.page().await?;
    for it in ["terminal.w02#3", "E.104", "E.106", "缺 1—2", "原文", "&quot;people&quot;"] {
        let it = it.replace("&quot;", "&#34;");
        assert!(page.contains(&it), "no {it}: {page}");
    }
    assert!(!page.contains("/admin/release"), "{page}");
    let first = json!({ "event": "terminal.w01#1", "reason": "窗口未及通知" });
    let refused = administrator.post("/v1/admin/release", "k0", &first).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (403, Some("E.111")));

    // Who is of the hall, and whether he can come in, is shown to whoever administers, and to nobody else.
    let leader = sample.people.leader.as_str();
    hall.run(&["account", "link", leader, "--url", "http://127.0.0.1"]).await?.ok();
    let state = administrator.state().await?;
    let users = state["users"].as_array().context("no users")?;
    let found = |id: &str| users.iter().find(|it| it["user"] == id).context("nobody");
    let (own, linked) = (found(sample.people.administrator.as_str())?, found(leader)?);
    assert_eq!((&own["password"], &own["sessions"]), (&json!(true), &json!(1)), "{own}");
    assert_eq!((&linked["password"], &linked["sessions"]), (&json!(false), &json!(0)), "{linked}");
    assert!(linked["link_until"].is_string() && linked["rights"] == json!(["sign"]), "{linked}");
    let page = administrator.page().await?;
    assert!(page.contains("<h2>用户</h2>") && page.contains("未设；链接至"), "{page}");

    // What does not wait is refused before it is a fact, here and on the command line.
    let reviser = sample.people.reviser.as_str();
    let person = Person::welcomed(&hall, &service, reviser).await?;
    let state = person.state().await?;
    assert!(state.get("users").is_none() && !person.page().await?.contains("用户"), "{state}");
    let last = state["journal"].as_u64().context("no position")?;
    for (number, body) in [
        json!({ "event": "terminal.w01#1", "position": held, "reason": "核实" }),
        json!({ "event": "terminal.w01#77", "reason": "核实" }),
        json!({ "event": "terminal.w02#3", "reason": "核实" }),
    ]
    .iter()
    .enumerate()
    {
        for path in ["/v1/admin/release", "/v1/admin/reject"] {
            let answer = person.post(path, &format!("none-{number}"), body).await?;
            let code = answer.json()?["code"].as_str().map(ToOwned::to_owned);
            assert_eq!(code.as_deref(), Some("E.112"), "{path} {body}: {answer:?}");
        }
    }
    let emit = ["emit", "release", "--event", "terminal.w01#77", "--reason", "核实"];
    hall.run(&[&emit[..], &["--by", reviser]].concat()).await?.fails(4, "E.112");
    hall.run(&[&emit[..], &["--by", reviser, "--dry-run"]].concat()).await?.fails(4, "E.112");
    let reason = json!({ "event": "terminal.w01#1" });
    let answer = person.post("/v1/admin/release", "no-reason", &reason).await?;
    assert_eq!(answer.json()?["code"], "E.120", "{answer:?}");
    let refused = [("key", "f0"), ("event", "terminal.w01#1"), ("position", "1"), ("reason", "错")];
    let refused = person.send("/admin/release", &refused).await?;
    assert!(refused.body.contains("E.112") && refused.status >= 400, "{refused:?}");
    assert_eq!(person.state().await?["journal"], last, "nothing of it was recorded");

    // By a form or a request, each with a reason; what is sent twice happens once.
    assert!(person.page().await?.contains("/admin/release"));
    let form = [("key", "f1"), ("event", "terminal.w01#1"), ("reason", "窗口未及通知")];
    for _ in 0..2 {
        let done = person.send("/admin/release", &form).await?;
        assert_eq!(done.status, 303, "{done:?}");
        let place = done.header("location").context("no place")?;
        assert_eq!(person.visitor.get(place).await?.status, 200);
    }
    assert_eq!(hall.last().await?, last + 1);
    let position = fork.to_string();
    let reject =
        [("key", "f2"), ("event", "terminal.w03#1"), ("position", &position), ("reason", "重号")];
    assert_eq!(person.send("/admin/reject", &reject).await?.status, 303);
    let third = json!({ "event": "terminal.w02#3", "position": held, "reason": "设备已毁" });
    let done = person.post("/v1/admin/release", "k3", &third).await?;
    assert_eq!((done.status, &done.json()?["position"]), (200, &json!(last + 3)), "{done:?}");
    let state = person.state().await?;
    assert_eq!((&state["waiting"], &state["journal"]), (&json!([]), &json!(last + 3)), "{state}");
    assert!(person.page().await?.contains("没有待处理的事件"));
    assert_eq!(hall.amounts("2023-02-06", "2023-02-08").await?, [1, 1, 0, 0]);
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_record_facts_of_the_office_and_ask_for_sums() -> anyhow::Result<()> {
    let hall = Hall::with_issues().await?;
    let people = sample()?.people;
    let mut service = Service::start(&hall, 0).await?;
    let administrator = Person::welcomed(&hall, &service, people.administrator.as_str()).await?;
    let editor = Person::welcomed(&hall, &service, people.editor.as_str()).await?;

    // Sums are those that were printed, along any part and as of any position.
    let sums = async |query: &str| {
        let answer = editor.visitor.get(&format!("/v1/stats?first=2023-02-06&{query}")).await?;
        anyhow::ensure!(answer.status == 200, "{answer:?}");
        answer.json()
    };
    let total = sums("last=2023-02-10").await?;
    let row = &total["rows"][0];
    let printed = ["consulted", "accepted", "issued", "transferred"].map(|it| row[it].as_i64());
    assert_eq!(printed, [459, 94, 93, 219].map(Some), "{total}");
    let by_window = sums("last=2023-02-10&by=window").await?;
    let windows = by_window["rows"].as_array().context("no rows")?;
    assert!(windows.len() > 5, "{by_window}");
    let events = windows.iter().filter_map(|it| it["events"].as_i64()).sum::<i64>();
    assert_eq!(Some(events), row["events"].as_i64());
    let earlier = total["position"].as_u64().context("no position")? / 2;
    let then = sums(&format!("last=2023-02-10&position={earlier}")).await?;
    let args = ["stats", "--from", "2023-02-06", "--to", "2023-02-10", "--by", "kind", "--json"];
    let as_of = ["--as-of", &earlier.to_string()];
    let told = hall.run(&[&args[..], &as_of].concat()).await?.ok().json()?;
    assert_eq!((&then["position"], &then["rows"]), (&told["position"], &told["rows"]));
    for wrong in ["last=2023-02-01", "by=month", "position=99999999", "last=yesterday", "x=1"] {
        let answer = editor.visitor.get(&format!("/v1/stats?first=2023-02-06&{wrong}")).await?;
        let code = answer.json()?["code"].clone();
        assert_eq!((answer.status, code), (400, json!("E.102")), "{wrong}");
    }

    // A fact is recorded once, by whoever may, and read back.
    let window = json!({
        "line": "setup.window.w99", "type": "cn.zhoubao.WindowSet.v1",
        "data": { "name": "窗口99", "open": false },
    });
    let refused = editor.post("/v1/facts", "k1", &window).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (403, Some("E.111")));
    let done = administrator.post("/v1/facts", "k2", &window).await?;
    assert_eq!(done.status, 200, "{done:?}");
    let position = done.json()?["position"].as_u64().context("no position")?;
    let again = administrator.post("/v1/facts", "k2", &window).await?.json()?;
    assert_eq!(again["position"], position, "the same key is the same command");
    let path = format!("/v1/setup/window/w99?after={position}");
    let entry = administrator.visitor.get(&path).await?.json()?;
    assert_eq!((&entry["data"], &entry["position"]), (&window["data"], &json!(position)));
    let all = administrator.visitor.get("/v1/setup").await?.json()?;
    let found = all["entries"].as_array().context("no entries")?;
    assert!(found.contains(&entry) && found.len() > 20, "{all}");
    assert_eq!(administrator.visitor.get("/v1/setup/window/w98").await?.status, 404);
    assert_eq!(administrator.visitor.get("/v1/setup/nothing/w99").await?.status, 404);

    let last = hall.last().await?;
    for (line, kind, data, status, code) in [
        ("terminal.w01", "Consulted", json!({ "people": 1 }), 400, "E.102"),
        ("audit", "RequestNoted", json!({}), 400, "E.102"),
        ("setup.window.w99", "MatterSet", json!({ "name": "x" }), 400, "E.102"),
        ("setup.terminal.w99", "TerminalSet", json!({ "active": true }), 400, "E.102"),
        ("nowhere", "WindowSet", json!({ "name": "x" }), 400, "E.102"),
        (
            "setup.terminal.w99",
            "TerminalSet",
            json!({ "window": "w98", "active": true }),
            422,
            "E.221",
        ),
        (
            "issues",
            "OpeningFiguresRecorded",
            json!({ "through": "2022-12-31", "consulted": 1, "accepted": 1, "issued": 1,
                "transferred": 1, "lastNumber": 1, "lastRunningNumber": 1 }),
            409,
            "E.500",
        ),
    ] {
        let fact = json!({ "line": line, "type": format!("cn.zhoubao.{kind}.v1"), "data": data });
        let answer = administrator.post("/v1/facts", &format!("{line}-{kind}"), &fact).await?;
        let found = answer.json()?["code"].clone();
        assert_eq!((answer.status, found), (status, json!(code)), "{fact}: {answer:?}");
    }
    assert_eq!(hall.last().await?, last, "what is refused is no fact");
    service.process.kill().await?;
    Ok(())
}
