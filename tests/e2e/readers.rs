//! The live board has as many readers as it is set to have, and one that never reads is cut off and costs the others
//! nothing.

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zhoubao_test_support::eventually;

use crate::hall::{COMMAND_MAX, Hall};
use crate::web::{Service, Visitor};

/// Opens the live board, and has the first picture.
async fn watch(visitor: &Visitor) -> anyhow::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(visitor.address).await?;
    stream.write_all(visitor.request("GET", "/v1/board/live", "").as_bytes()).await?;
    let mut stream = BufReader::new(stream);
    let picture = async {
        let mut line = String::new();
        while line != "event: snapshot\n" {
            line.clear();
            ensure!(stream.read_line(&mut line).await? > 0, "the connection was closed");
        }
        Ok(())
    };
    timeout(COMMAND_MAX, picture).await??;
    Ok(stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reader_above_the_limit_is_told_when_to_come_again() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    std::fs::write(hall.dir().join("zhoubao.toml"), "live_readers_max = 2\n")?;
    let mut service = Service::start(&hall, 0).await?;
    let visitor = Visitor::at(service.address).welcomed(&hall, "e01").await?;
    let (first, _second) = (watch(&visitor).await?, watch(&visitor).await?);
    let refused = visitor.get("/v1/board/live").await?;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
    assert_eq!(refused.json()?["code"], "E.705");
    // Everything else is answered, and a place that is left is another's.
    let metrics = visitor.get("/metrics").await?;
    assert!(metrics.body.contains("zhoubao_live_readers{hall=\"510000\"} 2\n"), "{metrics:?}");
    drop(first);
    eventually("the place to be free", COMMAND_MAX, async || Ok(watch(&visitor).await.ok()))
        .await?;
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_and_no_address_takes_the_places_of_the_others() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let settings = "live_readers_session_max = 1\nlive_readers_address_max = 2\n\
                    public_host = \"zhoubao.hall.example\"\n";
    std::fs::write(hall.dir().join("zhoubao.toml"), settings)?;
    let mut service = Service::start(&hall, 0).await?;
    let at = |address| Visitor::at(service.address).with("X-Forwarded-For", address);
    let editor = at("10.0.0.1").welcomed(&hall, "e01").await?;
    let leader = at("10.0.0.1").welcomed(&hall, "l01").await?;
    let clerk = at("10.0.0.1").welcomed(&hall, "c01").await?;
    let _editors = watch(&editor).await?;
    let refused = editor.get("/v1/board/live").await?;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
    assert!(refused.body.contains("in this session"), "{refused:?}");

    let leaders = watch(&leader).await?;
    let refused = clerk.get("/v1/board/live").await?;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("from this address"), "{refused:?}");
    let _elsewhere = watch(&clerk.with("X-Forwarded-For", "10.0.0.2")).await?;
    drop(leaders);
    eventually("the place to be free", COMMAND_MAX, async || Ok(watch(&leader).await.ok())).await?;
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_is_cut_off_and_the_others_miss_nothing() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let arguments = ["bench", "readers", "--readers", "20", "--events", "200", "--runs", "1"];
    let measured = hall.run(&[&arguments[..], &["--json"]].concat()).await?.ok().json()?;
    assert_eq!(measured["beyond"]["status"], 503, "{measured}");
    let run = &measured["runs"][0];
    // The one that takes turns with it is not measured.
    for side in ["without", "beside"] {
        assert_eq!(run[side]["count"], 19 * 200, "{measured}");
    }
    let cut_off = run["cut_off_after_seconds"].as_f64().context("never cut off")?;
    assert!(cut_off < 40.0, "{measured}");
    Ok(())
}
