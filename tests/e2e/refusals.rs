//! What the program refuses, what it warns of, and what is stored all the same but counts nothing.

use serde_json::json;

use crate::hall::Hall;

fn line(kind: &str, data: &serde_json::Value, source: &str, time: &str) -> String {
    let event = json!({
        "specversion": "1.0",
        "source": source,
        "type": format!("cn.zhoubao.{kind}.v1"),
        "time": time,
        "data": data,
    });
    format!("{event}\n")
}

const WINDOW: &str = "hall.510000.terminal.w01";
const TIME: &str = "2023-02-06T09:10:00+08:00";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_refused_and_nothing_is_stored() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let last = hall.last().await?;
    let one = json!({ "people": 1 });
    let lines = [
        ("{ not json\n".to_owned(), "E.102"),
        (line("Consulted", &json!({}), WINDOW, TIME), "E.102"),
        (line("Accepted", &json!({ "department": "d01" }), WINDOW, TIME), "E.102"),
        (line("Consulted", &one, "hall.440000.terminal.w01", TIME), "E.100"),
        (line("Consulted", &json!({ "people": 0 }), WINDOW, TIME), "E.114"),
        (line("Consulted", &json!({ "people": 10_000_000 }), WINDOW, TIME), "E.114"),
        (line("Consulted", &one, WINDOW, "2023-02-30T09:10:00+08:00"), "E.102"),
    ];
    for (input, code) in lines {
        hall.run_with(&input, &["emit", "-"]).await?.fails(4, code);
    }
    let calendar = hall.file(
        "2027.json",
        r#"{"year":2027,"notice":"n","off":[{"date":"2026-01-01","name":"元旦"}],"work":[]}"#,
    )?;
    let administrator = &crate::hall::sample()?.people.administrator;
    let by = ["--by", administrator.as_str()];
    let put = ["setup", "put", "calendar", "2027", &calendar, by[0], by[1]];
    hall.run(&put).await?.fails(4, "E.210");
    let weekly = include_str!("../../data/templates/weekly.toml");
    let template = hall.file("weekly.toml", &weekly.replace("'accepted'", "'handled'"))?;
    let put = ["setup", "put", "template", "weekly", &template, by[0], by[1]];
    hall.run(&put).await?.fails(4, "E.220");
    let editor = &crate::hall::sample()?.people.editor;
    let freeze = ["issue", "freeze", "2023-05", "--by", editor.as_str()];
    hall.run(&freeze).await?.fails(4, "E.500");
    assert_eq!(hall.last().await?, last, "nothing was stored");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_not_count_is_warned_of_and_stored_only_anyway() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let sample = crate::hall::sample()?;
    let department = sample.departments.first().expect("a department").department.to_string();
    let case = |id: &str| json!({ "case": id, "department": department });
    let accepted = line("Accepted", &case("c1"), WINDOW, TIME);
    hall.run_with(&accepted, &["emit", "-"]).await?.ok();
    let lines = [
        (line("Consulted", &json!({ "people": 1 }), WINDOW, "2999-02-06T09:10:00+08:00"), "E.105"),
        (line("Issued", &case("never"), WINDOW, TIME), "E.103"),
        (line("Accepted", &case("c1"), WINDOW, TIME), "E.103"),
    ];
    let before = hall.last().await?;
    for (place, (input, code)) in lines.iter().enumerate() {
        hall.run_with(input, &["emit", "-"]).await?.fails(4, code);
        assert_eq!(hall.last().await?, before + place as u64, "only with --anyway");
        hall.run_with(input, &["emit", "-", "--anyway"]).await?.ok();
        assert_eq!(hall.last().await?, before + place as u64 + 1);
    }
    let counts = hall.counts().await?;
    assert_eq!(counts.flagged, 3);
    assert_eq!(hall.amounts("2023-01-01", "2023-12-31").await?, [0, 1, 0, 0]);
    Ok(())
}
