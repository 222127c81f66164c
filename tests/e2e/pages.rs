//! Pages of an issue as the program writes them.

use zhoubao::play::Player;
use zhoubao::sample::Sample;
use zhoubao_domain::event::Event;

use crate::hall::{Hall, ended, sample};

/// A hall whose first issue is signed.
async fn with_an_issue(sample: &Sample) -> anyhow::Result<Hall> {
    let hall = Hall::in_files()?;
    let desk = hall.context().desk().await?;
    let mut player = Player::new(&desk, sample, sample.acts(7)?);
    player.begin().await?;
    player.week(&sample.weeks[0]).await?;
    player.finish(&sample.weeks[0]).await?;
    Ok(hall)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_the_same_bytes_in_another_zone_locale_and_folder() -> anyhow::Result<()> {
    let hall = with_an_issue(&sample()?).await?;
    let elsewhere = tempfile::tempdir()?;
    for (place, font) in zhoubao_test_support::fonts()?.iter().rev().enumerate() {
        let folder = elsewhere.path().join(format!("{place}"));
        std::fs::create_dir(&folder)?;
        std::fs::copy(font, folder.join(zhoubao_test_support::FONTS[0]))?;
    }
    for form in ["pdf", "ofd"] {
        let compose = ["compose", "2023-01", "--format", form];
        let here = hall.command(&compose).env("TZ", "Asia/Shanghai").env("LANG", "C").spawn()?;
        let here = ended(here).await?.ok().out;
        assert!(here.len() > 50_000, "{} bytes", here.len());
        let mut there = hall.command(&compose);
        there.env("TZ", "America/St_Johns").env("LANG", "zh_CN.UTF-8").env("LC_ALL", "tr_TR.UTF-8");
        there.env("ZHOUBAO_FONTS", elsewhere.path()).env("HOME", elsewhere.path());
        there.env("RAYON_NUM_THREADS", "1").current_dir(elsewhere.path());
        assert!(here == ended(there.spawn()?).await?.ok().out, "{form} differs");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_printed_is_named_and_keeps_back_only_the_pages() -> anyhow::Result<()> {
    let mut strange = sample()?;
    let Event::SubmissionFiled { text, .. } = &mut strange.weeks[0].submissions[0].event else {
        anyhow::bail!("the sample's first news are none");
    };
    text.insert(0, '𫟵');
    let hall = with_an_issue(&strange).await?;
    let written = |folder: &str| -> anyhow::Result<Vec<String>> {
        let entries = std::fs::read_dir(hall.dir().join(folder))?;
        let mut names: Vec<_> = entries
            .map(|it| Ok(it?.file_name().to_string_lossy().into_owned()))
            .collect::<anyhow::Result<_>>()?;
        names.sort();
        Ok(names)
    };
    let without_pages = ["csv", "docx", "html", "json", "txt"].map(|it| format!("2023-01.{it}"));

    let to = hall.dir().join("glyph").display().to_string();
    let refused = hall.run(&["compose", "2023-01", "--format", "all", "--out", &to]).await?;
    let refused = refused.fails(4, "E.330");
    assert!(refused.err.contains("「𫟵」(U+2B7F5)"), "{}", refused.err);
    assert_eq!(written("glyph")?, without_pages);

    let empty = tempfile::tempdir()?;
    let to = hall.dir().join("font").display().to_string();
    let mut command = hall.command(&["compose", "2023-01", "--format", "all", "--out", &to]);
    command.env("ZHOUBAO_FONTS", empty.path());
    ended(command.spawn()?).await?.fails(78, "E.331");
    assert_eq!(written("font")?, without_pages);
    command = hall.command(&["compose", "2023-01"]);
    command.env("ZHOUBAO_FONTS", empty.path());
    assert!(ended(command.spawn()?).await?.ok().text().contains("本周，共计咨询"));
    Ok(())
}
