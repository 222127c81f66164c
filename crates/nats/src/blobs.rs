//! The store of files in a bucket of the JetStream object store, each under its SHA-256: `nats object get` reads it, too.

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::context::ObjectStoreErrorKind;
use async_nats::jetstream::object_store::{InfoErrorKind, ObjectMetadata, ObjectStore};
use async_nats::jetstream::stream::{Config, DirectGetErrorKind, DiscardPolicy, StorageType};
use async_trait::async_trait;
use serde_json::Value;
use zhoubao_application::blobs::{self, BlobError, Blobs};
use zhoubao_application::journal::JournalError;
use zhoubao_domain::id::{Digest, HallCode};

use crate::connection::{ANSWER_WAIT, CHECK_WAIT, Connection, Options, trouble_of};
use crate::fault::Fault;
use crate::journal::STREAM_EXISTS;

/// Longest wait for a file to be put or read.
const FILE_WAIT: Duration = Duration::from_secs(60);

/// Bytes of a file that go in one message, where the server takes as many.
const CHUNK_BYTES: usize = 128 * 1024;

/// Name of the bucket of a hall.
#[must_use]
pub fn bucket_name(hall: &HallCode) -> String {
    format!("FILES_{hall}")
}

/// The stream behind it, as the object store names it.
#[must_use]
pub fn bucket_stream(hall: &HallCode) -> String {
    format!("OBJ_{}", bucket_name(hall))
}

/// How the stream is made: as the object store does it (ADR-20).
fn settings(hall: &HallCode, replicas: usize) -> Config {
    let bucket = bucket_name(hall);
    Config {
        name: bucket_stream(hall),
        subjects: vec![format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")],
        storage: StorageType::File,
        num_replicas: replicas,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_bytes: -1,
        allow_rollup: true,
        allow_direct: true,
        deny_delete: true,
        ..Config::default()
    }
}

/// Makes the bucket, if it is not there.
pub(crate) async fn make(
    connection: &Connection,
    hall: &HallCode,
    replicas: usize,
) -> Result<(), Fault> {
    let config = settings(hall, replicas);
    let subject = format!("STREAM.CREATE.{}", config.name);
    match connection.check_api::<Value>(&subject, &config).await {
        Ok(_) | Err(Fault::Refused { code: STREAM_EXISTS, .. }) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// The hall's files on NATS JetStream.
#[derive(Debug, Clone)]
pub struct NatsBlobs {
    connection: Connection,
    hall: HallCode,
    replicas: usize,
}

impl NatsBlobs {
    /// Connects. The bucket is made with the hall's stream; where that is older, with the first file.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] when the server cannot be reached or refuses.
    pub async fn connect(options: &Options) -> Result<Self, JournalError> {
        let connection = Connection::open(options).await?;
        Ok(Self { connection, hall: options.hall.clone(), replicas: options.replicas })
    }

    /// None where there is no bucket yet.
    async fn bucket(&self) -> Result<Option<ObjectStore>, BlobError> {
        self.connection.ready(ANSWER_WAIT).await.map_err(unavailable)?;
        let context = jetstream::new(self.connection.client.clone());
        let asked = context.get_object_store(bucket_name(&self.hall));
        match tokio::time::timeout(CHECK_WAIT, asked).await.map_err(unavailable)? {
            Ok(store) => Ok(Some(store)),
            Err(error) if error.kind() == ObjectStoreErrorKind::GetStore && is_missing(&error) => {
                Ok(None)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError> {
        let Some(bucket) = self.bucket().await? else { return Ok(None) };
        // The client does not know that an answer was lost with a connection, and waits for ever.
        let asked = tokio::time::timeout(CHECK_WAIT, bucket.info(digest.to_string())).await;
        let info = match asked.map_err(unavailable)? {
            Ok(info) => info,
            Err(error) if error.kind() == InfoErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        // Chunk by chunk with direct gets, and not as the client's object store does it: that makes a push consumer,
        // and whoever may make one may have stored messages delivered to any subject, a terminal's line among them.
        let context = jetstream::new(self.connection.client.clone());
        let stream = context.get_stream_no_info(bucket_stream(&self.hall)).await;
        let stream = stream.map_err(unavailable)?;
        let subject = format!("$O.{}.C.{}", bucket_name(&self.hall), info.nuid);
        let mut bytes = Vec::with_capacity(info.size.min(blobs::BLOB_BYTES_MAX));
        let mut from = 1;
        for _ in 0..info.chunks {
            let asked = stream.direct_get_next_for_subject(&subject, Some(from));
            let asked = tokio::time::timeout(CHECK_WAIT, asked).await.map_err(unavailable)?;
            let chunk = match asked {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => break,
                Err(error) => return Err(unavailable(error)),
            };
            bytes.extend_from_slice(&chunk.payload);
            from = chunk.sequence + 1;
        }
        blobs::checked(digest, bytes).map(Some)
    }

    async fn write(&self, digest: &Digest, mut bytes: &[u8]) -> Result<(), BlobError> {
        let bucket = match self.bucket().await? {
            Some(bucket) => bucket,
            None => {
                make(&self.connection, &self.hall, self.replicas).await.map_err(unavailable)?;
                self.bucket().await?.ok_or_else(|| unavailable(Fault::Disconnected))?
            }
        };
        let payload_max = self.connection.client.server_info().max_payload;
        let meta = ObjectMetadata {
            name: digest.to_string(),
            chunk_size: Some(CHUNK_BYTES.min(payload_max)),
            ..ObjectMetadata::default()
        };
        bucket.put(meta, &mut bytes).await.map_err(unavailable)?;
        Ok(())
    }

    /// A transfer ends, too, where the server refuses a part of it or the connection is lost meanwhile: the client would
    /// wait for an answer.
    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, BlobError>>,
    ) -> Result<T, BlobError> {
        let mut signals = self.connection.signals();
        let bucket = bucket_name(&self.hall);
        tokio::select! {
            biased;
            done = tokio::time::timeout(FILE_WAIT, work) => {
                done.unwrap_or_else(|elapsed| Err(unavailable(elapsed)))
            }
            fault = trouble_of(&mut signals, |words| words.contains(&bucket)) => {
                Err(unavailable(fault))
            }
        }
    }
}

/// Whether the server said that there is no such stream.
fn is_missing(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(it) = cause {
        if it.to_string().contains("stream not found") {
            return true;
        }
        cause = it.source();
    }
    false
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> BlobError {
    BlobError::Unavailable(Box::new(error))
}

#[async_trait]
impl Blobs for NatsBlobs {
    async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        let digest = blobs::check(bytes)?;
        self.in_time(async {
            if matches!(self.read(&digest).await, Ok(Some(_))) {
                return Ok(());
            }
            match self.write(&digest, bytes).await {
                // Of two writers of a file the second one may not remove what the first one wrote; it is there.
                Err(_) if matches!(self.read(&digest).await, Ok(Some(_))) => Ok(()),
                written => written,
            }
        })
        .await?;
        Ok(digest)
    }

    async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError> {
        self.in_time(self.read(digest)).await
    }
}
