//! The wall screen: it shows what is there, whatever the network does.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use zhoubao_test_support::eventually;

use crate::machine::{Browser, Cable, Hall, Service, WAIT_MAX};

/// What stands in the tiles of the page.
async fn shown(browser: &Browser) -> anyhow::Result<BTreeMap<String, String>> {
    let tiles = "return Object.fromEntries([...document.querySelectorAll('[data-tile]')] \
                 .map(it => [it.dataset.tile, it.textContent]).filter(([key]) => !key.startsWith('curve.')))";
    Ok(serde_json::from_value(browser.ask(tiles).await?)?)
}

/// The same as the service says it in data, in the words of the page.
async fn said(browser: &Browser) -> anyhow::Result<(u64, BTreeMap<String, String>)> {
    let fetched = browser
        .client
        .execute_async(
            "const done = arguments[arguments.length - 1]; fetch('/v1/board').then(it => it.json()).then(done, () => done(null))",
            vec![],
        )
        .await?;
    let position = fetched["position"].as_u64().context("no board")?;
    let words = |value: &Value| match (value["mark"].as_str(), value["state"].as_str()) {
        (Some("unreported"), _) | (_, Some("unreported")) => "未报".to_owned(),
        (Some("not-applicable"), _) => "—".to_owned(),
        (_, Some("working")) => "办理".to_owned(),
        (_, Some("day-closed")) => "已日结".to_owned(),
        (_, Some(_)) => "停用".to_owned(),
        _ => value.to_string(),
    };
    let tiles = fetched["tiles"].as_object().context("no tiles")?;
    let on_page = |key: &str| key.starts_with("figure.") || key.starts_with("window.");
    Ok((
        position,
        tiles
            .iter()
            .filter(|(key, _)| on_page(key))
            .map(|(key, it)| (key.clone(), words(it)))
            .collect(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_is_right_after_twenty_cuts_and_a_restart() -> anyhow::Result<()> {
    let hall = Hall::played().await?;
    let cable = Cable::lay().await?;
    let host = cable.address.to_string();
    let mut service = Service::start(&hall, 0, &host).await?;
    let port = service.address.port();
    cable.plug(Some(service.address));
    let browser = Browser::start().await?;
    let made = hall.run(&["account", "screen", "一楼大屏", "--url", &cable.url("")]).await?;
    browser.client.goto(made.trim()).await?;
    assert_eq!(browser.client.current_url().await?.path(), "/board");
    assert_eq!(browser.ask("return document.body.className.includes('dead')").await?, json!(false));
    for round in 0..20_u32 {
        let terminal = format!("w{:02}", 1 + round % 12);
        hall.run(&["emit", "consult", "--terminal", &terminal, "--by", "c01", "--anyway"]).await?;
        if round == 9 {
            cable.plug(None);
            cable.cut();
            service.process.kill().await?;
            service = Service::start(&hall, port, &host).await?;
            cable.plug(Some(service.address));
        } else {
            cable.cut();
        }
        tokio::time::sleep(Duration::from_millis(u64::from(round * 37 % 200))).await;
    }
    eventually("the wall to show what is there", WAIT_MAX, async || {
        let (_, said) = said(&browser).await?;
        let shown = shown(&browser).await?;
        Ok((said == shown && shown["figure.consulted.today"] == "20").then_some(()))
    })
    .await?;
    browser.picture("wall-1920").await?;

    // Without a server it does not look live.
    cable.plug(None);
    cable.cut();
    service.process.kill().await?;
    let faked = "const late = 31_000; const now = performance.now.bind(performance); performance.now = () => now() + late;";
    browser.ask(faked).await?;
    eventually("the wall to say that it is stale", WAIT_MAX, async || {
        let class = browser.ask("return document.body.className").await?;
        Ok(class.as_str().is_some_and(|it| it.contains("stale")).then_some(()))
    })
    .await?;
    let text = browser.ask("return document.getElementById('stale').textContent").await?;
    assert!(text.as_str().is_some_and(|it| it.contains("正在重连")), "{text}");
    browser.picture("wall-stale").await?;
    browser.ask("const then = performance.now.bind(performance); performance.now = () => then() + 300_000;").await?;
    eventually("the wall to be hatched", WAIT_MAX, async || {
        let class = browser.ask("return document.body.className").await?;
        Ok(class.as_str().is_some_and(|it| it.contains("dead")).then_some(()))
    })
    .await?;
    browser.picture("wall-dead").await?;
    Ok(())
}
