//! The demo prints one issue, whatever it runs on.

use std::process::Stdio;

use zhoubao_test_support::NatsServer;

use crate::hall::{Hall, ended};

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
    for issue in ["2023-01", "2023-04", "2023-05"] {
        for ending in ["txt", "html", "json", "csv", "docx", "pdf", "ofd"] {
            let file = |hall: &Hall| {
                std::fs::read(hall.dir().join(format!("issues/{issue}/{issue}.{ending}")))
            };
            let of_files = file(&in_files)?;
            assert!(!of_files.is_empty());
            // The canonical form names positions, which do not depend on the journal either.
            assert!(of_files == file(&on_nats)?, "{issue}.{ending} differs");
        }
    }
    Ok(())
}
