//! Every page: nobody is kept out by how it is made, and nothing is loaded from elsewhere.

use anyhow::ensure;

use crate::machine::{Browser, Cable, Hall, Service};

/// The pages of an editor, by name.
const PAGES: [(&str, &str); 8] = [
    ("desk", "/desk"),
    ("desk-issue", "/desk/2023-05"),
    ("issues", "/issues"),
    ("reader", "/issues/2023-05"),
    ("board", "/board"),
    ("replay", "/board?day=2023-02-10"),
    ("account", "/account"),
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
