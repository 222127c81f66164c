//! Adapters behind ports: what the settings name, opened.

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;
use zhoubao_application::blobs::Blobs;
use zhoubao_application::clock::Clock;
use zhoubao_application::journal::{Incarnation, Journal, JournalError};
use zhoubao_application::store::ReadModels;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::HallCode;
use zhoubao_nats::{Identity, NatsBlobs, NatsJournal, Options, StreamOptions, Tls};
use zhoubao_store_postgres::{ConnectError, PostgresReadModels};
use zhoubao_store_sqlite::journal::{Settings as SqliteSettings, SqliteJournal};
use zhoubao_store_sqlite::read_models::SqliteReadModels;

use crate::archive;
use crate::blobs::FolderBlobs;
use crate::config::{Address, Config, JournalAt, StoreAt};
use crate::failure::{Failure, chain};
use crate::folder::Folder;
use crate::output::Output;

/// What to do when a journal is gone.
const LOST: &str = "restore it: `zhoubao restore` from the archive or a backup; where there is neither, `zhoubao recover`";

/// What a command works with.
#[derive(Clone)]
pub struct Context {
    /// The settings.
    pub config: Config,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where to print.
    pub output: Output,
}

impl Context {
    /// A context over settings that are checked.
    #[must_use]
    pub fn new(config: Config, clock: Arc<dyn Clock>, output: Output) -> Self {
        Self { config, clock, output }
    }

    /// A new random id, for incarnations and idempotency keys.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the edge of the program, where ids are made and passed on as arguments"
    )]
    pub fn new_id(&self) -> String {
        Uuid::new_v4().to_string()
    }

    /// Random bytes of the system, for a secret, a token or a salt.
    ///
    /// # Errors
    ///
    /// When the system has none.
    pub fn secret<const N: usize>() -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::unavailable(format!("no random bytes: {error}")))?;
        Ok(bytes)
    }

    /// A random number.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the edge of the program, as for ids")]
    #[expect(clippy::cast_possible_truncation, reason = "any sixteen bits will do")]
    pub fn random() -> u16 {
        Uuid::new_v4().as_u128() as u16
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> Folder {
        Folder::new(&self.config.dir)
    }

    /// The hall: the configured one, else the one of the folder.
    ///
    /// # Errors
    ///
    /// E.780 when neither names one.
    pub fn hall(&self) -> Result<HallCode, Failure> {
        if let Some(hall) = &self.config.hall {
            return Ok(hall.clone());
        }
        self.folder().hall()?.ok_or_else(|| {
            Failure::configuration(format!(
                "没有指定大厅 no hall is named, and `{}` is new",
                self.config.dir.display()
            ))
            .with_next(
                "name the hall once: --hall 510000 (its administrative division, six digits)",
            )
        })
    }

    /// Makes the folder this hall's, where journal or read models are in it.
    pub(crate) fn claim_folder(&self) -> Result<HallCode, Failure> {
        let hall = self.hall()?;
        self.folder().claim(&hall)?;
        Ok(hall)
    }

    /// The journal of the hall. A new one is made where there is none, and no read models know of one.
    ///
    /// # Errors
    ///
    /// E.701 for an unsafe broker, E.703 for another hall's journal, E.705 when it cannot be reached.
    pub async fn open_journal(&self) -> Result<Arc<dyn Journal>, Failure> {
        self.open_journal_of(&self.hall()?, Whole::No, Access::Append).await
    }

    /// The same for reading only.
    ///
    /// # Errors
    ///
    /// As [`Context::open_journal`].
    pub async fn open_journal_to_read(&self) -> Result<Arc<dyn Journal>, Failure> {
        self.open_journal_of(&self.hall()?, Whole::No, Access::Read).await
    }

    /// The same, and it is never made.
    ///
    /// # Errors
    ///
    /// As [`Context::open_journal`], or when there is none.
    pub async fn open_journal_there(&self, hall: &HallCode) -> Result<Arc<dyn Journal>, Failure> {
        match &self.config.journal {
            JournalAt::Sqlite if !self.folder().journal().exists() => {
                let path = self.folder().journal();
                Err(Failure::unavailable(format!("no journal `{}` yet", path.display())))
            }
            JournalAt::Sqlite => self.open_journal_of(hall, Whole::No, Access::Read).await,
            JournalAt::Nats(address) => {
                let options =
                    Options { appends: false, ..self.nats_options(address, hall.clone()) };
                Ok(Arc::new(NatsJournal::connect(options).await?))
            }
        }
    }

    /// The same, and the whole file is checked where the journal is one: for services, which run long.
    ///
    /// # Errors
    ///
    /// As [`Context::open_journal`]; E.702 for a damaged file.
    pub async fn open_checked_journal(&self) -> Result<Arc<dyn Journal>, Failure> {
        self.open_journal_of(&self.hall()?, Whole::Checked, Access::Read).await
    }

    /// The journal of one hall of several.
    pub(crate) async fn open_journal_of(
        &self,
        hall: &HallCode,
        whole: Whole,
        access: Access,
    ) -> Result<Arc<dyn Journal>, Failure> {
        match &self.config.journal {
            JournalAt::Sqlite => {
                self.claim_folder()?;
                if !self.folder().journal().exists() && self.had_a_journal(hall).await? {
                    let journal = self.folder().journal();
                    let message = format!(
                        "`{}` is gone, and a new one in its place would hide that",
                        journal.display()
                    );
                    return Err(Failure::coded(Code::OtherJournal, message).with_next(LOST));
                }
                let settings = SqliteSettings {
                    path: self.folder().journal(),
                    hall: hall.clone(),
                    incarnation_if_new: Incarnation(self.new_id()),
                    quick_check: matches!(whole, Whole::Checked),
                };
                Ok(Arc::new(SqliteJournal::open(settings, self.clock.clone()).await?))
            }
            JournalAt::Nats(address) => {
                let appends = access == Access::Append;
                let options = Options { appends, ..self.nats_options(address, hall.clone()) };
                self.ensure_stream(&options).await?;
                Ok(Arc::new(NatsJournal::connect(options).await?))
            }
        }
    }

    /// How the broker is reached.
    #[must_use]
    pub fn nats_options(&self, address: &Address, hall: HallCode) -> Options {
        let config = &self.config;
        let identity = match (&config.nats_credentials, &config.nats_nkey) {
            (Some(path), _) => Some(Identity::Credentials(path.clone())),
            (None, Some(path)) => Some(Identity::Nkey(path.clone())),
            (None, None) => None,
        };
        let tls = config.nats_ca.as_ref().map(|authority| Tls {
            authority: authority.clone(),
            client: config.nats_client.clone(),
        });
        Options {
            sys_url: match &config.sys_url {
                Some(address) => Some(address.expose().to_owned()),
                None => config.sys_nkey.as_ref().map(|_| address.without_users()),
            },
            sys_nkey: config.sys_nkey.clone(),
            accept_loss: config.accept_loss,
            identity,
            tls,
            inbox_prefix: config.nats_inbox_prefix.clone(),
            replicas: config.journal_replicas,
            ..Options::new(address.expose(), hall)
        }
    }

    /// Makes the hall's stream where there is none, unless there was one: then a journal was lost, and a new one in
    /// its place would hide that.
    async fn ensure_stream(&self, options: &Options) -> Result<(), Failure> {
        let journal = NatsJournal::open(options.clone()).await?;
        let Err(JournalError::Unsafe { code: Code::OtherJournal, .. }) = journal.state().await
        else {
            return Ok(());
        };
        if self.had_a_journal(&options.hall).await? {
            // `connect` says what is missing.
            return Ok(());
        }
        let stream = StreamOptions {
            incarnation: Incarnation(self.new_id()),
            bytes_max: self.config.journal_bytes_max,
        };
        Ok(NatsJournal::ensure_stream(options, &stream).await?)
    }

    /// Whether the hall had a journal: read models were made from it, or it has an archive.
    pub(crate) async fn had_a_journal(&self, hall: &HallCode) -> Result<bool, Failure> {
        let is_archived = self.config.archive.as_deref().is_some_and(|folder| {
            // One that cannot be read may be this hall's.
            archive::promised(folder).map_or(true, |end| end.is_some_and(|it| it.hall == *hall))
        });
        Ok(is_archived || self.knows_a_journal(hall).await?)
    }

    /// Whether read models were made from a journal of this hall.
    pub(crate) async fn knows_a_journal(&self, hall: &HallCode) -> Result<bool, Failure> {
        if self.config.store == StoreAt::Sqlite && !self.folder().read_models().exists() {
            return Ok(false);
        }
        Ok(self.open_store().await?.checkpoint(hall).await?.is_some())
    }

    /// The store of files: a folder beside a journal in files.
    ///
    /// # Errors
    ///
    /// E.705 when it cannot be reached.
    pub async fn open_blobs(&self) -> Result<Arc<dyn Blobs>, Failure> {
        match &self.config.journal {
            JournalAt::Sqlite => Ok(Arc::new(FolderBlobs::new(self.folder().files()))),
            JournalAt::Nats(address) => {
                let options = self.nats_options(address, self.hall()?);
                Ok(Arc::new(NatsBlobs::connect(&options).await?))
            }
        }
    }

    /// The folder of the packages of published issues.
    #[must_use]
    pub fn issues_folder(&self) -> PathBuf {
        self.config.issues.clone().unwrap_or_else(|| self.folder().issues())
    }

    /// The read models.
    ///
    /// # Errors
    ///
    /// E.780 for a store that cannot be used, E.705 when it cannot be reached.
    pub async fn open_store(&self) -> Result<Arc<dyn ReadModels>, Failure> {
        match &self.config.store {
            StoreAt::Sqlite => {
                self.claim_folder()?;
                Ok(Arc::new(SqliteReadModels::open(self.folder().read_models()).await?))
            }
            StoreAt::Postgres(address) => {
                Ok(Arc::new(self.open_schema(address, &self.config.store_schema).await?))
            }
        }
    }

    /// One copy of the read models in PostgreSQL.
    pub(crate) async fn open_schema(
        &self,
        address: &Address,
        schema: &str,
    ) -> Result<PostgresReadModels, Failure> {
        let settings = zhoubao_store_postgres::Settings::new(address.expose())
            .schema(schema)
            .accept_loss(self.config.accept_loss);
        PostgresReadModels::connect_with(&settings).await.map_err(|error| match error {
            ConnectError::Store(error) => error.into(),
            error => Failure::configuration(chain(&error).replace(" (E.780)", "")),
        })
    }
}

/// What a journal is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing is appended, and no right to is needed.
    Read,
    /// Everything but what the windows' devices append themselves.
    Append,
}

/// Whether a journal in a file is checked from end to end when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// It is.
    Checked,
    /// A damaged page is found when it is read.
    No,
}
