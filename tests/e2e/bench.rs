//! The benchmarks come to their numbers: what they measure is complete, or they fail.

use zhoubao_test_support::NatsServer;

use crate::hall::Hall;

#[tokio::test]
async fn given_a_window_that_drains_beside_others_when_measured_then_all_is_stored_and_counted()
-> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&server);
    let arguments = ["bench", "drain", "--events", "450", "--runs", "1", "--json"];
    let measured = hall.run(&arguments).await?.ok().json()?;
    assert_eq!(measured["recorded"], measured["stored"], "{measured}");
    assert_eq!(measured["journal"], measured["counted"], "{measured}");
    let others = measured["recorded"].as_u64().unwrap_or_default() - 450;
    assert!(measured["idle"]["events"].as_u64().is_some_and(|it| (1..=others).contains(&it)));
    assert!(measured["seconds"][0].as_f64().is_some_and(|it| it > 0.0), "{measured}");
    // Its halls and streams are gone, so it can be run again.
    hall.run(&arguments).await?.ok();
    Ok(())
}

#[tokio::test]
async fn given_a_journal_in_a_file_when_a_drain_is_to_be_measured_then_it_says_what_it_needs()
-> anyhow::Result<()> {
    let ran = Hall::in_files()?.run(&["bench", "drain"]).await?;
    assert_eq!(ran.exit, 2, "{ran:?}");
    assert!(ran.err.contains("zhoubao bench drain --journal nats"), "{ran:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_long_and_a_short_journal_when_an_issue_is_composed_then_both_give_all_forms()
-> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let arguments = ["bench", "compose", "--events", "2500", "--runs", "1", "--json"];
    let measured = hall.run(&arguments).await?.ok().json()?;
    assert_eq!(measured["forms"], 7, "{measured}");
    let events = |of: &str| measured["events"][of].as_u64().unwrap_or_default();
    // The set-up, the register and the desk's own events come on top.
    assert!(events("long") > 2_500 && events("short") + 500 == events("long"), "{measured}");
    for side in ["long", "short"] {
        let runs = measured[side].as_array().map_or(&[][..], Vec::as_slice);
        assert_eq!(runs.len(), 1, "{measured}");
        for part in ["compose_ms", "render_ms", "ms", "again_ms"] {
            assert!(runs[0][part].as_f64().is_some_and(|it| it > 0.0), "{measured}");
        }
    }
    assert!(measured["ratio"].as_f64().is_some_and(|it| it > 0.0), "{measured}");
    Ok(())
}
