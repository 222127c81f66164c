//! The memory journal passes the suite of its port, also behind a group commit.

use std::sync::Arc;

use async_trait::async_trait;
use zhoubao_application::clock::SystemClock;
use zhoubao_application::committer::Committer;
use zhoubao_application::journal::Journal;
use zhoubao_application::memory::MemoryJournal;
use zhoubao_conformance::journal::{Fixture, fresh_incarnation, hall};
use zhoubao_conformance::journal_conformance;

struct Memory(MemoryJournal);

async fn memory() -> Memory {
    Memory(MemoryJournal::new(hall(), fresh_incarnation(), Arc::new(SystemClock)))
}

#[async_trait]
impl Fixture for Memory {
    async fn handle(&self) -> Arc<dyn Journal> {
        Arc::new(self.0.clone())
    }

    async fn kill(&self) {
        self.0.stop();
    }

    async fn start(&self) {
        self.0.start();
    }

    async fn refuse_batches(&self) -> bool {
        self.0.refuse_batches(true);
        true
    }

    async fn lose(&self, sequence: u64) -> bool {
        self.0.drop_sequence(sequence);
        true
    }
}

journal_conformance!(memory);

mod behind_a_committer {
    use super::*;

    struct Committed(Memory);

    async fn committed() -> Committed {
        Committed(memory().await)
    }

    #[async_trait]
    impl Fixture for Committed {
        async fn handle(&self) -> Arc<dyn Journal> {
            Arc::new(Committer::new(self.0.handle().await, hall()))
        }

        async fn kill(&self) {
            self.0.kill().await;
        }

        async fn start(&self) {
            self.0.start().await;
        }

        async fn refuse_batches(&self) -> bool {
            self.0.refuse_batches().await
        }

        async fn lose(&self, sequence: u64) -> bool {
            self.0.lose(sequence).await
        }
    }

    journal_conformance!(committed);
}
