//! Other bulletins of a hall: set up as data, fed by imports, numbered apart, signed like the weekly.

use crate::hall::{Hall, Ran, sample};

fn data(name: &str) -> String {
    format!("{}/../../data/{name}", env!("CARGO_MANIFEST_DIR"))
}

struct Desk {
    hall: Hall,
    editor: String,
    leader: String,
}

impl Desk {
    async fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.hall.run(arguments).await
    }

    async fn edit(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.run(&[arguments, &["--by", &self.editor]].concat()).await
    }

    async fn import(
        &self,
        table: &str,
        name: &str,
        source: &str,
        days: [&str; 2],
    ) -> anyhow::Result<Ran> {
        let file = data(&format!("sample/tables/{name}.csv"));
        let from_to = ["--source", source, "--from", days[0], "--to", days[1]];
        self.edit(&[&["import", table, &file], from_to.as_slice()].concat()).await
    }

    async fn text(&self, issue: &str) -> anyhow::Result<String> {
        Ok(self.run(&["compose", issue]).await?.ok().text())
    }

    /// Freezes, submits and signs an issue.
    async fn sign(&self, issue: &str, on: &str) -> anyhow::Result<()> {
        self.edit(&["issue", "freeze", issue]).await?.ok();
        self.hall.accept(issue, &self.editor).await?;
        self.edit(&["issue", "submit", issue]).await?.ok();
        let by = ["--on", on, "--by", &self.leader, "--yes"];
        self.run(&[&["issue", "sign", issue], by.as_slice()].concat()).await?.ok();
        Ok(())
    }
}

/// A hall with its people, calendars and the two templates.
async fn desk() -> anyhow::Result<Desk> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let people = sample()?.people;
    let administrator = people.administrator.to_string();
    for name in ["monthly", "hotline"] {
        let file = data(&format!("templates/{name}.toml"));
        let put = ["setup", "put", "template", name, &file, "--by", &administrator];
        hall.run(&put).await?.ok();
    }
    let (editor, leader) = (people.editor.to_string(), people.leader.to_string());
    Ok(Desk { hall, editor, leader })
}

const PLATFORM: &str = "四川一体化政务服务平台";

#[tokio::test(flavor = "multi_thread")]
async fn a_monthly_bulletin_is_imported_composed_signed_and_numbered_apart() -> anyhow::Result<()> {
    let desk = desk().await?;
    let january = ["2023-01-01", "2023-01-31"];
    let february = ["2023-02-01", "2023-02-28"];
    desk.import("places", "places-2023-01", PLATFORM, january).await?.ok();
    desk.import("places", "places-2023-02", PLATFORM, february).await?.ok();
    let open = ["issue", "open", "m2", "--series", "monthly", "--from", february[0], "--to"];
    desk.edit(&[&open, [february[1], "--set", "dedline=明天"].as_slice()].concat())
        .await?
        .fails(4, "E.220");
    desk.edit(&[&open, [february[1], "--set", "deadline=三月中旬前"].as_slice()].concat())
        .await?
        .ok();
    desk.edit(&["issue", "freeze", "m2"]).await?.ok();
    // What the template asks for and nobody imported is named, with the line of the template.
    let refused = desk.run(&["compose", "m2"]).await?.fails(4, "E.301");
    assert!(refused.err.contains("`overdue`") && refused.err.contains(" line "), "{}", refused.err);
    desk.import("overdue", "overdue-2023-02", "电子监察系统", february).await?.ok();

    desk.sign("m2", "2023-03-06").await?;
    let text = desk.text("monthly/2023-01").await?;
    insta::assert_snapshot!(text);
    let folder = desk.hall.dir().join("out");
    let out = folder.display().to_string();
    desk.run(&["compose", "m2", "--format", "all", "--out", &out]).await?.ok();
    for ending in ["txt", "html", "json", "csv", "docx"] {
        assert!(folder.join(format!("monthly-2023-01.{ending}")).is_file(), "{ending}");
    }
    assert_eq!(std::fs::read_to_string(folder.join("monthly-2023-01.txt"))?, text);

    // An import after the sign-off changes nothing of it.
    desk.import("places", "places-2023-01", PLATFORM, february).await?.ok();
    assert_eq!(desk.text("m2").await?, text);

    // The month is in no way of the weekly: its weeks are opened, and take the numbers of their own.
    desk.edit(&["issue", "open", "w6", "--from", "2023-02-06", "--to", "2023-02-10"]).await?.ok();
    let listed = desk.run(&["issue", "list"]).await?.ok().text();
    assert!(listed.contains("monthly/2023-01（总1）"), "{listed}");
    assert!(listed.contains("拟 2023-01（总421）"), "{listed}");
    // Nor can another month cover the same days.
    let overlapping =
        ["issue", "open", "m3", "--series", "monthly", "--from", "2023-02-28", "--to"];
    desk.edit(&[&overlapping, ["2023-03-31"].as_slice()].concat()).await?.fails(4, "E.601");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hotline_bulletin_is_made_from_imports_of_two_weeks() -> anyhow::Result<()> {
    let desk = desk().await?;
    for (name, days) in [
        ("calls-2023-w05", ["2023-01-30", "2023-02-05"]),
        ("calls-2023-w06", ["2023-02-06", "2023-02-12"]),
    ] {
        desk.import("calls", name, "热线平台", days).await?.ok();
    }
    let from_to = ["--from", "2023-02-06", "--to", "2023-02-12"];
    let open = ["issue", "open", "h6", "--series", "hotline"];
    desk.edit(&[&open, from_to.as_slice()].concat()).await?.ok();
    desk.edit(&["issue", "freeze", "h6"]).await?.ok();
    insta::assert_snapshot!(desk.text("hotline/2023-01").await?);

    // Another template is tried on the same figures, and stays a draft.
    let source = std::fs::read_to_string(data("templates/hotline.toml"))?;
    let other = source.replace("本周共受理群众诉求", "{{ closing }}一周受理");
    let file = desk.hall.file("other.toml", &other)?;
    let tried =
        desk.run(&["compose", "h6", "--template", &file, "--set", "closing=摘要："]).await?;
    assert!(tried.ok().text().contains("摘要：一周受理7331件"));
    let wrong = desk.hall.file("wrong.toml", &other.replace("{{ total }}", "{{ totals }}"))?;
    let refused = desk.run(&["compose", "h6", "--template", &wrong]).await?.fails(4, "E.220");
    assert!(refused.err.contains("line 51"), "{}", refused.err);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_table_is_refused_with_its_line() -> anyhow::Result<()> {
    let desk = desk().await?;
    let last = desk.hall.last().await?;
    let days = ["--source", "平台", "--from", "2023-02-01", "--to", "2023-02-28"];
    for (text, code, said) in [
        ("", "E.102", "line 1"),
        ("a,,c\n1,2,3\n", "E.102", "line 1"),
        ("a,b\n1,2\n1,2,3\n", "E.102", "line 3"),
        ("a,a\n1,2\n", "E.102", "twice"),
        (&format!("a\n{}", "1\n".repeat(501)), "E.102", "line 502"),
    ] {
        let file = desk.hall.file("table.csv", text)?;
        let import = [&["import", "t", &file], days.as_slice()].concat();
        let refused = desk.edit(&import).await?.fails(4, code);
        assert!(refused.err.contains(said), "{text:?}: {}", refused.err);
    }
    std::fs::write(desk.hall.dir().join("table.csv"), [0xB3, 0xC9, 0x0A])?;
    let file = desk.hall.dir().join("table.csv").display().to_string();
    let import = [&["import", "t", &file], days.as_slice()].concat();
    let refused = desk.edit(&import).await?.fails(4, "E.102");
    assert!(refused.err.contains("UTF-8"), "{}", refused.err);
    // A byte order mark, quotes and an empty line below are what spreadsheets write.
    let good = desk.hall.file("table.csv", "\u{FEFF}a,b\n\"甲,乙\", 1\n,\n")?;
    let import = [&["import", "t", &good], days.as_slice()].concat();
    let dry = desk.edit(&[import.clone(), vec!["--dry-run"]].concat()).await?.ok();
    assert!(dry.text().contains("1 行 rows，栏 columns a、b（未写入"), "{}", dry.text());
    let clerk = [&import, ["--by", "nobody"].as_slice()].concat();
    desk.run(&clerk).await?.fails(4, "E.111");
    assert_eq!(desk.hall.last().await?, last, "nothing was stored");
    desk.edit(&import).await?.ok();
    Ok(())
}

const OF_WINDOWS: &str = "title = \"窗口办件月报\"
masthead = []

[[section]]
key = \"month\"
heading = \"本月\"
kind = \"text\"
text = '''
{% let before = earlier(1, 'consulted', 'week') %}
{{ period | form('month') }}咨询{{ figure('consulted', 'week') }}人次{% if before != none %}，上月{{ before }}人次，环比{{ (figure('consulted', 'week') - before) / before * 100 | decimals(1, 'sign') }}%{% end %}；今年累计{{ figure('consulted', 'year') }}人次。
{% if figure('consulted', 'adjustment') != 0 %}
调整：{{ adjustments() }}。
{% end %}
咨询最多的窗口为{% for it in parts('window', 'week') | top(2, consulted) between '、' last '和' %}{{ it.name }}（{{ it.consulted }}人次）{% end %}。
'''
";

/// A month's figures are counted from the same events as the weeks', and carry on their own: what comes late is an
/// adjustment of both. Composing compares the sums of each with the record, or prints nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_the_windows_adds_up_beside_its_weeks() -> anyhow::Result<()> {
    let people = sample()?.people;
    let (editor, leader) = (people.editor.to_string(), people.leader.to_string());
    let desk = Desk { hall: Hall::with_issues().await?, editor, leader };
    let file = desk.hall.file("windows.toml", OF_WINDOWS)?;
    let administrator = people.administrator.to_string();
    let put = ["setup", "put", "template", "windows", &file, "--by", &administrator];
    desk.run(&put).await?.ok();
    let open = |id: &'static str, first: &'static str, last: &'static str| {
        ["issue", "open", id, "--series", "windows", "--from", first, "--to", last]
    };
    desk.edit(&open("m1", "2023-01-01", "2023-01-31")).await?.ok();
    desk.sign("m1", "2023-03-01").await?;
    let january = desk.text("m1").await?;
    assert!(!january.contains("调整") && !january.contains("上月"), "{january}");

    let reviser = people.reviser.to_string();
    let late = ["emit", "咨询", "--terminal", "w01", "--people", "3", "--by", &reviser];
    let time = ["--time", "2023-01-10T10:00:00+08:00"];
    desk.run(&[&late, time.as_slice()].concat()).await?.ok();
    desk.edit(&open("m2", "2023-02-01", "2023-02-28")).await?.ok();
    desk.edit(&["issue", "freeze", "m2"]).await?.ok();
    let february = desk.text("windows/2023-02").await?;
    assert!(february.contains("调整：补计咨询3人次。\n"), "{february}");
    assert!(february.contains("，上月") && february.contains("环比"), "{february}");
    // What was signed stays as it was.
    assert_eq!(desk.text("m1").await?, january);

    // The next week of the weekly has the same three, by the template that the weekly had.
    desk.edit(&["issue", "open", "w7"]).await?.ok();
    desk.edit(&["issue", "freeze", "w7"]).await?.ok();
    let shown = desk.run(&["issue", "show", "w7", "--json"]).await?.ok().json()?;
    assert_eq!((shown["number"].as_i64(), shown["running_number"].as_i64()), (Some(6), Some(426)));
    let rebuilt = desk.run(&["rebuild", "--verify"]).await?;
    assert_eq!(rebuilt.exit, 0, "{}", rebuilt.err);
    assert_eq!(desk.text("m2").await?, february);
    Ok(())
}
