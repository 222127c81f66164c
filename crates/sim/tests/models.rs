//! The models that the simulator runs the product on are held to the ports' own suites.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use zhoubao_application::store::ReadModels;
use zhoubao_conformance::store::StoreFactory;
use zhoubao_conformance::store_conformance;
use zhoubao_sim::store::MemoryStore;

#[derive(Default)]
struct Memory(Mutex<MemoryStore>);

async fn memory() -> Memory {
    Memory::default()
}

#[async_trait]
impl StoreFactory for Memory {
    async fn fresh(&self) -> Arc<dyn ReadModels> {
        let store = MemoryStore::default();
        *self.0.lock().unwrap() = store.clone();
        Arc::new(store)
    }

    async fn reopen(&self) -> Arc<dyn ReadModels> {
        Arc::new(self.0.lock().unwrap().clone())
    }
}

store_conformance!(memory);
