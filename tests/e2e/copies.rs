//! The read models are a copy: built anew they give the same issue, and a planted difference is found.

use anyhow::Context as _;
use sqlx::{Connection as _, SqliteConnection};

use crate::hall::Hall;

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_hall_gives_the_same_issue_after_rebuilds_and_finds_planted_rows()
-> anyhow::Result<()> {
    let hall = Hall::with_issues().await?;
    let printed = hall.run(&["compose", "2023-05"]).await?.ok().text();
    assert!(printed.contains("咨询459人次、受理94件、颁发93件、流转219件"));
    assert!(printed.contains("累计咨询1130人次、受理1040件、颁发921件、流转2060件"));
    let before = hall.run(&["compose", "2023-04"]).await?.ok().text();
    assert!(before.contains("累计咨询671人次、受理946件、颁发828件、流转1841件"));
    let json = ["compose", "2023-05", "--format", "json"];
    let canonical = hall.run(&json).await?.ok().out;
    for _ in 0..3 {
        hall.run(&["rebuild", "--verify"]).await?.ok();
        assert_eq!(hall.run(&json).await?.ok().out, canonical);
        assert_eq!(hall.run(&["compose", "2023-05"]).await?.ok().text(), printed);
    }
    let path = hall.dir().join("read.db");
    let mut rows = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await?;
    let planted = [
        (
            "tally",
            "update tally set amount = amount + 1 where (day, window, department, kind) = \
            (select day, window, department, kind from tally limit 1)",
        ),
        (
            "case_file",
            "update case_file set transferred = 99 where id = (select id from case_file limit 1)",
        ),
        (
            "figure",
            "update figure set amount = amount - 1 where (issue, definition, span, partition, part) = \
            (select issue, definition, span, partition, part from figure limit 1)",
        ),
        ("head", "update head set number = number + 1 where stream = 'terminal.w01'"),
        (
            "day_close",
            "delete from day_close where (day, window) = (select day, window from day_close limit 1)",
        ),
    ];
    for (table, statement) in planted {
        let done = sqlx::raw_sql(statement).execute(&mut rows).await?;
        assert_eq!(done.rows_affected(), 1, "{table}");
    }
    rows.close().await?;
    let found = hall.run(&["rebuild", "--verify"]).await?;
    assert_eq!(found.exit, 3, "{}\n{}", found.text(), found.err);
    for (table, _) in planted {
        let said = found.text();
        said.lines().find(|it| it.contains(table)).with_context(|| format!("{table}: {said}"))?;
    }
    hall.run(&["rebuild", "--verify"]).await?.ok();
    assert_eq!(hall.run(&["compose", "2023-05"]).await?.ok().text(), printed);
    Ok(())
}
