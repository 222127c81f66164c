//! The read models in a file: the suite of the port, then what is particular to files.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tempfile::TempDir;
use zhoubao_application::conformance::store::StoreFactory;
use zhoubao_application::store::ReadModels;
use zhoubao_application::store_conformance;
use zhoubao_store_sqlite::read_models::SqliteReadModels;

/// Files in one folder, one for each store.
struct Files {
    dir: TempDir,
    made: Mutex<u32>,
}

impl Files {
    fn path(&self, number: u32) -> std::path::PathBuf {
        self.dir.path().join(format!("read-{number}.db"))
    }
}

async fn files() -> Files {
    Files { dir: TempDir::new().unwrap(), made: Mutex::new(0) }
}

#[async_trait]
impl StoreFactory for Files {
    async fn fresh(&self) -> Arc<dyn ReadModels> {
        let number = {
            let mut made = self.made.lock().unwrap();
            *made += 1;
            *made
        };
        Arc::new(SqliteReadModels::open(self.path(number)).await.unwrap())
    }

    async fn reopen(&self) -> Arc<dyn ReadModels> {
        let number = *self.made.lock().unwrap();
        Arc::new(SqliteReadModels::open(self.path(number)).await.unwrap())
    }
}

store_conformance!(files);
