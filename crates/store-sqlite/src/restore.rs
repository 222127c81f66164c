//! Making a journal again from a copy: every message at its position, with its time, under the old incarnation.
//!
//! The file is built aside and put in its place when it is whole. So an interrupted restore leaves no journal, and the
//! next one begins anew.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _};
use zhoubao_application::journal::{BATCH_MESSAGES_MAX, Incarnation, JournalError};
use zhoubao_contract::Stored;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::HallCode;

use crate::journal::{SqliteJournal, connect_options, fault, insert, sql};

/// A journal that is being made again.
pub struct RestoredFile {
    path: PathBuf,
    aside: PathBuf,
    file: SqliteConnection,
}

/// A path with more at its end.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn unavailable(error: std::io::Error) -> JournalError {
    JournalError::Unavailable(Box::new(error))
}

impl RestoredFile {
    /// Begins a journal, empty and aside; what an interrupted restore left there goes.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unsafe`] with E.703 if there is a journal at `path`, whatever it holds, or the log of one;
    /// [`JournalError::Unavailable`] if the file cannot be made.
    pub async fn begin(
        path: PathBuf,
        hall: &HallCode,
        incarnation: &Incarnation,
        now: Timestamp,
    ) -> Result<Self, JournalError> {
        // A log without its file would be played into the new one.
        for there in [path.clone(), with_ending(&path, "-wal")] {
            if there.exists() {
                return Err(JournalError::Unsafe {
                    code: Code::OtherJournal,
                    detail: format!(
                        "`{}` is there: a journal is restored only where there is none",
                        there.display()
                    ),
                });
            }
        }
        let aside = with_ending(&path, ".restore");
        for left_over in [aside.clone(), with_ending(&aside, "-journal")] {
            match std::fs::remove_file(left_over) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(unavailable(error));
                }
                _ => {}
            }
        }
        let failed = |source| fault(&aside, source);
        // One file and no log: it is moved when it is whole.
        let mut file = connect_options(&aside)
            .journal_mode(SqliteJournalMode::Delete)
            .create_if_missing(true)
            .connect()
            .await
            .map_err(failed)?;
        SqliteJournal::set_up(&aside, &mut file).await?;
        let (hall, now) = (hall.as_str(), now.as_microsecond());
        sqlx::query_file!("queries/journal/claim.sql", incarnation.0, hall, now)
            .execute(&mut file)
            .await
            .map_err(failed)?;
        Ok(Self { path, aside, file })
    }

    /// Adds the next messages, in one transaction.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] if the file does not take them: out of order, or the disk is full.
    pub async fn push(&mut self, messages: &[Stored]) -> Result<(), JournalError> {
        let failed = |source| fault(&self.aside, source);
        let mut transaction = self.file.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let time = |it: &Stored| it.recorded_at.as_microsecond();
        let batches = messages
            .chunk_by(|one, other| time(one) == time(other))
            .flat_map(|it| it.chunks(BATCH_MESSAGES_MAX));
        for together in batches {
            let Some(it) = together.first() else { continue };
            let (first, recorded_at) = (sql(it.position), time(it));
            let messages = together.iter().map(|it| &it.message);
            insert(&mut transaction, first, recorded_at, messages).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Puts the journal in its place.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] if it cannot be put there, or another one was made there meanwhile.
    pub async fn finish(self) -> Result<(), JournalError> {
        let Self { path, aside, file } = self;
        file.close().await.map_err(|source| fault(&aside, source))?;
        // Linked, not renamed: a journal that was made meanwhile is not replaced.
        std::fs::hard_link(&aside, &path).map_err(unavailable)?;
        std::fs::remove_file(&aside).map_err(unavailable)?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = std::fs::File::open(folder.unwrap_or(Path::new("."))).map_err(unavailable)?;
        folder.sync_all().map_err(unavailable)
    }
}
