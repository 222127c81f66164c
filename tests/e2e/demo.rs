//! The demo prints one issue, whatever it runs on.

use std::process::Stdio;

use zhoubao_test_support::NatsServer;

use crate::hall::{Hall, ended};
use crate::recount;

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_prints_the_same_bytes_over_a_server_of_its_own() -> anyhow::Result<()> {
    let (in_files, on_nats) = (Hall::in_files()?, Hall::in_files()?);
    let printed = in_files.run(&["demo", "--once"]).await?.ok();
    let child = on_nats
        .command(&["demo", "--once", "--journal", "nats"])
        .env("ZHOUBAO_NATS_SERVER", NatsServer::program()?)
        .stdin(Stdio::null())
        .spawn()?;
    let over_nats = ended(child).await?.ok();
    assert!(printed.text().contains("咨询459人次、受理94件、颁发93件、流转219件"));
    assert_eq!(over_nats.text(), printed.text());
    // It did run on a server: the folder has that server's files and no journal of its own.
    assert!(on_nats.dir().join("nats/store").is_dir());
    assert!(!on_nats.dir().join("journal.db").exists());
    assert!(in_files.dir().join("journal.db").exists());
    // A program without any code of the product counts journal, read models and all five issues again.
    let counters = recount::is_right(&["--hall", &in_files.dir().display().to_string()]).await?;
    assert!(counters["figures"].as_u64() > Some(2_500), "{counters}");
    for issue in ["2023-01", "2023-04", "2023-05"] {
        let file = |hall: &Hall, ending: &str| {
            std::fs::read(hall.dir().join(format!("issues/{issue}/{issue}.{ending}")))
        };
        for ending in ["txt", "csv", "html", "docx", "pdf", "ofd"] {
            let of_files = file(&in_files, ending)?;
            assert!(!of_files.is_empty());
            // The others name the root of the journal's tree, and each journal took the events at a time of its own.
            if ["txt", "csv"].contains(&ending) {
                assert!(of_files == file(&on_nats, ending)?, "{issue}.{ending} differs");
            }
        }
        let canonical = |hall: &Hall| -> anyhow::Result<serde_json::Value> {
            let mut value: serde_json::Value = serde_json::from_slice(&file(hall, "json")?)?;
            value["metadata"]["tree"]["root"].take();
            Ok(value)
        };
        assert_eq!(canonical(&in_files)?, canonical(&on_nats)?, "{issue}.json differs");
    }
    Ok(())
}
