//! Read models that are only looked at.

use std::path::PathBuf;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqlitePoolOptions;
use zhoubao_application::store::StoreError;

use super::fault::fault;
use super::{MIGRATOR, READER_CACHE_KIB, Settings, SqliteReadModels, connect_options};

impl SqliteReadModels {
    /// Opens read models that are there for reading, and changes nothing in them: whatever would write is refused by
    /// SQLite. None for those that [`SqliteReadModels::open`] would bring up to date.
    ///
    /// # Errors
    ///
    /// As for [`SqliteReadModels::open`].
    pub async fn open_to_read(path: impl Into<PathBuf>) -> Result<Option<Self>, StoreError> {
        let settings = Settings::new(path);
        let options = connect_options(&settings, READER_CACHE_KIB).read_only(true);
        let mut first = options.connect().await.map_err(fault)?;
        let noted =
            sqlx::query_scalar("select name from sqlite_schema where name = '_sqlx_migrations'");
        let noted: Option<String> = noted.fetch_optional(&mut first).await.map_err(fault)?;
        if noted.is_none() {
            return Ok(None);
        }
        let made = sqlx::query_scalar("select max(version) from _sqlx_migrations where success");
        let made: Option<i64> = made.fetch_one(&mut first).await.map_err(fault)?;
        let known = MIGRATOR.iter().map(|it| it.version).max();
        if made > known {
            let detail = format!("`{}` is of another version", settings.path.display());
            return Err(StoreError::Damaged(detail));
        }
        if made < known {
            return Ok(None);
        }
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(options.clone())
        };
        let (writer, readers) = (pool(1), pool(settings.readers_max.max(1)));
        Ok(Some(Self { path: settings.path, writer, readers }))
    }
}
