//! The suite of the port.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Mutex;
use zhoubao_application::journal::{Journal, JournalError};
use zhoubao_conformance::journal::Fixture;
use zhoubao_nats::NatsJournal;
use zhoubao_test_support::NatsServer;

use crate::append::hold_batches;
use crate::{options, stream_options};

/// How long a connection is tried.
const PATIENCE: Duration = Duration::from_secs(120);

/// Open batches of one stream.
const INFLIGHT: u32 = 50;

struct Server {
    server: Mutex<NatsServer>,
    /// Who holds batches open.
    holder: Mutex<Option<async_nats::Client>>,
}

async fn make() -> Server {
    let server = NatsServer::builder()
        .batch_max_inflight(INFLIGHT)
        .batch_timeout(Duration::from_secs(600))
        .start()
        .await
        .expect("a server");
    NatsJournal::create_stream(&options(&server), &stream_options()).await.expect("a stream");
    Server { server: Mutex::new(server), holder: Mutex::new(None) }
}

#[async_trait]
impl Fixture for Server {
    async fn handle(&self) -> Arc<dyn Journal> {
        let options = options(&*self.server.lock().await);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match NatsJournal::connect(options.clone()).await {
                // Where the disk is busy with others' files for half a minute, the next try finds it free.
                Err(JournalError::Unavailable(_)) if Instant::now() < deadline => {}
                connected => return Arc::new(connected.expect("a journal")),
            }
        }
    }

    async fn kill(&self) {
        self.server.lock().await.kill().await.expect("killed");
    }

    async fn start(&self) {
        self.server.lock().await.restart().await.expect("restarted");
    }

    async fn refuse_batches(&self) -> bool {
        let client = hold_batches(&*self.server.lock().await, INFLIGHT).await.expect("batches");
        self.holder.lock().await.replace(client);
        true
    }
}

zhoubao_conformance::journal_conformance!(make);
