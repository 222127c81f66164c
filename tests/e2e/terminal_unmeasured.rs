//! What a device records before anybody has measured its clock: corrected by itself once somebody has, or held back.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use zhoubao::terminal::clock::{mark, stamp};
use zhoubao_application::clock::{Clock as _, SystemClock};
use zhoubao_contract::structured::parse;
use zhoubao_domain::time::{hall_day, rfc3339};
use zhoubao_store_sqlite::ledger::{ClockNotes, Contact, Ledger, Settings, Stamp};

use crate::hall::{Hall, code, sample};
use crate::terminal_http::consultation;

const RUN: [&str; 4] = ["terminal", "run", "w01", "--once"];

/// The ledger of a device, which is ended by [`Ledger::close`] before another program opens it.
pub(crate) async fn ledger(hall: &Hall) -> anyhow::Result<Arc<Ledger>> {
    std::fs::create_dir_all(hall.dir())?;
    let settings = Settings {
        path: hall.dir().join("terminal-w01.db"),
        hall: code()?,
        terminal: "w01".parse()?,
        now: SystemClock.now(),
    };
    Ok(Arc::new(Ledger::open(settings).await?))
}

/// The three clocks an hour ago, when the clock of the wall was ahead by so much.
fn an_hour_ago(ahead: SignedDuration) -> Stamp {
    let hour = SignedDuration::from_hours(1);
    let now = stamp(&SystemClock);
    let monotonic_us = now.monotonic_us - 3_600_000_000;
    Stamp { wall: now.wall - hour + ahead, monotonic_us, ..now }
}

/// Records a consultation as the agent does, at the time of its own clock.
async fn record(ledger: &Ledger, key: &str, notes: &ClockNotes, now: &Stamp) -> anyhow::Result<()> {
    let mut event = consultation(key);
    event["time"] = rfc3339(now.wall).into();
    let mut events = [parse(&event.to_string(), &code()?)?];
    mark(&mut events, notes, now);
    ledger.record(&events, now).await?;
    Ok(())
}

/// Consultations of the hall's day at a moment.
async fn on_day_of(hall: &Hall, at: Timestamp) -> anyhow::Result<i64> {
    let day = hall_day(at).to_string();
    Ok(hall.amounts(&day, &day).await?[0])
}

/// The machine was switched on without a network, and its clock stood still while it was off.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_stood_still_for_a_week_is_corrected_at_the_first_contact()
-> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let ledger = ledger(&hall).await?;
    let slow = an_hour_ago(SignedDuration::from_hours(-7 * 24));
    record(&ledger, "stood still", &ClockNotes::default(), &slow).await?;
    // This one waited, too, and its clock was right, of which nobody could know.
    let right = an_hour_ago(SignedDuration::ZERO);
    record(&ledger, "right", &ClockNotes::default(), &right).await?;
    ledger.close().await;

    let ran = hall.run(&RUN).await?.ok();
    let before = hall.counts().await?;
    assert_eq!(before.flagged, 2, "{}", ran.err);
    // Both say by themselves when they were, and count there and nowhere else.
    assert_eq!(on_day_of(&hall, right.wall).await?, 2);
    assert_eq!(on_day_of(&hall, slow.wall).await?, 0);
    let export = hall.run(&["terminal", "export", "w01"]).await?.ok().text();
    assert_eq!(export.matches("Corrected.v1").count(), 2, "{export}");
    assert!(!export.lines().last().unwrap_or_default().contains("clockunsure"), "{export}");
    // Another start corrects nothing again, and what is recorded now is sure.
    hall.run_with(&format!("{}\n", consultation("later")), &RUN).await?.ok();
    let status = hall.run(&["terminal", "status", "w01", "--json"]).await?.ok().json()?;
    assert_eq!((&status["recorded"], &status["to_send"]), (&5.into(), &0.into()), "{status}");
    let after = hall.counts().await?;
    assert_eq!((after.counted, after.flagged), (before.counted + 1, 2));
    Ok(())
}

/// Somebody sets the clock before anybody has measured it.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_before_the_first_contact_is_corrected_event_by_event()
-> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let ledger = ledger(&hall).await?;
    let off = [-8, 9, 0].map(|days| an_hour_ago(SignedDuration::from_hours(24 * days)));
    for (key, at) in ["slow", "fast", "right"].into_iter().zip(&off) {
        record(&ledger, key, &ClockNotes::default(), at).await?;
    }
    ledger.close().await;
    hall.run(&RUN).await?.ok();
    assert_eq!(hall.counts().await?.flagged, 3);
    let [slow, fast, right] = off.map(|it| it.wall);
    assert_eq!(on_day_of(&hall, right).await?, 3);
    assert_eq!((on_day_of(&hall, slow).await?, on_day_of(&hall, fast).await?), (0, 0));
    Ok(())
}

/// A battery is empty: the clock is wrong after a start, and what was measured in an earlier boot says nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_know_is_held_back_until_a_person_says_it() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let ledger = ledger(&hall).await?;
    let week = SignedDuration::from_hours(7 * 24);
    let measured = Stamp { boot: "two boots ago".to_owned(), ..an_hour_ago(-week) };
    let server = measured.wall - SignedDuration::from_secs(47);
    let contact = Contact { server, at: measured, uncertainty_us: 1_000 };
    ledger.note_contact(&contact).await?;
    let slow = Stamp { boot: "without contact".to_owned(), ..an_hour_ago(-week) };
    record(&ledger, "in doubt", &ledger.clock().await?, &slow).await?;
    ledger.close().await;
    let export = hall.run(&["terminal", "export", "w01"]).await?.ok().text();
    assert!(export.contains("\"clockoffset\":\"47000\""), "it is carried on: {export}");
    assert!(export.contains("\"clockunsure\":"), "{export}");

    // The device is switched off and on, and has a network again.
    hall.run_with(&format!("{}\n", consultation("today")), &RUN).await?.ok();
    // What is recorded today was in doubt, too, as the clock is not 47 seconds ahead any more; the device corrected it.
    assert_eq!(hall.counts().await?.flagged, 2);
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?[0], 1);
    assert_eq!(on_day_of(&hall, slow.wall).await?, 0, "not silently in another week");
    let now = SystemClock.now();
    assert_eq!(on_day_of(&hall, now).await?, 0);
    let rows = hall.context().open_store().await?.exceptions(&code()?, true).await?;
    let codes: Vec<_> = rows.iter().map(|it| it.code.text()).collect();
    assert_eq!(codes, ["E.131"]);

    // The clerk says when it was: the office corrects it.
    let reviser = sample()?.people.reviser.to_string();
    let correct = ["emit", "correct", "--terminal", "w02", "--event", "terminal.w01#1"];
    let how = ["--time", &rfc3339(now), "--reason", "时钟停走", "--by", &reviser];
    hall.run(&[&correct[..], &how].concat()).await?.ok();
    assert_eq!(on_day_of(&hall, now).await?, 1);
    let rows = hall.context().open_store().await?.exceptions(&code()?, true).await?;
    assert!(rows.is_empty(), "{rows:?}");
    Ok(())
}
