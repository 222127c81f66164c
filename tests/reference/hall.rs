//! A hall that is played on one pair of journal and store.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::civil::Date;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use tempfile::TempDir;
use zhoubao::config::{Address, Config, JournalAt, StoreAt};
use zhoubao::failure::Failure;
use zhoubao::output::Output;
use zhoubao::play::Player;
use zhoubao::projecting::LiveDesk;
use zhoubao::sample::Sample;
use zhoubao::wiring::Context;
use zhoubao_application::bundle;
use zhoubao_application::clock::SystemClock;
use zhoubao_application::trace::trace;
use zhoubao_application::weekly::{self, Weekly};
use zhoubao_application::writer::{Unnumbered, Writer};
use zhoubao_composer::{Document, csv, json, txt};
use zhoubao_domain::event::{Event, Kind, Replacement};
use zhoubao_domain::figure::{Partition, Span};
use zhoubao_domain::id::{EventRef, Stream};
use zhoubao_domain::time::{hall_day, hall_zone};
use zhoubao_test_support::{NatsServer, Postgres};

/// Where the journal is, and where the read models are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    /// One folder.
    SqliteSqlite,
    /// A broker and a folder.
    NatsSqlite,
    /// Two servers.
    NatsPostgres,
}

/// What is done to an act before the freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// It happened on another day.
    Move(Date),
    /// It did not happen.
    Void,
}

/// An act of the last week.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActOfWeek {
    /// Its day.
    pub(crate) day: Date,
    /// What.
    pub(crate) kind: Kind,
    /// How many of its kind were before it in the week.
    pub(crate) nth: usize,
}

/// The last issue with what was done.
pub(crate) struct Outcome {
    weekly: Weekly,
    /// Events of windows, day closes and corrections not counted.
    pub(crate) window_events: usize,
    /// Events whose day was moved.
    pub(crate) moved: usize,
    /// Events that were voided.
    pub(crate) voided: usize,
    /// Day, kind and amount of every act as it is true in the end.
    pub(crate) true_acts: Vec<(Date, Kind, i64)>,
}

impl Outcome {
    /// The composed issue.
    pub(crate) fn document(&self) -> &Document {
        &self.weekly.composed.document
    }

    /// What the checks found: code, place and text.
    pub(crate) fn findings(&self) -> Vec<String> {
        let findings = self.weekly.findings();
        findings.iter().map(|it| format!("{} {}: {}", it.code, it.place, it.text)).collect()
    }

    /// The printed text.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8(txt::export(&self.weekly.composed.document))?)
    }
}

/// A change of one row, and the way back.
pub(crate) struct RowChange {
    /// The statement that changes it.
    pub(crate) make: String,
    /// The statement that takes it back.
    pub(crate) undo: String,
}

/// A hall being played; servers and files go with it.
pub(crate) struct Played {
    desk: LiveDesk,
    sample: Sample,
    folder: TempDir,
    /// Whether bundles are manipulated, too.
    planted: bool,
    _nats: Option<NatsServer>,
}

impl Played {
    /// Starts the servers and opens journal and store.
    pub(crate) async fn start(pair: Pair, sample: Sample) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut config = Config {
            dir: folder.path().join("hall"),
            hall: Some(sample.hall.clone()),
            ..Config::default()
        };
        let mut nats = None;
        if pair != Pair::SqliteSqlite {
            let server = NatsServer::start().await?;
            config.journal = JournalAt::Nats(Address::new(server.url()));
            config.sys_url = Some(Address::new(server.sys_url()));
            nats = Some(server);
        }
        if pair == Pair::NatsPostgres {
            let url = Postgres::shared().await?.create_database().await?;
            config.store = StoreAt::Postgres(Address::new(url));
        }
        let output = Output::to(Box::new(std::io::sink()), Box::new(std::io::sink()), false, true);
        let ctx = Context::new(config, Arc::new(SystemClock), output);
        Ok(Self {
            desk: ctx.desk().await?,
            sample,
            folder,
            planted: pair == Pair::SqliteSqlite,
            _nats: nats,
        })
    }

    /// Plays all weeks.
    pub(crate) async fn play(&self) -> anyhow::Result<Outcome> {
        self.play_with(|_| Change::None).await
    }

    /// Plays all weeks; acts of the last one are changed before its freeze.
    pub(crate) async fn play_with(
        &self,
        change: impl Fn(ActOfWeek) -> Change,
    ) -> anyhow::Result<Outcome> {
        let mut player = Player::new(&self.desk, &self.sample, self.sample.acts(7)?);
        player.begin().await?;
        let mut last = None;
        let mut outcome = (0, 0, vec![]);
        for (place, week) in self.sample.weeks.iter().enumerate() {
            player.week(week).await?;
            if place + 1 == self.sample.weeks.len() {
                outcome = self.change(&player, week.period.first(), &change).await?;
            }
            last = Some(player.finish(week).await?);
        }
        let acts = player.receipts.iter().filter(|(it, _)| matches!(it.event, Event::Act(_)));
        let (moved, voided, true_acts) = outcome;
        let window_events = acts.count();
        let weekly = last.ok_or_else(|| anyhow::anyhow!("no week"))?;
        Ok(Outcome { weekly, window_events, moved, voided, true_acts })
    }

    async fn change(
        &self,
        player: &Player<'_>,
        first: Date,
        change: &impl Fn(ActOfWeek) -> Change,
    ) -> anyhow::Result<(usize, usize, Vec<(Date, Kind, i64)>)> {
        let mut seen = std::collections::BTreeMap::new();
        let (mut moved, mut voided, mut true_acts, mut events) = (0, 0, vec![], vec![]);
        for (event, receipt) in &player.receipts {
            let Event::Act(act) = &event.event else { continue };
            let day = hall_day(event.occurred_at);
            let amount = i64::from(act.amount);
            let change = if day < first {
                Change::None
            } else {
                let nth = seen.entry(act.kind).or_insert(0_usize);
                *nth += 1;
                change(ActOfWeek { day, kind: act.kind, nth: *nth - 1 })
            };
            let original = EventRef { stream: receipt.stream.clone(), number: receipt.number };
            let reason = "核对台账".to_owned();
            let event = match change {
                Change::None => {
                    true_acts.push((day, act.kind, amount));
                    continue;
                }
                Change::Move(to) => {
                    moved += 1;
                    true_acts.push((to, act.kind, amount));
                    let at = hall_zone().to_timestamp(to.at(11, 0, 0, 0))?;
                    let replacement =
                        Replacement { occurred_at: Some(at), ..Replacement::default() };
                    Event::Corrected { original, replacement, reason }
                }
                Change::Void => {
                    voided += 1;
                    Event::Voided { original, reason }
                }
            };
            events.push(Unnumbered {
                stream: Stream::clone(&receipt.stream),
                occurred_at: hall_zone().to_timestamp(first.at(18, 0, 0, 0))?,
                entered_at: None,
                actor: Some(self.sample.people.reviser.clone()),
                command: None,
                event,
            });
        }
        let mut writer = Writer::new(self.desk.journal().clone(), self.desk.hall().clone());
        writer.write(events).await?;
        self.desk.catch_up().await?;
        let open = self.desk.store().exceptions(self.desk.hall(), true).await?;
        anyhow::ensure!(open.is_empty(), "every change counts: {open:?}");
        Ok((moved, voided, true_acts))
    }

    /// Traces every total of an issue, the year in both ways, and some of the parts; answers with how many.
    pub(crate) async fn trace_all(&self, issue: &str) -> anyhow::Result<usize> {
        const PARTS_STEP: usize = 16;
        let id = self.desk.known().await?.find_issue(issue)?;
        let store = &**self.desk.store();
        let weekly = weekly::compose(store, self.desk.hall(), &id, None).await?;
        let keys = || weekly.material.figures.keys();
        let totals = keys().filter(|it| it.partition == Partition::Total);
        let parts = keys().filter(|it| it.partition != Partition::Total).step_by(PARTS_STEP);
        let carried = totals.clone().filter(|it| it.span == Span::Year).map(|it| (it, true));
        let asked: Vec<_> = totals.chain(parts).map(|it| (it, false)).chain(carried).collect();
        for (key, carry) in &asked {
            trace(store, self.desk.hall(), &id, &weekly, (*key).clone(), *carry)
                .await
                .with_context(|| format!("{key:?}"))?;
        }
        for (definition, span, carry) in [
            ("accepted", Span::Week, false),
            ("consulted", Span::Year, false),
            ("consulted", Span::Year, true),
        ] {
            let key = keys().find(|it| {
                it.definition == definition && it.span == span && it.partition == Partition::Total
            });
            let key = key.context("the figure is missing")?.clone();
            let hall = self.desk.hall();
            let found = trace(store, hall, &id, &weekly, key, carry).await?;
            let files = bundle::make(&**self.desk.journal(), store, hall, &found, &weekly).await?;
            let checked = bundle::check(&files)?;
            anyhow::ensure!(checked.value == found.figure.amount, "{checked:?}");
            if (definition, checked.value) == ("accepted", 94) && self.planted {
                let count = crate::manipulations::all_are_found(&files)?;
                anyhow::ensure!(count >= 30, "{count} manipulations");
            }
        }
        Ok(asked.len())
    }

    /// The text of an issue as composed now.
    pub(crate) async fn compose(&self, number: &str) -> anyhow::Result<String> {
        let known = self.desk.known().await?;
        let id = known.find_issue(number)?;
        let weekly = weekly::compose(&**self.desk.store(), self.desk.hall(), &id, None)
            .await
            .map_err(|it| anyhow::anyhow!("{}", Failure::from(it)))?;
        Ok(String::from_utf8(txt::export(&weekly.composed.document))?)
    }

    /// Counts journal, read models and the issue again with `tests/recount`, which agrees on everything.
    pub(crate) async fn recount(&self, issue: &Document) -> anyhow::Result<()> {
        let printed = self.folder.path().join("issue.json");
        std::fs::write(&printed, json::export(issue))?;
        std::fs::write(printed.with_extension("txt"), txt::export(issue))?;
        std::fs::write(printed.with_extension("csv"), csv::export(issue))?;
        let ran = tokio::process::Command::new("python3")
            .args(["-m", "recount", "--hall"])
            .arg(self.folder.path().join("hall"))
            .arg("--issue")
            .arg(&printed)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recount"))
            .output()
            .await?;
        let said = String::from_utf8_lossy(&ran.stdout);
        anyhow::ensure!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
        let figures = said.split(" figures ").nth(1).and_then(|it| it.split(' ').next());
        let figures: u64 = figures.unwrap_or_default().parse()?;
        anyhow::ensure!(figures > 2_000, "{said}");
        Ok(())
    }

    async fn rows(&self) -> anyhow::Result<SqliteConnection> {
        let path = self.folder.path().join("hall/read.db");
        Ok(SqliteConnection::connect(&format!("sqlite://{}", path.display())).await?)
    }

    /// Runs one statement on the read models, as somebody who tampers with them.
    pub(crate) async fn execute(&self, statement: &str) -> anyhow::Result<()> {
        let mut rows = self.rows().await?;
        let done =
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut rows).await?;
        anyhow::ensure!(done.rows_affected() == 1, "{statement}: {}", done.rows_affected());
        Ok(())
    }

    /// One change for every total of the last issue and the one before, every 23rd of their parts, and tallies.
    pub(crate) async fn changes(&self) -> anyhow::Result<Vec<RowChange>> {
        let mut rows = self.rows().await?;
        let mut changes = vec![];
        let ids: Vec<_> =
            self.sample.weeks.iter().rev().take(2).map(|it| it.issue.clone()).collect();
        let figures = sqlx::query(
            "select issue, definition, span, partition, part from figure order by 1, 2, 3, 4, 5",
        )
        .fetch_all(&mut rows)
        .await?;
        for (place, row) in figures.iter().enumerate() {
            let [issue, definition, span, partition, part]: [String; 5] =
                std::array::from_fn(|column| row.get(column));
            let last = ids.first().is_some_and(|it| it.as_str() == issue);
            // Of the issue before only what is carried is read.
            let carried = ids.iter().any(|it| it.as_str() == issue) && span == "year";
            if partition == "total" && (last || carried) || last && place % 23 == 0 {
                let set = |sign| {
                    format!(
                        "update figure set amount = amount {sign} 1 where issue = '{issue}' and definition = '{definition}' \
                         and span = '{span}' and partition = '{partition}' and part = '{part}'"
                    )
                };
                changes.push(RowChange { make: set("+"), undo: set("-") });
            }
        }
        let cells =
            sqlx::query("select day, window, department, kind from tally order by 1, 2, 3, 4")
                .fetch_all(&mut rows)
                .await?;
        for row in cells.iter().step_by(cells.len() / 12 + 1) {
            let day: i64 = row.get("day");
            let [window, department, kind]: [String; 3] =
                std::array::from_fn(|column| row.get(column + 1));
            let set = |sign| {
                format!(
                    "update tally set amount = amount {sign} 1 where day = {day} and window = '{window}' \
                     and department = '{department}' and kind = '{kind}'"
                )
            };
            changes.push(RowChange { make: set("-"), undo: set("+") });
        }
        Ok(changes)
    }
}
