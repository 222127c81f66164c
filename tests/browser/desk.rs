//! One issue from its opening to its readers, by two people in two browsers; and what somebody slips in is only read.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::Value;
use zhoubao::config::Config;
use zhoubao::output::Output;
use zhoubao::play::Player;
use zhoubao::sample::Sample;
use zhoubao::wiring::Context;
use zhoubao_application::clock::SystemClock;
use zhoubao_application::desk::By;
use zhoubao_domain::id::SetupTopic;
use zhoubao_test_support::eventually;

use crate::machine::{Browser, Cable, Hall, PASSWORD, Service, WAIT_MAX};
use crate::slipped::SLIPPED;

/// Four weeks are out; of the fifth everything is there but the issue.
async fn before_the_fifth(hall: &Hall) -> anyhow::Result<()> {
    let sample = Sample::load()?;
    let output = Output::to(Box::new(std::io::sink()), Box::new(std::io::sink()), false, true);
    let config = Config { dir: hall.dir(), hall: Some(sample.hall.clone()), ..Config::default() };
    let context = Context::new(config, Arc::new(SystemClock), output);
    let desk = context.desk().await?;
    let mut player = Player::new(&desk, &sample, sample.acts(7)?);
    player.begin().await?;
    let (last, before) = sample.weeks.split_last().context("weeks")?;
    for week in before {
        player.week(week).await?;
        player.finish(week).await?;
    }
    player.windows_until(last.period.last()).await?;
    let known = desk.known().await?;
    let checklist = known.latest(SetupTopic::Checklist, None).context("checklist")?.digest;
    let round = last.inspection.entry(checklist);
    let entries = last.authorizations.iter().chain([&last.statistics, &round]);
    for it in entries.chain(&last.submissions) {
        let by = By { actor: Some(it.actor.clone()), at: Some(it.occurred_at), ..By::default() };
        desk.record(it.stream.clone(), it.event.clone(), by).await?;
    }
    desk.catch_up().await?;
    Ok(())
}

/// A person at a browser of his own.
struct Person {
    browser: Browser,
    cable: Arc<Cable>,
}

impl Person {
    async fn named(hall: &Hall, cable: &Arc<Cable>, user: &str) -> anyhow::Result<Self> {
        let browser = Browser::start().await?;
        let link = hall.run(&["account", "link", user, "--url", &cable.url("")]).await?;
        browser.welcome(link.trim()).await?;
        Ok(Self { browser, cable: cable.clone() })
    }

    async fn goes(&self, path: &str) -> anyhow::Result<()> {
        self.browser.client.goto(&self.cable.url(path)).await?;
        self.saw_nothing_run().await
    }

    /// Nothing of a text of a person was run: an `alert` would also stop the next step of the driver.
    async fn saw_nothing_run(&self) -> anyhow::Result<()> {
        let foreign = "return [...document.querySelectorAll('script,img,iframe,object,base,link,form,a')] \
             .map(it => it.src || it.data || it.action || it.href || '') \
             .filter(it => /evil|javascript:|data:/.test(it)) \
             .concat([...document.querySelectorAll('*')].filter(it => it.onload || it.onerror || it.onfocus || it.ontoggle)\
             .map(it => it.outerHTML))";
        let found = self.browser.ask(foreign).await?;
        ensure!(found == Value::Array(vec![]), "slipped into the page: {found}");
        Ok(())
    }

    /// Clicks the first button with this text inside of an element, and waits for the next page; false where none is.
    async fn clicks(&self, inside: &str, text: &str) -> anyhow::Result<bool> {
        let client = &self.browser.client;
        let path = format!("{inside}//button[normalize-space()='{text}']");
        let Some(button) = client.find_all(Locator::XPath(&path)).await?.into_iter().next() else {
            return Ok(false);
        };
        self.browser.ask("window.before = true").await?;
        button.click().await?;
        eventually("the next page", WAIT_MAX, async || {
            let fresh = "return document.readyState === 'complete' && !window.before";
            // In between two pages there is none to ask.
            Ok(self.browser.ask(fresh).await.ok().filter(|it| *it == true).map(drop))
        })
        .await?;
        self.saw_nothing_run().await?;
        Ok(true)
    }

    /// Presses keys wherever the person is.
    async fn presses(&self, keys: &str) -> anyhow::Result<()> {
        self.browser.client.active_element().await?.send_keys(keys).await?;
        Ok(())
    }

    /// The keys of the pages: from finding to finding, to another page, and off.
    async fn uses_keys(&self) -> anyhow::Result<()> {
        let at = "return [...document.querySelectorAll('.found')].indexOf(document.activeElement)";
        let last = "return document.querySelectorAll('.found').length - 1";
        let last = self.browser.ask(last).await?;
        for (keys, now) in [("]", Value::from(0)), ("]", 1.into()), ("[[", last.clone())] {
            self.presses(keys).await?;
            assert_eq!(self.browser.ask(at).await?, now, "{keys}");
        }
        self.presses("?").await?;
        self.looks("shortcuts").await?;
        let single = self.browser.client.find(Locator::Css("#shortcuts-single")).await?;
        single.click().await?;
        self.clicks_only("#shortcuts form button").await?;
        self.presses("]").await?;
        assert_ne!(self.browser.ask(at).await?, Value::from(0), "single keys are off");
        self.clicks_only("#shortcuts-open").await?;
        single.click().await?;
        self.clicks_only("#shortcuts form button").await?;
        // What is typed is typed.
        let reason = Locator::Css(".found form input[name=reason]");
        self.browser.client.find(reason).await?.send_keys("gj]?").await?;
        let value = "return document.activeElement.value";
        assert_eq!(self.browser.ask(value).await?, "gj]?");
        self.browser.ask("document.activeElement.blur()").await?;
        self.presses("gj").await?;
        eventually("the page of news", WAIT_MAX, async || {
            let place = self.browser.ask("return location.pathname").await.ok();
            Ok(place.filter(|it| it == "/submissions").map(drop))
        })
        .await
    }

    /// 附件: what is taken and what is not is said at once; one is taken away again.
    async fn attaches(&self, hall: &Hall) -> anyhow::Result<()> {
        let files = self.browser.client.find(Locator::Css("#files")).await?;
        for (name, content, said) in [
            ("scan.pdf", "%PDF-1.7\n%%EOF\n", "scan.pdf，已附上"),
            ("more.pdf", "%PDF-1.7\n%\n%%EOF\n", "more.pdf，已附上"),
            ("photo.jpg", "no picture", "photo.jpg，未附上"),
        ] {
            let path = hall.dir().join(name);
            std::fs::write(&path, content)?;
            files.send_keys(&path.display().to_string()).await?;
            eventually(said, WAIT_MAX, async || {
                Ok(self.text().await?.contains(said).then_some(()))
            })
            .await?;
        }
        let page = self.text().await?;
        assert!(page.contains("E.123"), "{page}");
        self.looks("submissions-attached").await?;
        self.clicks_only("#attached li:nth-child(2) button").await?;
        let named = "return document.querySelector('[name=attachments]').value.split(' ').length";
        assert_eq!(self.browser.ask(named).await?, 1);
        Ok(())
    }

    async fn clicks_only(&self, button: &str) -> anyhow::Result<()> {
        self.browser.client.find(Locator::Css(button)).await?.click().await?;
        Ok(())
    }

    async fn text(&self) -> anyhow::Result<String> {
        let text = self.browser.ask("return document.querySelector('main').innerText").await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Looks at the page for barriers, and pictures it.
    async fn looks(&self, name: &str) -> anyhow::Result<()> {
        let barriers = self.browser.barriers().await?;
        ensure!(barriers.is_empty(), "{name}: {}", barriers.join("\n"));
        self.browser.picture(name).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_is_made_by_two_people_in_two_browsers() -> anyhow::Result<()> {
    let hall = Hall::empty()?;
    before_the_fifth(&hall).await?;
    let cable = Arc::new(Cable::lay().await?);
    let service = Service::start(&hall, 0, &cable.address.to_string()).await?;
    cable.plug(Some(service.address));

    // 报送, with whatever somebody may try.
    let department = Person::named(&hall, &cable, "r01").await?;
    department.goes("/submissions").await?;
    let client = &department.browser.client;
    for (field, value) in [("#section", "window-service"), ("#department", "tax")] {
        client.find(Locator::Css(field)).await?.select_by_value(value).await?;
    }
    client.find(Locator::Css("#text")).await?.send_keys(&SLIPPED.join("\n")).await?;
    department.attaches(&hall).await?;
    assert!(department.clicks("//main", "报送").await?);
    let page = department.text().await?;
    assert!(page.contains("已报送") && page.contains("附件 1"), "{page}");
    let link = "return (await fetch(document.querySelector('.news a').href)).status";
    assert_eq!(department.browser.ask(link).await?, 200);
    department.looks("submissions-filed").await?;

    // 开期, 采用, 冻结.
    let editor = Person::named(&hall, &cable, "e01").await?;
    editor.goes("/desk").await?;
    assert!(editor.clicks("//main", "开期").await?);
    editor.goes("/desk/2023-05").await?;
    let mut adopted = 0;
    while editor.clicks("//section[@class='tray']", "采用").await? {
        adopted += 1;
        ensure!(adopted < 100, "adopted without end");
    }
    assert!(adopted > 5, "{adopted} adopted: {}", editor.text().await?);
    // 改稿: other words for what somebody tried; he sees them, and why.
    let news = "//section[@class='tray']//li[contains(., 'alert(1)')]";
    let client = &editor.browser.client;
    let at = |place: &str| format!("{news}//details[summary='改稿']{place}");
    client.find(Locator::XPath(&at("/summary"))).await?.click().await?;
    let words = client.find(Locator::XPath(&at("//textarea"))).await?;
    words.send_keys("\n编辑补充的一句。").await?;
    let reason = client.find(Locator::XPath(&at("//input[@name='reason']"))).await?;
    reason.send_keys("补充结果").await?;
    assert!(editor.clicks(news, "保存改稿").await?);
    editor.browser.ask("document.querySelectorAll('.tray details').forEach(it => it.open = true); document.querySelector('.tray ins').scrollIntoView({block: 'center'})").await?;
    editor.looks("desk-edited").await?;
    department.goes("/submissions").await?;
    let page = department.text().await?;
    assert!(page.contains("编辑改稿：补充结果") && page.contains("编辑补充的一句。"), "{page}");
    department.looks("submissions-edited").await?;
    assert!(editor.clicks("//div[@id='acts']", "冻结").await?);

    // 检查: each with a reason, and only then to the leader.
    assert!(editor.clicks("//div[@id='acts']", "提交审核").await?);
    let page = editor.text().await?;
    assert!(page.contains("E.502"), "{page}");
    editor.looks("desk-refused").await?;
    editor.goes("/desk/2023-05").await?;
    editor.uses_keys().await?;
    editor.goes("/desk/2023-05").await?;
    let mut accepted = 0;
    loop {
        let reasons = Locator::Css(".found form input[name=reason]");
        let Some(field) = editor.browser.client.find_all(reasons).await?.into_iter().next() else {
            break;
        };
        let reason = SLIPPED.get(accepted % SLIPPED.len()).copied().unwrap_or("核对无误");
        field.send_keys(reason).await?;
        assert!(
            editor
                .clicks(
                    "//li[contains(@class, 'found')][.//input[@name='reason']][1]",
                    "接受并说明"
                )
                .await?
        );
        accepted += 1;
        ensure!(accepted < 200, "accepted without end: {}", editor.text().await?);
    }
    assert!(accepted > 3, "{accepted} accepted");
    let control_and_enter = format!("{}{}", char::from(Key::Control), char::from(Key::Enter));
    editor.presses(&control_and_enter).await?;
    eventually("the issue to be handed on", WAIT_MAX, async || {
        Ok(editor.text().await.ok().filter(|it| it.contains("待签发")).map(drop))
    })
    .await?;
    let page = editor.text().await?;
    assert!(page.contains("待签发") && page.contains("✔") && !page.contains('✘'), "{page}");
    editor.looks("desk-submitted").await?;
    // The four eyes: who drafted has no button.
    assert!(!editor.clicks("//main", "签发").await?);

    // 签发, by the leader, once with a wrong password.
    let leader = Person::named(&hall, &cable, "l01").await?;
    leader.goes("/desk/2023-05/sign?on=2023-02-20").await?;
    leader.looks("sign").await?;
    let password = || leader.browser.client.find(Locator::Css("#password"));
    password().await?.send_keys("wrong").await?;
    assert!(leader.clicks("//main", "签发").await?);
    let page = leader.text().await?;
    assert!(page.contains("E.151"), "{page}");
    leader.looks("sign-refused").await?;
    // Each wrong password makes the next one wait.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    password().await?.send_keys(PASSWORD).await?;
    assert!(leader.clicks("//main", "签发").await?);

    // 发布, by the composer of the service; everybody reads it.
    eventually("the issue to be out", WAIT_MAX, async || {
        department.goes("/issues/2023-05").await?;
        let title = department.browser.ask("return document.title").await?;
        Ok(title.as_str().filter(|it| it.contains("第5期")).map(drop))
    })
    .await?;
    let page = department.browser.ask("return document.body.innerText").await?;
    let page = page.as_str().unwrap_or_default();
    assert!(page.contains("459") && page.contains("<script>alert(1)</script>"), "{page}");
    department.looks("reader-published").await
}
