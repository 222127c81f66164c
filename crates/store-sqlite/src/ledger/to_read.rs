//! A ledger that is only looked at: nothing is made, brought up to date or claimed.

use sqlx::ConnectOptions as _;

use super::{
    Ledger, LedgerError, MIGRATOR, Settings, check_file, check_owner, fault, foreign, newer,
};
use crate::journal::connect_options;

impl Ledger {
    /// Opens a ledger that is there for reading, and changes nothing in it: whatever would write is refused by SQLite.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`]; [`LedgerError::Older`] for one that [`Ledger::open`] would bring up to date.
    pub async fn open_to_read(settings: Settings) -> Result<Self, LedgerError> {
        let path = &settings.path;
        let failed = |source| fault(path, source);
        let options = connect_options(path).read_only(true);
        let mut connection = options.connect().await.map_err(failed)?;
        check_file(path, &mut connection).await?;
        let noted =
            sqlx::query_scalar("select name from sqlite_schema where name = '_sqlx_migrations'");
        let noted: Option<String> = noted.fetch_optional(&mut connection).await.map_err(failed)?;
        if noted.is_none() {
            return Err(foreign(path, "is no ledger; name another file"));
        }
        let made = sqlx::query_scalar("select max(version) from _sqlx_migrations where success");
        let made: Option<i64> = made.fetch_one(&mut connection).await.map_err(failed)?;
        let known = MIGRATOR.iter().map(|it| it.version).max();
        match made {
            Some(made) if Some(made) > known => return Err(newer(path, made)),
            made if made < known => return Err(LedgerError::Older { path: path.clone() }),
            _ => {}
        }
        check_owner(&settings, &mut connection).await?;
        Ok(Self::of(settings, options, connection))
    }
}
