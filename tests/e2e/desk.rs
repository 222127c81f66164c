//! The desk over HTTP: from the opening of an issue to the reader's page, by the people of the hall and their pages only.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use zhoubao::play::Player;
use zhoubao::sample::Sample;
use zhoubao_application::clock::{Clock as _, SystemClock};
use zhoubao_application::desk::By;
use zhoubao_application::store::SnapshotQuery;
use zhoubao_domain::event::Event;
use zhoubao_projections::rows::FactRow;
use zhoubao_test_support::eventually;

use crate::hall::{COMMAND_MAX, Hall, sample};
use crate::slipped::SLIPPED;
use crate::web::{Answer, PASSWORD, Service, Visitor};

/// A person with what his requests have to hold.
pub(crate) struct Person {
    pub(crate) visitor: Visitor,
    csrf: String,
}

impl Person {
    pub(crate) async fn named(hall: &Hall, service: &Service, user: &str) -> anyhow::Result<Self> {
        let visitor = Visitor::at(service.address).welcomed(hall, user).await?;
        let csrf = visitor.get("/v1/me").await?.json()?;
        let csrf = csrf["csrf"].as_str().context("no csrf")?.to_owned();
        Ok(Self { visitor, csrf })
    }

    pub(crate) fn program(&self, key: &str) -> Visitor {
        self.visitor
            .with("Content-Type", "application/json")
            .with("X-CSRF-Token", &self.csrf)
            .with("Idempotency-Key", key)
    }

    /// A command in JSON.
    pub(crate) async fn wants(
        &self,
        path: &str,
        key: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        self.program(key).call("POST", path, &body.to_string()).await
    }

    /// The same; it is done. Answers with the position.
    async fn does(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<u64> {
        let answer = self.wants(path, key, body).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        answer.json()?["position"].as_u64().with_context(|| format!("{answer:?}"))
    }

    /// Sends a form with what its page holds.
    pub(crate) async fn fills(
        &self,
        path: &str,
        key: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let own = [("csrf", self.csrf.as_str()), ("key", key)];
        self.visitor.send(path, &[&own[..], fields].concat()).await
    }

    /// The page that a form leads to.
    async fn follows(&self, answer: &Answer) -> anyhow::Result<String> {
        ensure!(answer.status == 303, "{answer:?}");
        let page = self.visitor.get(answer.header("location").context("no place")?).await?;
        ensure!(page.status == 200, "{page:?}");
        Ok(page.body)
    }

    async fn page(&self, path: &str) -> anyhow::Result<String> {
        let page = self.visitor.get(path).await?;
        ensure!(page.status == 200, "{path}: {page:?}");
        Ok(page.body)
    }
}

/// A hall whose first four issues are out; of the fifth week there is what no page records.
async fn four_weeks(sample: &Sample) -> anyhow::Result<Hall> {
    let hall = Hall::in_files()?;
    let desk = hall.context().desk().await?;
    let mut player = Player::new(&desk, sample, sample.acts(7)?);
    player.begin().await?;
    let (last, before) = sample.weeks.split_last().context("weeks")?;
    for week in before {
        player.week(week).await?;
        player.finish(week).await?;
    }
    player.windows_until(last.period.last()).await?;
    for it in last.authorizations.iter().chain([&last.statistics]) {
        let by = By { actor: Some(it.actor.clone()), at: Some(it.occurred_at), ..By::default() };
        desk.record(it.stream.clone(), it.event.clone(), by).await?;
    }
    desk.catch_up().await?;
    Ok(hall)
}

/// What makes a person's one-time codes.
struct Device {
    secret: String,
    /// A code that was taken.
    used: String,
}

impl Device {
    /// The code of now, later by so many steps.
    fn at(secret: &str, steps: i64) -> anyhow::Result<String> {
        let secret = totp_rs::Secret::try_from_base32(secret).context("no secret")?;
        let device = totp_rs::Builder::new().with_secret(secret).build().context("no device")?;
        let now = SystemClock.now().as_second() + 30 * steps;
        Ok(device.generate(now.try_into()?).to_string())
    }

    /// A code that was not taken yet.
    fn code(&self) -> anyhow::Result<String> {
        // The first one was of now, or before. A device may be half a minute fast.
        Self::at(&self.secret, 1)
    }
}

/// Sets up a device on a person's own page.
async fn bind(person: &Person) -> anyhow::Result<Device> {
    assert!(person.page("/account").await?.contains("未绑定"));
    let refused = person.fills("/account/device", "", &[("password", "not this one")]).await?;
    assert_eq!(refused.status, 401, "{refused:?}");
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let shown = person.fills("/account/device", "", &[("password", PASSWORD)]).await?;
    assert_eq!(shown.status, 200, "{shown:?}");
    let (_, rest) = shown.body.split_once("<dt>密钥</dt><dd><code>").context("no secret")?;
    let secret = rest.split('<').next().unwrap_or_default().to_owned();
    assert!(shown.body.contains("<svg ") && shown.body.contains("otpauth://totp/"), "{shown:?}");
    assert!(!person.page("/account").await?.contains(&secret), "it is shown once");
    let wrong = person.fills("/account/device/confirm", "", &[("code", "12345")]).await?;
    assert_eq!(wrong.status, 401, "{wrong:?}");
    let used = Device::at(&secret, 0)?;
    let bound = person.fills("/account/device/confirm", "", &[("code", &used)]).await?;
    assert!(person.follows(&bound).await?.contains("已绑定"));
    // Nobody else binds another one in its place.
    let again = person.fills("/account/device", "", &[("password", PASSWORD)]).await?;
    assert_eq!(again.status, 409, "{again:?}");
    Ok(Device { secret, used })
}

/// Nothing that was slipped in is a part of a page.
fn assert_escaped(page: &str, name: &str) {
    for text in SLIPPED.into_iter().filter(|it| it.contains('<')) {
        assert!(!page.contains(text), "{name} has {text}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)") || page.contains("&#60;script&#62;"), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_goes_from_the_desk_to_its_readers_over_pages_alone() -> anyhow::Result<()> {
    let sample = sample()?;
    let people = &sample.people;
    let week = sample.weeks.last().context("weeks")?;
    let hall = four_weeks(&sample).await?;
    let mut service = Service::start(&hall, 0).await?;
    let editor = Person::named(&hall, &service, people.editor.as_str()).await?;
    let leader = Person::named(&hall, &service, people.leader.as_str()).await?;
    let inspector = Person::named(&hall, &service, people.inspector.as_str()).await?;
    let department = Person::named(&hall, &service, "r01").await?;

    // 开期: the proposed period; a form that is sent twice opens one issue.
    let desk = editor.page("/desk").await?;
    assert!(desk.contains("2023-05"), "{desk}");
    let opened = editor.fills("/desk", "open-1", &[]).await?;
    let again = editor.fills("/desk", "open-1", &[]).await?;
    assert_eq!(opened.header("location"), again.header("location"));
    let desk = editor.follows(&opened).await?;
    assert!(desk.contains("2023年第5期（总第425期）（拟编号）"), "{desk}");
    let draft = editor.visitor.get("/v1/desk/2023-05").await?.json()?;
    let period = [week.period.first(), week.period.last()].map(|it| it.to_string());
    assert_eq!([&draft["first"], &draft["last"]], [&period[0], &period[1]]);
    assert_eq!(draft["stage"], "open");
    // What nobody has done is not waited for.
    let beyond = editor.visitor.get("/v1/desk?after=99999999").await?;
    assert_eq!((beyond.status, beyond.json()?["code"].as_str()), (400, Some("E.102")));

    // 巡查, by the form: an item without a result is told, and what was chosen is kept.
    let form = inspector.page("/inspection").await?;
    assert!(form.contains("按时到岗情况"), "{form}");
    let mut fields = vec![("day".to_owned(), week.inspection.day.to_string())];
    for (nth, it) in week.inspection.results.iter().enumerate() {
        fields.push((format!("item.{nth}"), it.item.clone()));
        let result = if it.findings.is_empty() { "fine" } else { "wrong" };
        fields.push((format!("result.{nth}"), result.to_owned()));
        fields.push((format!("findings.{nth}"), it.findings.join("\r\n")));
        fields.push((format!("remark.{nth}"), it.remark.clone().unwrap_or_default()));
    }
    let fields: Vec<_> = fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let without: Vec<_> = fields.iter().copied().filter(|it| it.0 != "result.0").collect();
    let refused = inspector.fills("/inspection", "round-0", &without).await?;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("未选择结果") && refused.body.contains("checked"));
    let done = inspector.fills("/inspection", "round-1", &fields).await?;
    assert!(inspector.follows(&done).await?.contains("巡查"));
    assert_eq!(inspector.visitor.get("/desk").await?.status, 403);

    // 报送: everything of the sample, and what somebody tries to slip in.
    let mut filed = vec![];
    for (nth, it) in week.submissions.iter().enumerate() {
        let Event::SubmissionFiled { section, department: unit, text, .. } = &it.event else {
            continue;
        };
        let body = json!({ "section": section, "department": unit.as_str(), "text": text });
        filed.push(department.does("/v1/submissions", &format!("news-{nth}"), &body).await?);
    }
    let Event::SubmissionFiled { section, department: unit, .. } = &week.submissions[0].event
    else {
        anyhow::bail!("no news")
    };
    let slipped = SLIPPED.join("\n");
    let of_form =
        |text: &'static str| [("section", "window-service"), ("department", "tax"), ("text", text)];
    let body = json!({ "section": section, "department": unit.as_str(), "text": slipped });
    filed.push(department.does("/v1/submissions", "slipped", &body).await?);
    let number = "申请人身份证11010519491231002X，已办结。<b>";
    let refused = department.fills("/submissions", "personal", &of_form(number)).await?;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.body.contains("E.122") && refused.body.contains("已办结。&#60;b&#62;"));
    let taken_back = department.fills("/submissions", "back", &of_form("待撤回的稿件。")).await?;
    let page = department.follows(&taken_back).await?;
    assert_escaped(&page, "submissions");
    let news = department.visitor.get("/v1/submissions").await?.json()?;
    let news = news["submissions"].as_array().context("no news")?;
    let of_text = |text: &str| -> anyhow::Result<String> {
        let found = news.iter().find(|it| it["text"] == text).context("not filed")?;
        Ok(found["submission"].as_str().context("no id")?.to_owned())
    };
    let id = of_text("待撤回的稿件。")?;
    let back = department.fills(&format!("/submissions/{id}/withdraw"), "back-1", &[]).await?;
    assert!(department.follows(&back).await?.contains("已退回"));
    // Neither what is too long, nor what nobody can read, nor without a key.
    let long = json!({ "section": section, "department": "tax", "text": "字".repeat(9_000) });
    let answer = department.wants("/v1/submissions", "long", &long).await?;
    assert_eq!((answer.status, answer.json()?["code"].as_str()), (413, Some("E.121")));
    let bell = json!({ "section": section, "department": "tax", "text": "响\u{7}铃" });
    let answer = department.wants("/v1/submissions", "bell", &bell).await?;
    assert_eq!((answer.status, answer.json()?["code"].as_str()), (400, Some("E.102")));
    let huge = format!("{{\"text\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
    let answer = department.program("huge").call("POST", "/v1/submissions", &huge).await?;
    assert_eq!((answer.status, answer.json()?["code"].as_str()), (413, Some("E.121")));
    let without = department.program("").call("POST", "/v1/submissions", "{}").await?;
    assert_eq!(without.status, 400, "{without:?}");
    let foreign = department.visitor.with("X-CSRF-Token", "0").with("Idempotency-Key", "k");
    assert_eq!(foreign.call("POST", "/v1/submissions", &bell.to_string()).await?.status, 403);

    // 采用: in the order of the sample; then what somebody slipped in.
    let tray = editor.page("/desk/2023-05").await?;
    assert_escaped(&tray, "tray");
    let mut order = 0;
    for it in &week.submissions {
        let Event::SubmissionFiled { text, .. } = &it.event else { continue };
        order += 1;
        let body = json!({ "submission": of_text(text)?, "order": order });
        editor.does("/v1/desk/2023-05/adopt", &format!("adopt-{order}"), &body).await?;
    }
    let fields = [("submission", &*of_text(&slipped)?), ("order", "99")];
    let adopted = editor.fills("/desk/2023-05/adopt", "adopt-99", &fields).await?;
    editor.follows(&adopted).await?;
    let fields = [("submission", id.as_str()), ("order", "100")];
    let refused = editor.fills("/desk/2023-05/adopt", "adopt-100", &fields).await?;
    assert_eq!(refused.status, 409, "what was taken back is not adopted: {refused:?}");

    // 改稿: with a reason, of the text that was read; the department sees both, the issue has the new words.
    let edited = format!("{slipped}\n编辑补充的一句。");
    let adopted_news = of_text(&slipped)?;
    let mut fields = vec![("submission", adopted_news.as_str()), ("text", edited.as_str())];
    let refused = editor.fills("/desk/2023-05/edit", "edit-0", &fields).await?;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.body.contains("E.120") && refused.body.contains("编辑补充的一句。</textarea>"));
    fields.push(("reason", SLIPPED[0]));
    let of_other = "0".repeat(64);
    let other = [&fields[..], &[("of", of_other.as_str())]].concat();
    let refused = editor.fills("/desk/2023-05/edit", "edit-1", &other).await?;
    assert_eq!(refused.status, 412, "another text was filed since: {refused:?}");
    let done = editor.fills("/desk/2023-05/edit", "edit-2", &fields).await?;
    let tray = editor.follows(&done).await?;
    assert!(tray.contains("<ins>\n编辑补充的一句。</ins>"), "{tray}");
    assert_escaped(&tray, "tray");
    let page = department.page("/submissions").await?;
    assert!(
        page.contains("编辑改稿：") && page.contains("<ins>\n编辑补充的一句。</ins>"),
        "{page}"
    );
    assert_escaped(&page, "submissions");
    let news_now = department.visitor.get("/v1/submissions").await?.json()?;
    let rows = news_now["submissions"].as_array().context("no news")?;
    let row = rows.iter().find(|it| it["text"] == slipped).context("the text as filed is gone")?;
    assert_eq!(row["edited"], json!({ "text": edited, "reason": SLIPPED[0] }));
    let not_adopted = json!({ "submission": id, "text": "新", "reason": "试" });
    let refused = editor.wants("/v1/desk/2023-05/edit", "edit-3", &not_adopted).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (409, Some("E.500")));
    let personal =
        json!({ "submission": adopted_news, "text": "11010519491231002X", "reason": "试" });
    let refused = editor.wants("/v1/desk/2023-05/edit", "edit-4", &personal).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (422, Some("E.122")));

    // 冻结, twice with one key: one event. An earlier view of the issue does nothing.
    let stale = editor.visitor.get("/v1/desk/2023-05").await?;
    let tag = stale.header("etag").context("no tag")?.to_owned();
    let first = editor.does("/v1/desk/2023-05/freeze", "freeze", &json!({})).await?;
    let second = editor.does("/v1/desk/2023-05/freeze", "freeze", &json!({})).await?;
    assert_eq!(first, second);
    let late = editor.program("late").with("If-Match", &tag);
    let late = late.call("POST", "/v1/desk/2023-05/submit", "{}").await?;
    assert_eq!((late.status, late.json()?["code"].as_str()), (412, Some("E.503")));
    let seen = tag.trim_matches('"').to_owned();
    let late = editor.fills("/desk/2023-05/submit", "late-1", &[("seen", &seen)]).await?;
    assert_eq!(late.status, 412, "{late:?}");
    assert!(late.body.contains("E.503"), "{late:?}");

    // 检查: each is accepted with a reason, and only then it goes to the leader.
    let draft = editor.visitor.get(&format!("/v1/desk/2023-05?after={first}")).await?.json()?;
    let findings = draft["findings"].as_array().context("no findings")?;
    assert!(findings.len() > 5, "{draft}");
    let refused = editor.fills("/desk/2023-05/submit", "early", &[]).await?;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.body.contains("E.502"));
    for (nth, it) in findings.iter().enumerate().filter(|(_, it)| it["open"] == true) {
        let fields = [
            ("code", it["code"].as_str().unwrap_or_default()),
            ("finding", it["finding"].as_str().unwrap_or_default()),
            ("reason", SLIPPED[nth % SLIPPED.len()]),
        ];
        let answer =
            editor.fills("/desk/2023-05/accept", &format!("accept-{nth}"), &fields).await?;
        ensure!(answer.status == 303, "{it}: {answer:?}");
    }
    let submitted = editor.fills("/desk/2023-05/submit", "submit", &[]).await?;
    let page = editor.follows(&submitted).await?;
    assert!(page.contains("待签发") && page.contains("✔") && !page.contains("✘"), "{page}");
    assert_escaped(&page, "desk");
    // Back once with a reason, and again.
    let back =
        leader.does("/v1/desk/2023-05/return", "return", &json!({ "reason": "再看" })).await?;
    assert!(back > first);
    let page = editor.page(&format!("/desk/2023-05?after={back}")).await?;
    assert!(page.contains("退回原因：再看"), "{page}");
    editor.does("/v1/desk/2023-05/submit", "submit-2", &json!({})).await?;

    // 签发: not by whoever drafted, not without the password, not another text than the one that was read.
    let draft = leader.visitor.get("/v1/desk/2023-05?on=2023-02-20").await?.json()?;
    let document = draft["document"].as_str().context("no digest")?.to_owned();
    let page = leader.page("/desk/2023-05/sign?on=2023-02-20").await?;
    assert!(page.contains(&document) && page.contains("接受人"), "{page}");
    assert_escaped(&page, "sign");
    let sign = |password: &str, document: &str| json!({ "document": document, "issued_on": "2023-02-20", "password": password });
    let other = sign(PASSWORD, &"0".repeat(64));
    let refused = leader.wants("/v1/desk/2023-05/sign", "sign-0", &other).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (412, Some("E.503")));

    // 动态码: from its first code on, the leader's device is asked at every sign-off, and each code is taken once.
    let device = bind(&leader).await?;
    let page = leader.page("/desk/2023-05/sign?on=2023-02-20").await?;
    assert!(page.contains("name=\"code\""), "{page}");
    let sign = |password: &str, code: &str| json!({ "document": document, "issued_on": "2023-02-20", "password": password, "code": code });
    let by_hand = ["issue", "sign", "2023-05", "--on", "2023-02-20", "--by", "l01", "--yes"];
    hall.run(&by_hand).await?.fails(4, "E.154");
    for code in ["", &device.used] {
        let refused =
            leader.wants("/v1/desk/2023-05/sign", "sign-c", &sign(PASSWORD, code)).await?;
        assert_eq!((refused.status, refused.json()?["code"].as_str()), (401, Some("E.154")));
    }
    let refused = hall.run(&[&by_hand[..], &["--code", &device.used]].concat()).await?;
    refused.fails(4, "E.154");
    let wrong = [("document", document.as_str()), ("issued_on", "2023-02-20"), ("password", "no")];
    let refused = leader.fills("/desk/2023-05/sign", "sign-1", &wrong).await?;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(refused.body.contains("E.151") && refused.body.contains(&document));
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let body = sign(PASSWORD, &device.code()?);
    let signed = leader.does("/v1/desk/2023-05/sign", "sign-2", &body).await?;
    let again = leader.does("/v1/desk/2023-05/sign", "sign-2", &body).await?;
    assert_eq!(signed, again, "the same command again, because its answer was lost");
    let refused = leader.wants("/v1/desk/2023-05/sign", "sign-3", &body).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (401, Some("E.154")));
    let told = hall.run(&["account", "totp", "l01", "--json"]).await?.ok().json()?;
    assert_eq!(told["device"], true);
    hall.run(&["account", "totp", "l01", "--remove"]).await?.ok();
    assert!(leader.page("/account").await?.contains("未绑定"));

    // The composer of the service puts it out; everybody reads it.
    let read = eventually("the issue to be out", COMMAND_MAX, async || {
        let page = department.visitor.get("/issues/2023-05").await?;
        Ok((page.status == 200).then_some(page.body))
    })
    .await?;
    assert_escaped(&read, "reader");
    assert!(read.contains("编辑补充的一句。"), "{read}");
    let file = department.visitor.get("/issues/2023-05/2023-05.json").await?;
    assert_eq!(file.header("content-type"), Some("application/json"));
    eventually("the download to be noted", COMMAND_MAX, async || {
        let store = hall.context().open_store().await?;
        let facts = store.snapshot(&sample.hall, &SnapshotQuery::facts()).await?.facts;
        let is_it = |it: &FactRow| {
            it.actor.as_deref() == Some("r01")
                && it.body.contains("GET /issues/2023-05/2023-05.json")
                && it.body.contains("downloaded")
        };
        Ok(facts.iter().any(is_it).then_some(()))
    })
    .await?;
    let text = file.json()?.to_string();
    assert!(text.contains("<script>alert(1)</script>"), "in data it is what it is");

    // 更正 needs a note; what is signed is not voided by whoever may only draft.
    let refused = editor.wants("/v1/desk/2023-05/amend", "amend-0", &json!({})).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (422, Some("E.120")));
    let refused = editor.wants("/v1/desk/2023-05/void", "void", &json!({ "reason": "x" })).await?;
    assert_eq!(refused.status, 403, "{refused:?}");
    let amended = editor.fills("/desk/2023-05/amend", "amend", &[("note", "更正一处")]).await?;
    assert!(editor.follows(&amended).await?.contains("更正版，第2版"));
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_twice_at_once_is_stored_once() -> anyhow::Result<()> {
    let sample = sample()?;
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let mut service = Service::start(&hall, 0).await?;
    let department = Person::named(&hall, &service, "r01").await?;
    let other = Person::named(&hall, &service, "r02").await?;
    let editor = Person::named(&hall, &service, sample.people.editor.as_str()).await?;
    let before = hall.last().await?;
    let body = json!({ "section": "window-service", "department": "tax", "text": "一条动态。" });
    for round in 0..5 {
        let key = format!("twice-{round}");
        let once = || department.does("/v1/submissions", &key, &body);
        let (one, two, three, four) = tokio::join!(once(), once(), once(), once());
        let one = one?;
        assert_eq!([two?, three?, four?], [one; 3]);
        assert_eq!(one, before + round + 1, "one event each");
    }
    let nothing = json!({});
    let open = || editor.does("/v1/desk", "open", &nothing);
    let (one, two) = tokio::join!(open(), open());
    assert_eq!(one?, two?);
    assert_eq!(hall.last().await?, before + 6);

    // Nobody sees or takes back what another department filed; an editor returns it with a reason.
    let news = department.visitor.get(&format!("/v1/submissions?after={before}")).await?.json()?;
    let id = news["submissions"][0]["submission"].as_str().context("no news")?.to_owned();
    let none = other.visitor.get("/v1/submissions").await?.json()?;
    assert_eq!(none["submissions"], json!([]));
    let path = format!("/v1/submissions/{id}");
    let refused = other.wants(&format!("{path}/withdraw"), "w", &json!({})).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (403, Some("E.111")));
    let refused = editor.wants(&format!("{path}/return"), "r-0", &json!({})).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (422, Some("E.120")));
    editor.does(&format!("{path}/return"), "r-1", &json!({ "reason": "请补充时间" })).await?;
    let page = department.page(&format!("/submissions?after={}", hall.last().await?)).await?;
    assert!(page.contains("退回原因：请补充时间"), "{page}");
    let refused = department.wants(&format!("{path}/withdraw"), "w-1", &json!({})).await?;
    assert_eq!(refused.status, 409, "{refused:?}");
    let why = json!({ "reason": "x" });
    let missing = editor.wants("/v1/submissions/nothing/return", "r-2", &why).await?;
    assert_eq!(missing.status, 404);

    // Nobody waits for what the journal does not have; an unknown section, field or department does nothing.
    let early = department.visitor.get("/v1/submissions?after=1000000").await?;
    let answer = (early.status, early.json()?["code"].as_str().map(str::to_owned));
    assert_eq!(answer, (400, Some("E.102".to_owned())), "{early:?}");
    for wrong in [
        json!({ "section": "nothing", "department": "tax", "text": "一" }),
        json!({ "section": "window-service", "department": "nobody", "text": "一" }),
        json!({ "section": "window-service", "department": "tax", "text": " " }),
        json!({ "section": "window-service", "department": "tax", "text": "{{ secret }}" }),
        json!({ "section": "window-service", "department": "tax", "text": "一", "more": 1 }),
        json!(["window-service"]),
    ] {
        let last = hall.last().await?;
        let refused = department.wants("/v1/submissions", "wrong", &wrong).await?;
        assert!([400, 422].contains(&refused.status), "{wrong}: {refused:?}");
        assert!(refused.json()?["code"].is_string(), "{refused:?}");
        assert_eq!(hall.last().await?, last);
    }
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_drafts_does_not_sign() -> anyhow::Result<()> {
    let sample = sample()?;
    let editor = sample.people.editor.as_str();
    let hall = four_weeks(&sample).await?;
    let file = hall.file("both.json", r#"{"rights":["EDIT","SIGN"],"active":true}"#)?;
    hall.run(&["setup", "put", "user", editor, &file, "--by", "a01"]).await?.ok();
    let mut service = Service::start(&hall, 0).await?;
    let both = Person::named(&hall, &service, editor).await?;
    // Another draft of the fourth issue, which was complete.
    both.does("/v1/desk/2023-04/amend", "amend", &json!({ "note": "更正" })).await?;
    let after = both.does("/v1/desk/2023-04/submit", "submit", &json!({})).await?;
    let page = both.page(&format!("/desk/2023-04?after={after}")).await?;
    assert!(page.contains("签发…"), "{page}");
    let page = both.page("/desk/2023-04/sign?on=2023-02-20").await?;
    assert!(page.contains("起草与签发须为两人（E.501）") && !page.contains("current-password"));
    let draft = both.visitor.get("/v1/desk/2023-04?on=2023-02-20").await?.json()?;
    let body = json!({
        "document": draft["document"], "issued_on": "2023-02-20", "password": PASSWORD,
    });
    let refused = both.wants("/v1/desk/2023-04/sign", "sign", &body).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (403, Some("E.501")));
    let form = [
        ("document", draft["document"].as_str().context("no digest")?),
        ("issued_on", "2023-02-20"),
        ("password", PASSWORD),
    ];
    let refused = both.fills("/desk/2023-04/sign", "sign-1", &form).await?;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("起草与签发须为两人"), "{refused:?}");
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_last_moment_an_issue_takes_news_for_the_next_one_only() -> anyhow::Result<()> {
    let sample = sample()?;
    let people = &sample.people;
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let template = include_str!("../../data/templates/weekly.toml");
    let (administrator, editor) = (people.administrator.as_str(), people.editor.as_str());
    let put = async |until: &str| {
        let key = "key = \"progress\"\n";
        let text = template.replace(key, &format!("{key}file_until = \"{until}\"\n"));
        let file = hall.file("template.toml", &text)?;
        hall.run(&["setup", "put", "template", "weekly", &file, "--by", administrator]).await
    };
    put("noon").await?.fails(4, "E.220");
    put("12:00").await?.ok();
    let open = ["issue", "open", "2023-01", "--from", "2023-01-03", "--to", "2023-01-06", "--by"];
    hall.run(&[&open[..], &[editor]].concat()).await?.ok();

    let mut service = Service::start(&hall, 0).await?;
    let department = Person::named(&hall, &service, "r01").await?;
    let form = [("section", "progress"), ("department", "tax"), ("text", "迟到的稿件。")];
    let page = department.page("/submissions").await?;
    assert!(page.contains("（2023年1月6日 12:00截稿）") && !page.contains("报送下一期"), "{page}");
    let refused = department.fills("/submissions", "late-1", &form).await?;
    assert_eq!(refused.status, 409, "{refused:?}");
    for kept in ["E.504", "迟到的稿件。", "name=\"late\""] {
        assert!(refused.body.contains(kept), "{kept}: {refused:?}");
    }
    // A section without an end takes news as ever.
    let other = [("section", "window-service"), form[1], ("text", "不限时的稿件。")];
    assert_eq!(department.fills("/submissions", "other", &other).await?.status, 303);
    let next = [&form[..], &[("late", "true")]].concat();
    let filed = department.fills("/submissions", "late-2", &next).await?;
    assert!(department.follows(&filed).await?.contains("已报送"));
    let body = json!({ "section": "窗口服务效能提升工作情况", "department": "省税务局", "text": "按名称报送的。" });
    department.does("/v1/submissions", "by-name", &body).await?;
    let body = json!({ "section": "progress", "department": "无此局", "text": "无主的。" });
    let refused = department.wants("/v1/submissions", "unknown", &body).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (422, Some("E.101")));
    let body = json!({ "section": "progress", "department": "tax", "text": "程序报送的。" });
    let refused = department.wants("/v1/submissions", "late-3", &body).await?;
    assert_eq!((refused.status, refused.json()?["code"].as_str()), (409, Some("E.504")));

    // The editor sees which they are, and decides.
    let editor = Person::named(&hall, &service, editor).await?;
    let tray = editor.page("/desk/2023-01").await?;
    let (tray, _) = tray.split_once("不限时的稿件。").context("not in the tray")?;
    assert_eq!(tray.matches("截稿后报送").count(), 1, "{tray}");
    let news = editor.visitor.get("/v1/submissions").await?.json()?;
    let rows = news["submissions"].as_array().context("no news")?;
    let late = rows.iter().find(|it| it["text"] == "迟到的稿件。").context("not filed")?;
    let body = json!({ "submission": late["submission"], "order": 1 });
    editor.does("/v1/desk/2023-01/adopt", "adopt", &body).await?;
    service.process.kill().await?;
    Ok(())
}
