//! `zhoubao terminal`: the agent of a window's device, and what its ledger holds.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use zhoubao_application::journal::{Line, OwnLine};
use zhoubao_contract::signature::SigningKey;
use zhoubao_contract::{Stored, hash, to_structured};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, Stream, Subject, TerminalId, UserId};
use zhoubao_domain::time::rfc3339;
use zhoubao_gateway::server::serve;
use zhoubao_nats::{Identity, NatsLine};
use zhoubao_store_sqlite::ledger::{Heard, Ledger, Settings};

use super::emit::LINE_BYTES_MAX;
use super::enrol;
use crate::cli::{ClerkAction, LedgerArgs, TerminalAction, TerminalArgs};
use crate::config::JournalAt;
use crate::failure::{Exit, Failure};
use crate::lines::Lines;
use crate::projecting::stopped;
use crate::receipts::heard;
use crate::terminal::clerks::{Clerks, Pin};
use crate::terminal::clock::{self, Clocks, Timed};
use crate::terminal::http::{Agent, routes};
use crate::terminal::intake::{Intake, outcomes};
use crate::terminal::keys::KeyFiles;
use crate::terminal::recorder::{Answer, record};
use crate::terminal::sender::Sender;
use crate::terminal::server::{CONNECTIONS_MAX, listen};
use crate::terminal::standing;
use crate::wiring::{Access, Context, Whole};

/// Events that wait for the disk at most; whoever comes later waits with his line.
const WAITING_MAX: usize = 1024;

/// Longest wait for requests that have begun when the agent is stopped.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// Events of an export that one signature covers, as in what the sender sends at once; `emit -` takes as many at once.
const EXPORT_PAGE: u32 = 200;

/// Runs the command.
///
/// # Errors
///
/// What keeps the ledger from being opened; with `--once`, what was refused or could not be sent.
pub async fn run(ctx: &Context, args: TerminalArgs) -> Result<(), Failure> {
    let hall = ctx.claim_folder()?;
    match args.action {
        TerminalAction::Enroll { terminal, valid_through } => {
            enrol::enrol(ctx, &terminal, valid_through)
        }
        TerminalAction::Rekey { terminal, approved: true, .. } => enrol::approved(ctx, &terminal),
        TerminalAction::Rekey { terminal, valid_through, .. } => {
            enrol::rekey(ctx, &terminal, valid_through)
        }
        TerminalAction::Trust { of, key } => {
            let ledger = there(ctx, of, &hall).await?;
            ledger.hear(&Heard { key, text: None }).await?;
            ctx.output.note("已信任 receipts signed by this key are taken from now on");
            Ok(())
        }
        TerminalAction::Revoke { terminal, by } => enrol::revoke(ctx, &terminal, &by).await,
        TerminalAction::Run { of, once, listen: address, listen_anywhere } => {
            let port = match address {
                Some(address) => Some(listen(address, listen_anywhere).await?),
                None => None,
            };
            let terminal = of.terminal.clone();
            let clerks = Clerks::beside(&path(ctx, &of));
            let ledger = Arc::new(open(ctx, of, &hall).await?);
            let takes = Takes { once, port: port.map(|it| (it, clerks)) };
            agent(ctx, ledger, hall, terminal, takes).await
        }
        TerminalAction::Clerk { action } => clerk(ctx, action).await,
        TerminalAction::Status { of } => {
            let terminal = of.terminal.clone();
            status(ctx, &there(ctx, of, &hall).await?, &terminal).await
        }
        TerminalAction::Export { of, after } => {
            let key = KeyFiles::of(&ctx.folder(), &of.terminal).signing()?;
            export(ctx, &there(ctx, of, &hall).await?, key.as_ref(), after).await
        }
    }
}

fn path(ctx: &Context, of: &LedgerArgs) -> PathBuf {
    of.ledger.clone().unwrap_or_else(|| ctx.folder().ledger(&of.terminal))
}

async fn open(ctx: &Context, of: LedgerArgs, hall: &HallCode) -> Result<Ledger, Failure> {
    let settings = Settings {
        path: path(ctx, &of),
        hall: hall.clone(),
        terminal: of.terminal,
        now: ctx.clock.now(),
    };
    Ok(Ledger::open(settings).await?)
}

async fn clerk(ctx: &Context, action: ClerkAction) -> Result<(), Failure> {
    match action {
        ClerkAction::Add { of, clerk } => {
            let ask = {
                let (ctx, clerk) = (ctx.clone(), clerk.clone());
                move || ask_pin(&ctx, &clerk)
            };
            let asked = tokio::task::spawn_blocking(ask).await;
            let line = asked.map_err(|error| Failure::unavailable(error.to_string()))??;
            let pin = Pin::new(&line, &clerk)?;
            let hash = pin.hash(&Context::secret()?)?;
            let there = Clerks::beside(&path(ctx, &of)).put(&clerk, Some(hash))?;
            let done = if there { "已改密码 has another PIN" } else { "已加入 may log in" };
            ctx.output.note(format!("{clerk} {done}"));
        }
        ClerkAction::Remove { of, clerk } => {
            if !Clerks::beside(&path(ctx, &of)).put(&clerk, None)? {
                let message = format!("{clerk} 不在本机人员中 is no clerk of this device");
                return Err(Failure::coded(Code::NotFound, message)
                    .with_next(format!("see zhoubao terminal clerk list {}", of.terminal)));
            }
            ctx.output.note(format!("{clerk} 已移除 may not log in any more"));
        }
        ClerkAction::List { of } => {
            let clerks = Clerks::beside(&path(ctx, &of)).all()?;
            let names: Vec<&String> = clerks.keys().collect();
            if ctx.output.is_json() {
                ctx.output.value(&json!({ "terminal": of.terminal.as_str(), "clerks": names }));
            } else {
                names.into_iter().for_each(|it| ctx.output.line(it));
            }
        }
    }
    Ok(())
}

/// One line of standard input; from a person it is asked twice.
fn ask_pin(ctx: &Context, clerk: &UserId) -> Result<String, Failure> {
    let failed = |error| Failure::unavailable(format!("standard input: {error}"));
    let read = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        Ok::<_, std::io::Error>(line.trim().to_owned())
    };
    if !std::io::stdin().is_terminal() {
        return read().map_err(failed);
    }
    let _hidden = Hidden::new().map_err(failed)?;
    ctx.output.note(format!("{clerk} 的密码 the PIN of {clerk}, then Enter:"));
    let first = read().map_err(failed)?;
    ctx.output.note("再输一次 once more:");
    if read().map_err(failed)? == first {
        return Ok(first);
    }
    Err(Failure::usage("两次输入不同 the two differ").with_next("type it again"))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn new() -> std::io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone shows nothing anyway.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// The ledger, which must be there.
async fn there(ctx: &Context, of: LedgerArgs, hall: &HallCode) -> Result<Ledger, Failure> {
    let path = path(ctx, &of);
    if !path.exists() {
        let message = format!("终端 {} 无台账 no ledger `{}`", of.terminal, path.display());
        return Err(Failure::coded(Code::NotFound, message)
            .with_next("`zhoubao terminal run` makes it; or name the file: --ledger"));
    }
    open(ctx, of, hall).await
}

/// The terminal's line of the journal. It never makes a journal, and asks a broker for nothing but its own line.
async fn line(
    ctx: &Context,
    subject: &Subject,
    terminal: &TerminalId,
) -> Result<Arc<dyn Line>, Failure> {
    match &ctx.config.journal {
        JournalAt::Sqlite if !ctx.folder().journal().exists() => {
            let journal = ctx.folder().journal();
            Err(Failure::unavailable(format!("no journal `{}` yet", journal.display())))
        }
        JournalAt::Sqlite => {
            let journal = ctx.open_journal_of(&subject.hall, Whole::No, Access::Append).await?;
            let receipts = ctx.open_receipts(&subject.hall).await?;
            Ok(Arc::new(OwnLine { journal, subject: subject.clone(), receipts }))
        }
        JournalAt::Nats(address) => {
            let mut options = ctx.nats_options(address, subject.hall.clone());
            let own = KeyFiles::of(&ctx.folder(), terminal).nats_seed();
            options.identity = options.identity.or(own.map(Identity::Nkey));
            Ok(Arc::new(NatsLine::connect(&options, terminal.clone()).await?))
        }
    }
}

/// Where an agent takes events from.
struct Takes {
    /// It ends with standard input.
    once: bool,
    /// The local port, if it has one, and who may log in by it.
    port: Option<(TcpListener, Clerks)>,
}

async fn agent(
    ctx: &Context,
    ledger: Arc<Ledger>,
    hall: HallCode,
    terminal: TerminalId,
    Takes { once, port }: Takes,
) -> Result<(), Failure> {
    if hall.is_training() {
        ctx.output.note(format!("培训大厅 {hall} is a training hall: nothing of it is real"));
    }
    let standing = ledger.standing().await?;
    let (recorded, has_recorded) = watch::channel(standing.recorded);
    let clocks = Arc::new(Clocks::load(ledger.clone(), ctx.clock.clone()).await?);
    let (online, is_online) = watch::channel(None);
    let sender = Sender {
        ledger: ledger.clone(),
        clocks: clocks.clone(),
        key: KeyFiles::of(&ctx.folder(), &terminal).signing()?,
        open: {
            let (ctx, subject) = (ctx.clone(), ledger.subject().clone());
            let (terminal, clocks) = (terminal.clone(), clocks.clone());
            async move || {
                let line = line(&ctx, &subject, &terminal).await;
                if line.is_err() {
                    online.send_replace(Some(false));
                }
                let timed = Timed::new(line?, clocks.clone(), online.clone());
                Ok(Arc::new(timed) as Arc<dyn Line>)
            }
        },
        clock: ctx.clock.clone(),
        random: Context::random,
        receipt_at: ctx.clock.now(),
        recorded: has_recorded,
        trouble: None,
    };
    let (orders, waiting) = mpsc::channel(WAITING_MAX);
    let intake = Intake::new(hall.clone(), ledger.subject().clone(), orders);
    let (stop, is_stopped) = watch::channel(false);
    let server = match port {
        Some((listener, clerks)) => {
            let address = listener.local_addr();
            let address = address.map_err(|error| Failure::unavailable(error.to_string()))?;
            let (ledger, intake) = (ledger.clone(), intake.clone());
            if clerks.all()?.is_empty() {
                ctx.output.note(format!(
                    "尚无人员 nobody may log in yet: zhoubao terminal clerk add {terminal} WORK-NUMBER"
                ));
            }
            let agent = Agent::new(terminal, ledger, intake, clocks.clone(), is_online, clerks);
            let routes = routes(Arc::new(agent), address.port());
            ctx.output.note(format!("监听 listening on http://{address}"));
            Some(tokio::spawn(serve(listener, routes, CONNECTIONS_MAX, is_stopped)))
        }
        None => None,
    };
    let work = async {
        let recorder = record(ledger.clone(), clocks.clone(), waiting, recorded);
        let taking = async move {
            let refused = lines(ctx, intake.clone()).await?;
            if !once {
                // With the way in open, recorder and sender go on: the hall may still say what it has counted.
                std::future::pending::<()>().await;
            }
            drop(intake);
            Ok::<_, Failure>(refused)
        };
        let (refused, (), sent) = tokio::join!(taking, recorder, sender.run());
        Ok::<_, Failure>((sent?, refused?))
    };
    // Recorder and sender go on until the last request has its answer.
    let finished = async {
        stopped().await;
        stop.send_replace(true);
        if let Some(server) = server {
            let _ = tokio::time::timeout(FINISH_MAX, server).await;
        }
    };
    let (halt, refused) = tokio::select! {
        done = work => done?,
        () = finished => {
            ctx.output.note("已停止 stopped; what is recorded is sent at the next start");
            return Ok(());
        }
    };
    if let Some((code, number)) = halt {
        let subject = ledger.subject();
        let message = format!("{}#{number}: nothing after it is sent", subject.stream);
        return Err(Failure::coded(code, message));
    }
    ledger.close().await;
    if refused > 0 {
        return Err(Failure {
            code: None,
            exit: Exit::Refused,
            message: format!("{refused} 行未录入 lines were not recorded"),
            next: Some("see what is said of each line".to_owned()),
        });
    }
    Ok(())
}

/// Records standard input, an event a line, and says of each what became of it. Answers with how many were refused.
async fn lines(ctx: &Context, intake: Intake) -> Result<u64, Failure> {
    let stream = intake.own().stream.clone();
    let mut input = Lines::new(tokio::io::stdin(), LINE_BYTES_MAX);
    let (answers, mut said) =
        mpsc::channel::<(u64, Result<oneshot::Receiver<Answer>, Failure>)>(WAITING_MAX);
    let read = async move {
        let mut line_number = 0;
        loop {
            let Some(line) = input.next().await? else { return Ok::<_, Failure>(()) };
            line_number += 1;
            if line.as_ref().is_ok_and(|it| it.trim().is_empty()) {
                continue;
            }
            let answer = match line.map_err(Failure::from).and_then(|it| intake.read(&it)) {
                Ok(event) => Ok(intake.order(vec![event], Instant::now()).await),
                Err(failure) => Err(failure),
            };
            if answers.send((line_number, answer)).await.is_err() {
                return Ok(());
            }
        }
    };
    let say = async {
        let mut refused = 0;
        while let Some((line, waiting)) = said.recv().await {
            let answer = match waiting {
                Ok(receiver) => outcomes(receiver).await,
                Err(failure) => Err(failure),
            };
            // There is one event a line, so there is one answer.
            match answer.and_then(|mut it| it.pop().transpose()) {
                Ok(None) => {}
                Ok(Some(it)) => saved(ctx, &stream, line, it.number, it.repeated),
                Err(failure) => {
                    refused += 1;
                    not_saved(ctx, line, &failure);
                }
            }
        }
        refused
    };
    let (read, refused) = tokio::join!(read, say);
    read.map(|()| refused)
}

fn saved(ctx: &Context, stream: &Stream, line: u64, number: u64, repeated: bool) {
    if ctx.output.is_json() {
        ctx.output.value(&json!({
            "line": line, "stream": stream.to_string(), "number": number, "state": "saved", "repeated": repeated,
        }));
    } else if repeated {
        ctx.output.line(format!("{stream}#{number} 已保存，未重复录入 saved before"));
    } else {
        ctx.output.line(format!("{stream}#{number} 已保存 saved"));
    }
}

fn not_saved(ctx: &Context, line: u64, failure: &Failure) {
    if ctx.output.is_json() {
        let mut value = failure.to_json();
        value["line"] = json!(line);
        value["state"] = json!("refused");
        ctx.output.value(&value);
    } else {
        let message = format!("第 {line} 行 line {line}: {}", failure.message);
        ctx.output.failure(&Failure { message, ..failure.clone() });
    }
}

async fn status(ctx: &Context, ledger: &Ledger, terminal: &TerminalId) -> Result<(), Failure> {
    let standing = ledger.standing().await?;
    let (stored, position) = standing.stored.unwrap_or_default();
    let to_send = standing.recorded.saturating_sub(stored);
    let (notes, now) = (ledger.clock().await?, clock::stamp(&*ctx.clock));
    let receipt = heard(ledger).await?;
    let hall = &ledger.subject().hall;
    if ctx.output.is_json() {
        let clock = clock::to_json(&notes, &now);
        let mut value = standing::to_json(hall, terminal, &standing, receipt.as_ref(), clock);
        // Whoever may read the ledger may read the sentences, too.
        if let Some(receipt) = &receipt {
            value["flagged"] = receipt.open.iter().map(standing::open_json).collect();
        }
        ctx.output.value(&value);
        return Ok(());
    }
    let training = if hall.is_training() { "，培训 training" } else { "" };
    ctx.output.line(format!("终端 terminal {terminal}（大厅 hall {hall}{training}）"));
    ctx.output.line(format!("  已保存 recorded  {}", standing.recorded));
    match position {
        0 => ctx.output.line("  已送达 stored    0"),
        _ => ctx.output.line(format!("  已送达 stored    {stored}（序号 position {position}）")),
    }
    ctx.output.line(format!("  待发送 to send   {to_send}"));
    match &receipt {
        Some(it) => ctx.output.line(format!(
            "  已入账 counted   {}（截至 as of {}），需处理 to look at {}",
            it.number,
            rfc3339(it.at),
            it.open_count
        )),
        None => ctx.output.line("  已入账 counted   未知 unknown: the hall has not said yet"),
    }
    if let Some(receipt) = &receipt {
        standing::open_lines(receipt).iter().for_each(|it| ctx.output.line(it));
    }
    match (clock::offset(&notes, &now), &notes.contact) {
        (Some(offset), Some(contact)) => ctx.output.line(format!(
            "  时钟偏差 clock      {:+.1} 秒 s（测于 measured {}）",
            offset.as_secs_f64(),
            rfc3339(contact.server)
        )),
        _ => ctx.output.line("  时钟偏差 clock      未知 unknown: nothing was sent yet"),
    }
    if let Some(message) = clock::warning(&notes, &now) {
        ctx.output.line(format!("  警告 warning {}: {message}", Code::ClockSkew));
    }
    if let Some((code, number)) = standing.stopped {
        ctx.output.line(format!("  已停发 stopped at {number}: {code} {}", code.title()));
        ctx.output.line(format!("  怎么办 what to do: {}", code.fix()));
    }
    Ok(())
}

/// Prints the ledger, an event a line: what `zhoubao emit -` takes. A device that has a key signs, as it does when it sends.
async fn export(
    ctx: &Context,
    ledger: &Ledger,
    key: Option<&SigningKey>,
    after: u64,
) -> Result<(), Failure> {
    let mut after = after;
    loop {
        let mut entries = ledger.entries(after, u64::MAX, EXPORT_PAGE).await?;
        let Some(last) = entries.last_mut() else { return Ok(()) };
        after = last.number;
        if let Some(key) = key {
            last.message.attributes.signature = Some(key.sign(&hash(&last.message)).to_string());
        }
        for entry in entries {
            let stored = Stored {
                position: entry.position.unwrap_or_default(),
                recorded_at: entry.wall,
                message: entry.message,
            };
            ctx.output.line(to_structured(&stored));
        }
    }
}
