//! The pages and the HTTP API of a hall: the gateway, on a port of this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use zhoubao_application::committer::Committer;
use zhoubao_application::desk::Desk;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Right;
use zhoubao_domain::id::UserId;
use zhoubao_gateway::live::{Live, Told};
use zhoubao_gateway::people::{Accounts, AccountsError, Sessions};
use zhoubao_gateway::provider::Provider;
use zhoubao_gateway::{Gateway, Noted, Problem, router, server};
use zhoubao_nats::NatsBoard;

use crate::asking::asker;
use crate::commands::archive;
use crate::config::JournalAt;
use crate::failure::Failure;
use crate::giving_way::GivingWay;
use crate::projecting::patiently;
use crate::wiring::Context;

/// Connections at a time beside those of the board's readers.
const CONNECTIONS_BESIDE: usize = 512;

/// Open files of a service beside its connections: databases, sockets of the broker, what is rendered.
const FILES_BESIDE: u64 = 512;

/// An open port that nobody answers on yet.
pub struct Port {
    listener: TcpListener,
    address: SocketAddr,
    provider: Option<Provider>,
}

impl From<AccountsError> for Failure {
    fn from(error: AccountsError) -> Self {
        Self::configuration(error.to_string())
            .with_next("make the file readable for this program, or remove it and send new links")
    }
}

impl Port {
    /// Opens the port of the settings; none where they say `none`.
    ///
    /// # Errors
    ///
    /// E.780 for an address that other machines reach without a proxy that encrypts, and where there are no certificates
    /// to trust the identity provider by; E.705 when the address is taken.
    pub async fn open(ctx: &Context) -> Result<Option<Self>, Failure> {
        let Some(address) = ctx.config.listen else { return Ok(None) };
        if !address.ip().is_loopback() && ctx.config.public_host.is_none() {
            let message = format!("他机可访问该地址 other machines reach `{address}`");
            return Err(Failure::configuration(message).with_next(
                "listen on 127.0.0.1 behind a proxy that encrypts (docs/pages.md), or name with `public_host` the host \
                 by which that proxy is called",
            ));
        }
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Failure::unavailable(format!("无法监听 cannot listen on {address}: {error}"))
                .with_next("is another zhoubao running? Name another port: --listen 127.0.0.1:8426")
        })?;
        let address =
            listener.local_addr().map_err(|error| Failure::unavailable(error.to_string()))?;
        let provider = match &ctx.config.oidc {
            Some(it) => Some(Provider::new(it.at.clone(), asker(it.authority.as_deref())?)),
            None => None,
        };
        Ok(Some(Self { listener, address, provider }))
    }

    /// Where the pages are.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers for ever; ends only when it is dropped.
    ///
    /// # Errors
    ///
    /// What waiting does not mend.
    pub async fn keep(self, ctx: &Context) -> Result<(), Failure> {
        let journal = patiently(|| ctx.open_journal()).await?;
        // Requests of one moment share one write to the disk.
        let journal = Arc::new(Committer::new(journal, ctx.hall()?));
        let (store, giving_way) = GivingWay::open(ctx).await?;
        let desk = Desk::new(journal, store, ctx.hall()?, ctx.clock.clone());
        tokio::select! {
            done = self.answer(ctx, desk) => done,
            failure = giving_way => Err(failure),
        }
    }

    /// The same over a desk that is there already.
    ///
    /// # Errors
    ///
    /// As [`Port::keep`].
    pub async fn answer(self, ctx: &Context, desk: Desk) -> Result<(), Failure> {
        let blobs = patiently(|| ctx.open_blobs()).await?;
        let limits = ctx.config.live_readers;
        let (live, work) = Live::new(desk.clone(), ctx.clock.clone(), limits);
        let telling = tell_board(ctx, live.clone());
        let connections_max = limits.all + CONNECTIONS_BESIDE;
        make_room(connections_max);
        let gateway = Gateway {
            desk,
            blobs,
            clock: ctx.clock.clone(),
            random: || Context::secret().ok(),
            live,
            accounts: accounts(ctx),
            sessions: Sessions::default(),
            provider: self.provider,
            codes: ctx.config.totp,
            port: self.address.port(),
            names: ctx.config.public_host.iter().cloned().collect(),
            noted: Noted::default(),
            looking: tokio::sync::Mutex::default(),
            copied: {
                let ctx = ctx.clone();
                Box::new(move |position| {
                    let ctx = ctx.clone();
                    Box::pin(async move {
                        let reached = archive::reaches(&ctx, position).await;
                        reached.map_err(|it| Problem::coded(Code::ArchiveLags, it.message))
                    })
                })
            },
        };
        let routes = router(Arc::new(gateway));
        // Kept, so that it never says stop.
        let (_going, stop) = watch::channel(false);
        let answering = server::serve(self.listener, routes, connections_max, stop);
        let never = async {
            tokio::join!(work, telling);
        };
        tokio::select! {
            () = never => Ok(()),
            () = answering => Ok(()),
        }
    }
}

/// Tells programs on the broker what the board shows. Where it may not, the pages go on without.
async fn tell_board(ctx: &Context, live: Arc<Live>) {
    let JournalAt::Nats(address) = &ctx.config.journal else { return };
    let telling = async {
        let options = ctx.nats_options(address, ctx.hall()?);
        let connect = async || Ok(NatsBoard::connect(&options).await?);
        let mut board = patiently(connect).await?;
        let mut teller = live.teller();
        while let Some(it) = teller.next().await {
            match it {
                Told::Change(text) => board.tell(text).await?,
                Told::Snapshot(text) => live.listened(board.tell_whole(text).await?),
            }
        }
        Ok::<_, Failure>(())
    };
    if let Err(failure) = telling.await {
        tracing::error!(
            error = failure.message,
            "programs on the broker hear no board until the next start; where a right is missing, write the broker's users anew (zhoubao nats-config)"
        );
    }
    // Nobody listens to what nobody tells.
    live.listened(false);
}

/// Lets this process open as many files as it may have connections: a usual shell lets it open 1,024.
pub(crate) fn make_room(connections_max: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = FILES_BESIDE.saturating_add(connections_max as u64);
    let mut limit = getrlimit(Resource::Nofile);
    // None is no limit.
    if limit.current.is_none_or(|it| it >= wanted) {
        return;
    }
    limit.current = Some(limit.maximum.map_or(wanted, |it| it.min(wanted)));
    let raised = setrlimit(Resource::Nofile, limit);
    if raised.is_err() || limit.current < Some(wanted) {
        tracing::warn!(
            files.wanted = wanted,
            files.max = limit.current,
            "fewer files may be open than connections are let in: raise LimitNOFILE"
        );
    }
}

/// The passwords of the hall.
#[must_use]
pub fn accounts(ctx: &Context) -> Accounts {
    Accounts::new(ctx.folder().accounts())
}

/// A one-time link for a person.
///
/// # Errors
///
/// When the file of accounts cannot be written.
pub fn link(ctx: &Context, user: &UserId, url: &str) -> Result<String, Failure> {
    std::fs::create_dir_all(&ctx.config.dir)
        .map_err(|error| Failure::file(&ctx.config.dir, &error))?;
    let token = accounts(ctx).link(user, &Context::secret()?, ctx.clock.now())?;
    Ok(format!("{url}/welcome?link={token}"))
}

/// A link for a wall screen.
///
/// # Errors
///
/// When the file of accounts cannot be written.
pub fn screen(ctx: &Context, name: &str, url: &str) -> Result<String, Failure> {
    std::fs::create_dir_all(&ctx.config.dir)
        .map_err(|error| Failure::file(&ctx.config.dir, &error))?;
    let token = accounts(ctx).screen(name, &Context::secret()?)?;
    Ok(format!("{url}/screen?device={token}"))
}

/// Before anybody has a password: who may have the first, with a link to set it.
///
/// # Errors
///
/// When the file of accounts cannot be read or written, or the read models do not answer.
pub async fn first_link(ctx: &Context, url: &str) -> Result<Option<(UserId, String)>, Failure> {
    if !accounts(ctx).is_empty()? {
        return Ok(None);
    }
    let store = ctx.open_store().await?;
    let known = zhoubao_application::desk::facts(&*store, &ctx.hall()?).await?;
    let administers =
        |it: &zhoubao_domain::registry::User| it.active && it.rights.contains(&Right::Administer);
    let first = known.registry.users.iter().find(|(_, it)| administers(it));
    let Some((user, _)) = first else { return Ok(None) };
    let link = link(ctx, user, url)?;
    Ok(Some((user.clone(), link)))
}
