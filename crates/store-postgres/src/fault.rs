//! What an error of the database means for the caller.

use std::error::Error;
use std::time::Duration;

use zhoubao_application::store::StoreError;

/// The server did not answer in time; the connection is given up.
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer within {0:?}")]
pub(crate) struct Silent(pub(crate) Duration);

/// Says what to do after an error: try again, or rebuild.
///
/// By the class of the SQLSTATE: wrong data (22), broken constraints (23), missing tables or columns (42) and
/// corruption (XX) do not go away by themselves. Everything else does: lost connections, a server that stops or
/// starts, a full disk, a lock not had in time, a standby that is read-only.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            if ["22", "23", "42", "XX"].iter().any(|class| code.starts_with(class)) {
                return StoreError::Damaged(format!("{} ({code})", database.message()));
            }
        }
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::TypeNotFound { .. } => return StoreError::Damaged(error.to_string()),
        _ => {}
    }
    StoreError::Unavailable(Box::new(error))
}

/// The store does not answer.
pub(crate) fn unavailable(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}
