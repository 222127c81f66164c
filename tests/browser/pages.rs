//! Every page: nobody is kept out by how it is made, and nothing is loaded from elsewhere.

use std::path::Path;

use anyhow::{Context as _, ensure};
use fantoccini::Locator;
use zhoubao_test_support::eventually;

use crate::machine::{Browser, Cable, Hall, Service, WAIT_MAX};

/// The pages of an editor, by name.
const PAGES: [(&str, &str); 9] = [
    ("desk", "/desk"),
    ("desk-issue", "/desk/2023-05"),
    ("issues", "/issues"),
    ("reader", "/issues/2023-05"),
    ("board", "/board"),
    ("replay", "/board?day=2023-02-10"),
    ("account", "/account"),
    ("verify", "/verify"),
    ("nothing", "/nothing-here"),
];

/// Those of whoever settles what waits.
const REVISER_PAGES: [(&str, &str); 1] = [("admin", "/admin")];

/// What was typed in long after it happened is flagged.
const WAITS: [&str; 6] =
    ["emit", "咨询", "--terminal", "w01", "--time", "2023-02-06T09:10:00+08:00"];

/// Goes to every page in two sizes; answers with what keeps somebody out of one.
async fn looked_at(
    browser: &Browser,
    cable: &Cable,
    pages: &[(&str, &str)],
) -> anyhow::Result<Vec<String>> {
    let mut wrong = vec![];
    for (size, (width, height)) in [("1920", (1920, 1080)), ("390", (390, 844))] {
        browser.size(width, height).await?;
        for (name, path) in pages {
            browser.client.goto(&cable.url(path)).await?;
            browser.picture(&format!("{name}-{size}")).await?;
            for it in browser.barriers().await? {
                wrong.push(format!("{name} at {size}: {it}"));
            }
        }
    }
    Ok(wrong)
}

/// Gives the page a file; answers with what it says of it.
async fn told(browser: &Browser, path: &Path) -> anyhow::Result<String> {
    browser.client.refresh().await?;
    let field = browser.client.find(Locator::Css("#file")).await?;
    field.send_keys(&path.display().to_string()).await?;
    eventually("the verdict", WAIT_MAX, async || {
        let told = browser.ask("return document.getElementById('told').textContent").await?;
        Ok(told.as_str().filter(|it| !it.is_empty()).map(str::to_owned))
    })
    .await
}

/// A file is found to be genuine or not by the page, and by the page as a file without a network.
async fn verified(browser: &Browser, cable: &Cable, hall: &Hall) -> anyhow::Result<()> {
    let genuine = hall.dir().join("issues/2023-05/2023-05.txt");
    let altered = hall.dir().join("2023-05.txt");
    std::fs::write(&altered, std::fs::read_to_string(&genuine)?.replacen("94", "95", 1))?;
    browser.client.goto(&cable.url("/verify")).await?;
    let load = "const it = new XMLHttpRequest(); it.open('GET', '/verify/zhoubao-verify.html', false); \
                it.send(); return it.responseText;";
    let alone = browser.ask(load).await?;
    let path = hall.dir().join("alone.html");
    std::fs::write(&path, alone.as_str().context("no file")?)?;
    for place in [cable.url("/verify"), format!("file://{}", path.display())] {
        browser.client.goto(&place).await?;
        let said = told(browser, &genuine).await?;
        ensure!(said.contains("真实有效") && said.contains("2023年第5期"), "{place}: {said}");
        let said = told(browser, &altered).await?;
        ensure!(said.contains("文件被改动") && !said.contains("真实有效"), "{place}: {said}");
        let loaded = "return performance.getEntriesByType('resource').length";
        let loaded = browser.ask(loaded).await?;
        ensure!(!place.starts_with("file:") || loaded == 0, "{place} loaded {loaded}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_has_a_barrier_and_all_are_pictured() -> anyhow::Result<()> {
    let hall = Hall::played().await?;
    let cable = Cable::lay().await?;
    let service = Service::start(&hall, 0, &cable.address.to_string()).await?;
    cable.plug(Some(service.address));
    let browser = Browser::start().await?;
    browser.client.goto(&cable.url("/login")).await?;
    let mut wrong = vec![];
    for it in browser.barriers().await? {
        wrong.push(format!("login: {it}"));
    }
    browser.picture("login-1920").await?;
    let made = hall.run(&["account", "link", "e01", "--url", &cable.url("")]).await?;
    browser.client.goto(made.trim()).await?;
    for it in browser.barriers().await? {
        wrong.push(format!("welcome: {it}"));
    }
    browser.welcome(made.trim()).await?;
    wrong.extend(looked_at(&browser, &cable, &PAGES).await?);
    verified(&browser, &cable, &hall).await?;
    // Its cookies can only be taken away on a page of the hall.
    browser.client.goto(&cable.url("/verify")).await?;
    // Something waits for a person.
    hall.run(&[&WAITS[..], &["--anyway"]].concat()).await?;
    let made = hall.run(&["account", "link", "s01", "--url", &cable.url("")]).await?;
    // Another person at the same machine.
    browser.client.delete_all_cookies().await?;
    browser.welcome(made.trim()).await?;
    wrong.extend(looked_at(&browser, &cable, &REVISER_PAGES).await?);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
