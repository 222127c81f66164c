//! What errors of SQLite mean to the projector.

use zhoubao_application::store::StoreError;

/// Primary result codes after which trying again cannot help: a missing table, a damaged file, a row that must not
/// be there, a value of the wrong type, no database at all.
const DAMAGED: [i64; 5] = [1, 11, 19, 20, 26];

/// Busy, full, failing disk: unavailable. Rows that this program cannot have written: damaged.
pub(super) fn fault(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Damaged(error.to_string())
        }
        sqlx::Error::Database(it) => {
            // The low byte of an extended code is the primary one.
            let code = it.code().and_then(|it| it.parse::<i64>().ok());
            if code.is_some_and(|code| DAMAGED.contains(&(code & 0xff))) {
                StoreError::Damaged(it.to_string())
            } else {
                StoreError::Unavailable(Box::new(error))
            }
        }
        _ => StoreError::Unavailable(Box::new(error)),
    }
}
