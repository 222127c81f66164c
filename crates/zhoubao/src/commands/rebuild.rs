//! `zhoubao rebuild`: a second copy of the read models from the journal, compared with the live one and swapped in.
//!
//! ```text
//!  live ──► its checkpoint s ──────────────┐
//!  journal ──► UpTo(s) ──► second copy ────┴► every table, row by row ──► fold on to the end ──► swap
//! ```
//!
//! Readers see the one or the other copy, whole. A service that projects gives way for the last step, and goes on with
//! the new copy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use zhoubao_application::journal::Journal;
use zhoubao_application::projector::{Goal, project};
use zhoubao_application::store::{ReadModels, StoreError, TABLES};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::HallCode;
use zhoubao_store_postgres::{PostgresReadModels, SwapError};
use zhoubao_store_sqlite::read_models::SqliteReadModels;

use crate::cli::RebuildArgs;
use crate::config::{Address, StoreAt};
use crate::failure::{Exit, Failure, chain};
use crate::folder::ProjectorLock;
use crate::output::Output;
use crate::projecting::same_journal;
use crate::upto::UpTo;
use crate::wiring::{Access, Context, Whole};

/// Rows of one page of the comparison.
const PAGE_ROWS: u32 = 5_000;

/// Rows of one table that may wait for their counterpart; beyond it, the copies have little in common.
const PENDING_MAX: usize = 100_000;

/// Differences that are kept for the answer in JSON; all are counted.
const KEPT_MAX: usize = 1_000;

/// Tries to compare two copies at one position while a projector moves the live one.
const COMPARE_TRIES: u32 = 5;

/// Tries to swap while a projector moves the live copy.
const SWAP_TRIES: u32 = 20;

/// Longest wait for a service to give way.
const GIVE_WAY_MAX: Duration = Duration::from_secs(15);

/// Pause between two looks whether it did.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Longest text of a row in the list of differences.
const ROW_SHOWN_MAX: usize = 300;

/// Rebuilds the read models.
///
/// # Errors
///
/// Integrity when differences were found; the new copy is live all the same, unless it was a dry run.
pub async fn run(ctx: &Context, args: RebuildArgs) -> Result<(), Failure> {
    if args.dry_run && !args.verify {
        return Err(Failure::usage("--dry-run without --verify would do nothing"));
    }
    let mut halls = vec![ctx.hall()?];
    halls.extend(args.also.iter().cloned());
    let mut sources = Vec::with_capacity(halls.len());
    for hall in halls {
        let journal = ctx.open_journal_of(&hall, Whole::Checked, Access::Read).await?;
        sources.push((hall, journal));
    }
    let copies = Copies::open(ctx).await?;
    let mut locks = None;
    let done = rebuild(ctx, &args, &sources, &copies, &mut locks).await;
    let found = match done {
        Ok(found) => found,
        Err(failure) => {
            copies.close().await;
            return Err(failure);
        }
    };
    if args.dry_run {
        copies.drop_new().await?;
    } else {
        copies.swap(ctx, &sources, locks).await?;
    }
    let reached = sources.iter().map(|(hall, _)| hall.to_string()).collect::<Vec<_>>();
    if ctx.output.is_json() {
        ctx.output.value(&json!({
            "halls": reached, "verified": args.verify, "swapped": !args.dry_run,
            "rows": found.rows, "differences": found.count, "first": found.kept,
        }));
    } else {
        if args.verify {
            ctx.output.line(format!(
                "比对 compared {} 行 rows，差异 differences {}",
                found.rows, found.count
            ));
        }
        let swapped = if args.dry_run { "未替换 not swapped" } else { "已替换 swapped in" };
        ctx.output.line(format!("重建完成 rebuilt，{swapped}"));
    }
    if found.count == 0 {
        return Ok(());
    }
    let next = if args.dry_run {
        "the live copy is kept; run `zhoubao rebuild` to put the rebuilt one in its place, and find out who changed the rows"
    } else {
        "the rebuilt copy is live; find out who changed the rows, and compose unsigned issues again"
    };
    let message = format!("{} rows differ between the live copy and the journal", found.count);
    Err(Failure { exit: Exit::Integrity, ..Failure::coded(Code::SumsDiffer, message) }
        .with_next(next))
}

async fn rebuild(
    ctx: &Context,
    args: &RebuildArgs,
    sources: &[(HallCode, Arc<dyn Journal>)],
    copies: &Copies,
    locks: &mut Option<Locks>,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    for (hall, journal) in sources {
        if args.verify {
            match copies.live() {
                Some(live) => {
                    let compared =
                        verify(ctx, hall, journal, &*live, copies.new_copy(), locks).await?;
                    found.add(compared);
                }
                None => ctx.output.note(
                    "现有读模型无法读取，不作比对 the live copy cannot be read, nothing to compare",
                ),
            }
        }
        if !args.dry_run {
            fold(ctx, hall, journal, copies.new_copy(), journal.state().await?.last).await?;
        }
    }
    Ok(found)
}

/// Folds the new copy up to `last`, exactly.
pub(crate) async fn fold(
    ctx: &Context,
    hall: &HallCode,
    journal: &Arc<dyn Journal>,
    copy: Arc<dyn ReadModels>,
    last: u64,
) -> Result<(), Failure> {
    let bar = ctx.output.progress(last, "重建 rebuilding");
    let prefix: Arc<dyn Journal> = Arc::new(UpTo::new(journal.clone(), last));
    let done = project(prefix, copy, hall.clone(), Goal::Sequence(last), |it| {
        bar.set_position(it.sequence);
    })
    .await;
    bar.finish_and_clear();
    done?;
    Ok(())
}

/// Brings the new copy to the live one's position and compares them there.
pub(crate) async fn verify(
    ctx: &Context,
    hall: &HallCode,
    journal: &Arc<dyn Journal>,
    live: &dyn ReadModels,
    copy: Arc<dyn ReadModels>,
    locks: &mut Option<Locks>,
) -> Result<Found, Failure> {
    for _ in 0..COMPARE_TRIES {
        let Some(at) = live.checkpoint(hall).await? else {
            ctx.output.note("读模型是空的 the live copy is empty, nothing to compare");
            return Ok(Found::default());
        };
        same_journal(&**journal, &at).await?;
        fold(ctx, hall, journal, copy.clone(), at.sequence).await?;
        let found = compare(&ctx.output, hall, live, &*copy).await?;
        let still = live.checkpoint(hall).await?.map(|it| it.sequence);
        if still == Some(at.sequence) {
            found.print(&ctx.output);
            return Ok(found);
        }
        // Rows that moved meanwhile are no differences: whoever moves them gives way, or is fenced for a while.
        match ctx.config.store {
            StoreAt::Sqlite if locks.is_none() => *locks = Some(take_over(ctx).await?),
            StoreAt::Sqlite => {}
            StoreAt::Postgres(_) => drop(live.claim(hall).await?),
        }
    }
    Err(Failure::unavailable(format!(
        "hall {hall}: the live copy keeps moving while it is compared"
    ))
    .with_next("stop `zhoubao serve` or `zhoubao project` for as long as the comparison takes"))
}

/// One row that is not the same in both copies.
struct Difference {
    table: &'static str,
    key: String,
    live: Option<String>,
    rebuilt: Option<String>,
}

/// What a comparison found.
#[derive(Default)]
pub(crate) struct Found {
    /// Rows that were compared.
    pub(crate) rows: u64,
    /// Rows that are not the same.
    pub(crate) count: u64,
    differences: Vec<Difference>,
    /// The first of them.
    pub(crate) kept: Vec<serde_json::Value>,
}

impl Found {
    fn differs(&mut self, difference: Difference) {
        self.count += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(json!({
                "table": difference.table, "key": difference.key,
                "live": difference.live, "rebuilt": difference.rebuilt,
            }));
            self.differences.push(difference);
        }
    }

    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.count += other.count;
        let room = KEPT_MAX.saturating_sub(self.kept.len());
        self.kept.extend(other.kept.into_iter().take(room));
    }

    fn print(&self, output: &Output) {
        if output.is_json() {
            return;
        }
        let shown = |row: &Option<String>| match row {
            None => "—（无此行 no such row）".to_owned(),
            Some(row) if row.chars().count() > ROW_SHOWN_MAX => {
                format!("{}…", row.chars().take(ROW_SHOWN_MAX).collect::<String>())
            }
            Some(row) => row.clone(),
        };
        for it in &self.differences {
            output.line(format!("{} {}", it.table, it.key));
            output.line(format!("  现有 live     {}", shown(&it.live)));
            output.line(format!("  重建 rebuilt  {}", shown(&it.rebuilt)));
        }
        let more = self.count - self.differences.len() as u64;
        if more > 0 {
            output.line(format!("… 另有 and {more} more"));
        }
    }
}

/// Compares every table; both copies must stand still.
async fn compare(
    output: &Output,
    hall: &HallCode,
    live: &dyn ReadModels,
    copy: &dyn ReadModels,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    for table in TABLES {
        let bar = output.progress(0, table);
        let mut pages = Pages { of_live: Side::new(live), of_copy: Side::new(copy) };
        // Rows without their counterpart yet: the key's order is the store's own, so nothing is assumed of it.
        let (mut of_live, mut of_copy) = (BTreeMap::new(), BTreeMap::new());
        while !(pages.of_live.ended && pages.of_copy.ended) {
            for (key, row) in pages.of_live.next(hall, table).await? {
                found.rows += 1;
                match of_copy.remove(&key) {
                    None => drop(of_live.insert(key, row)),
                    Some(other) if other == row => {}
                    Some(other) => found.differs(Difference {
                        table,
                        key,
                        live: Some(row),
                        rebuilt: Some(other),
                    }),
                }
            }
            for (key, row) in pages.of_copy.next(hall, table).await? {
                match of_live.remove(&key) {
                    None => drop(of_copy.insert(key, row)),
                    Some(other) if other == row => {}
                    Some(other) => found.differs(Difference {
                        table,
                        key,
                        live: Some(other),
                        rebuilt: Some(row),
                    }),
                }
            }
            bar.set_position(found.rows);
            if of_live.len() + of_copy.len() > PENDING_MAX {
                output.note(format!(
                    "{table}: 差异过多，不再细比 too many differences, the rest is not compared"
                ));
                break;
            }
        }
        bar.finish_and_clear();
        for (key, row) in of_live {
            found.differs(Difference { table, key, live: Some(row), rebuilt: None });
        }
        for (key, row) in of_copy {
            found.differs(Difference { table, key, live: None, rebuilt: Some(row) });
        }
    }
    Ok(found)
}

struct Pages<'a> {
    of_live: Side<'a>,
    of_copy: Side<'a>,
}

struct Side<'a> {
    store: &'a dyn ReadModels,
    after: Option<String>,
    ended: bool,
}

impl<'a> Side<'a> {
    fn new(store: &'a dyn ReadModels) -> Self {
        Self { store, after: None, ended: false }
    }

    async fn next(
        &mut self,
        hall: &HallCode,
        table: &str,
    ) -> Result<Vec<(String, String)>, Failure> {
        if self.ended {
            return Ok(Vec::new());
        }
        let rows = self.store.dump(hall, table, self.after.as_deref(), PAGE_ROWS).await?;
        self.ended = rows.len() < PAGE_ROWS as usize;
        if let Some((key, _)) = rows.last() {
            self.after = Some(key.clone());
        }
        Ok(rows)
    }
}

/// The live copy, where it can be read, and the new one.
enum Copies {
    Sqlite {
        live: Option<Arc<SqliteReadModels>>,
        new: Arc<SqliteReadModels>,
    },
    Postgres {
        live: Option<Arc<PostgresReadModels>>,
        new: Arc<PostgresReadModels>,
        address: Address,
        schema: String,
    },
}

impl Copies {
    async fn open(ctx: &Context) -> Result<Self, Failure> {
        match &ctx.config.store {
            StoreAt::Sqlite => {
                let path = ctx.folder().read_models();
                let live = match path.exists() {
                    false => None,
                    true => match SqliteReadModels::open(&path).await {
                        Ok(live) => Some(Arc::new(live)),
                        Err(StoreError::Damaged(detail)) => {
                            ctx.output
                                .note(format!("读模型已损坏 the live copy is damaged: {detail}"));
                            None
                        }
                        Err(error) => return Err(error.into()),
                    },
                };
                let new = Arc::new(SqliteReadModels::open_rebuild(&path).await?);
                Ok(Self::Sqlite { live, new })
            }
            StoreAt::Postgres(address) => {
                let schema = ctx.config.store_schema.clone();
                let aside = format!("{schema}_rebuild");
                let live = match ctx.open_schema(address, &schema).await {
                    Ok(live) => Some(Arc::new(live)),
                    // Tables of another version; the server itself is found out about below.
                    Err(failure) if failure.exit == Exit::Configuration => {
                        ctx.output.note(format!(
                            "读模型不可用 the live copy cannot be used: {}",
                            failure.message
                        ));
                        None
                    }
                    Err(failure) => return Err(failure),
                };
                let left_over = match ctx.open_schema(address, &aside).await {
                    Ok(it) => it,
                    // An older program left it: nothing in it is needed, but only a connection can drop it.
                    Err(failure) => match &live {
                        Some(live) => {
                            live.drop_schema(&aside).await.map_err(swap_failure)?;
                            ctx.open_schema(address, &aside).await?
                        }
                        None => return Err(failure),
                    },
                };
                left_over.drop_schema(&aside).await.map_err(swap_failure)?;
                left_over.close().await;
                let new = Arc::new(ctx.open_schema(address, &aside).await?);
                Ok(Self::Postgres { live, new, address: address.clone(), schema })
            }
        }
    }

    fn live(&self) -> Option<Arc<dyn ReadModels>> {
        match self {
            Self::Sqlite { live, .. } => live.clone().map(|it| it as Arc<dyn ReadModels>),
            Self::Postgres { live, .. } => live.clone().map(|it| it as Arc<dyn ReadModels>),
        }
    }

    fn new_copy(&self) -> Arc<dyn ReadModels> {
        match self {
            Self::Sqlite { new, .. } => new.clone(),
            Self::Postgres { new, .. } => new.clone(),
        }
    }

    async fn close(&self) {
        match self {
            Self::Sqlite { live, new } => {
                new.close().await;
                if let Some(live) = live {
                    live.close().await;
                }
            }
            Self::Postgres { live, new, .. } => {
                new.close().await;
                if let Some(live) = live {
                    live.close().await;
                }
            }
        }
    }

    /// Removes the new copy.
    async fn drop_new(&self) -> Result<(), Failure> {
        match self {
            Self::Sqlite { new, .. } => {
                let path = new.path().to_owned();
                self.close().await;
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(Failure::file(&path, &error))
                    }
                    _ => Ok(()),
                }
            }
            Self::Postgres { new, schema, .. } => {
                new.drop_schema(&format!("{schema}_rebuild")).await.map_err(swap_failure)?;
                self.close().await;
                Ok(())
            }
        }
    }

    async fn swap(
        &self,
        ctx: &Context,
        sources: &[(HallCode, Arc<dyn Journal>)],
        locks: Option<Locks>,
    ) -> Result<(), Failure> {
        match self {
            Self::Sqlite { live, new } => {
                let _locks = match locks {
                    Some(locks) => locks,
                    None => take_over(ctx).await?,
                };
                // What came meanwhile; from here on nobody else folds.
                for (hall, journal) in sources {
                    fold(ctx, hall, journal, new.clone(), journal.state().await?.last).await?;
                }
                let (path, rebuilt) = (ctx.folder().read_models(), new.path().to_owned());
                new.close().await;
                if let Some(live) = live {
                    live.close().await;
                }
                Ok(SqliteReadModels::replace(&path, &rebuilt).await?)
            }
            Self::Postgres { live, new, address, schema } => {
                let aside = format!("{schema}_rebuild");
                if live.is_none() {
                    // Of another version: it cannot be compared, and must not be exchanged with this one.
                    new.drop_schema(schema).await.map_err(swap_failure)?;
                }
                for _ in 0..SWAP_TRIES {
                    match new.swap(&aside, schema).await {
                        Ok(()) => {
                            self.close().await;
                            let live = ctx.open_schema(address, schema).await?;
                            live.drop_schema(&aside).await.map_err(swap_failure)?;
                            live.close().await;
                            return Ok(());
                        }
                        Err(SwapError::Behind { .. }) => {
                            for (hall, journal) in sources {
                                let last = journal.state().await?.last;
                                fold(ctx, hall, journal, new.clone(), last).await?;
                            }
                            // The one that overtook us is fenced, so that the next try finds it where it is.
                            if let Some(live) = live {
                                for (hall, _) in sources {
                                    live.claim(hall).await?;
                                }
                            }
                        }
                        Err(SwapError::Store(StoreError::Unavailable(error))) => {
                            ctx.output.note(format!("再试 trying on: {}", chain(&*error)));
                        }
                        Err(error) => return Err(swap_failure(error)),
                    }
                }
                Err(Failure::unavailable("the live copy stays ahead of the rebuilt one").with_next(
                    "name every hall of the schema with --also, or stop the projectors for a moment",
                ))
            }
        }
    }
}

/// That others give way, and the right to write.
pub(crate) type Locks = (ProjectorLock, ProjectorLock);

/// Asks whoever writes the folder's read models to give way, and waits for it.
async fn take_over(ctx: &Context) -> Result<Locks, Failure> {
    let started = Instant::now();
    let mut wanted = None;
    loop {
        if wanted.is_none() {
            wanted = ctx.folder().want_projector()?;
        }
        if let Some(lock) = ctx.folder().lock_projector()?
            && let Some(wanted) = wanted.take()
        {
            return Ok((wanted, lock));
        }
        if started.elapsed() > GIVE_WAY_MAX {
            return Err(Failure::unavailable("another process keeps the read models busy")
                .with_next("wait for it, or stop it, and run the command again"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn swap_failure(error: SwapError) -> Failure {
    match error {
        SwapError::Store(error) => error.into(),
        SwapError::Behind { ref hall, .. } => {
            let next = format!("rebuild this hall with the others: --also {hall}");
            Failure::unavailable(chain(&error)).with_next(next)
        }
        error => Failure::configuration(chain(&error).replace(" (E.780)", "")),
    }
}
