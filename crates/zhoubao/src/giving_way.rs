//! Read models of a long-running reader, which lets go of the file while a rebuild puts another in its place.
//!
//! ```text
//!  a rebuild asks ──► close ──► it swaps, and gives the lock back ──► open again: the new file
//! ```

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{RwLock, RwLockReadGuard};
use zhoubao_application::store::{
    Commit, Epoch, Page, ReadModels, Seed, Snapshot, SnapshotQuery, StoreError,
};
use zhoubao_domain::id::{CaseId, HallCode, Stream};
use zhoubao_projections::rows::{CaseRow, Changes, Checkpoint, ExceptionRow, Found, Head, Needs};

use crate::config::StoreAt;
use crate::failure::Failure;
use crate::projecting::patiently;
use crate::wiring::Context;

/// How often it is looked whether somebody asks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Longest wait of a reader for a rebuild to end; then he is told to come again.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Read models that are open but for the time of a rebuild. They are read only.
pub struct GivingWay(RwLock<Option<Arc<dyn ReadModels>>>);

impl GivingWay {
    /// Opens the read models of the settings, and answers with them and with the work that lets go of them.
    ///
    /// # Errors
    ///
    /// What waiting does not mend.
    pub async fn open(
        ctx: &Context,
    ) -> Result<(Arc<dyn ReadModels>, impl Future<Output = Failure> + use<>), Failure> {
        let store = patiently(|| ctx.open_store()).await?;
        let ctx = ctx.clone();
        let open = Arc::new(Self(RwLock::new(Some(store))));
        let kept = open.clone();
        let work = async move {
            if ctx.config.store != StoreAt::Sqlite {
                return std::future::pending().await;
            }
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                match ctx.folder().is_projector_wanted() {
                    Ok(false) => {}
                    Ok(true) => {
                        if let Err(failure) = kept.give_way(&ctx).await {
                            return failure;
                        }
                    }
                    Err(failure) => return failure,
                }
            }
        };
        Ok((open, work))
    }

    /// Closes the file until nobody asks for it any more.
    async fn give_way(&self, ctx: &Context) -> Result<(), Failure> {
        // Whoever reads now reads to the end.
        drop(self.0.write().await.take());
        while ctx.folder().is_projector_wanted()? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let store = patiently(|| ctx.open_store()).await?;
        *self.0.write().await = Some(store);
        Ok(())
    }

    async fn store(&self) -> Result<Reading<'_>, StoreError> {
        let open = async {
            loop {
                let guard = self.0.read().await;
                if guard.is_some() {
                    return guard;
                }
                drop(guard);
                tokio::time::sleep(LOOK_EVERY / 4).await;
            }
        };
        let guard = tokio::time::timeout(WAIT_MAX, open).await.map_err(|_| {
            StoreError::Unavailable("读模型正在重建 the read models are being rebuilt".into())
        })?;
        Ok(Reading(guard))
    }
}

/// The file is not closed while somebody reads.
struct Reading<'a>(RwLockReadGuard<'a, Option<Arc<dyn ReadModels>>>);

impl Reading<'_> {
    fn get(&self) -> Result<&dyn ReadModels, StoreError> {
        self.0.as_deref().ok_or_else(|| StoreError::Unavailable("closed".into()))
    }
}

/// What is never written.
struct Unwritten;

#[async_trait]
impl Page for Unwritten {
    async fn commit(&self, _: Commit<'_>) -> Result<(), StoreError> {
        Err(StoreError::Fenced)
    }
}

#[async_trait]
impl ReadModels for GivingWay {
    async fn claim(&self, _: &HallCode) -> Result<Epoch, StoreError> {
        Err(StoreError::Fenced)
    }

    async fn seed(&self, hall: &HallCode) -> Result<Seed, StoreError> {
        self.store().await?.get()?.seed(hall).await
    }

    async fn lookup(&self, hall: &HallCode, needs: &Needs) -> Result<Found, StoreError> {
        self.store().await?.get()?.lookup(hall, needs).await
    }

    async fn positions(
        &self,
        hall: &HallCode,
        events: &[(Stream, u64)],
    ) -> Result<Vec<Option<u64>>, StoreError> {
        self.store().await?.get()?.positions(hall, events).await
    }

    fn prepare(&self, _: &HallCode, _: Changes) -> Box<dyn Page> {
        Box::new(Unwritten)
    }

    async fn checkpoint(&self, hall: &HallCode) -> Result<Option<Checkpoint>, StoreError> {
        self.store().await?.get()?.checkpoint(hall).await
    }

    async fn snapshot(
        &self,
        hall: &HallCode,
        query: &SnapshotQuery,
    ) -> Result<Snapshot, StoreError> {
        self.store().await?.get()?.snapshot(hall, query).await
    }

    async fn heads(
        &self,
        hall: &HallCode,
        prefix: &str,
    ) -> Result<Vec<(Stream, Head)>, StoreError> {
        self.store().await?.get()?.heads(hall, prefix).await
    }

    async fn exceptions(
        &self,
        hall: &HallCode,
        open: bool,
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        self.store().await?.get()?.exceptions(hall, open).await
    }

    async fn exceptions_of(
        &self,
        hall: &HallCode,
        events: &[(Stream, u64)],
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        self.store().await?.get()?.exceptions_of(hall, events).await
    }

    async fn open_exceptions_of(
        &self,
        hall: &HallCode,
        line: &Stream,
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        self.store().await?.get()?.open_exceptions_of(hall, line).await
    }

    async fn case(&self, hall: &HallCode, case: &CaseId) -> Result<Option<CaseRow>, StoreError> {
        self.store().await?.get()?.case(hall, case).await
    }

    async fn command(&self, hall: &HallCode, key: &str) -> Result<Option<u64>, StoreError> {
        self.store().await?.get()?.command(hall, key).await
    }

    async fn dump(
        &self,
        hall: &HallCode,
        table: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.store().await?.get()?.dump(hall, table, after, limit).await
    }
}
