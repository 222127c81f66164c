//! `zhoubao terminal`: the agent of a window's device, and what its ledger holds.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::{mpsc, oneshot, watch};
use zhoubao_application::journal::Journal;
use zhoubao_contract::structured::{Incoming, parse};
use zhoubao_contract::{Stored, to_structured};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, TerminalId};
use zhoubao_nats::NatsJournal;
use zhoubao_store_sqlite::ledger::{Ledger, Settings};

use super::emit::LINE_BYTES_MAX;
use crate::cli::{LedgerArgs, TerminalAction, TerminalArgs};
use crate::config::JournalAt;
use crate::failure::{Exit, Failure};
use crate::projecting::stopped;
use crate::terminal::recorder::{Answer, Order, record};
use crate::terminal::sender::Sender;
use crate::wiring::{Context, Whole};

/// Events that wait for the disk at most; whoever comes later waits with his line.
const WAITING_MAX: usize = 1024;

/// Events of one read of an export.
const EXPORT_PAGE: u32 = 1_000;

/// Runs the command.
///
/// # Errors
///
/// What keeps the ledger from being opened; with `--once`, what was refused or could not be sent.
pub async fn run(ctx: &Context, args: TerminalArgs) -> Result<(), Failure> {
    let hall = ctx.claim_folder()?;
    match args.action {
        TerminalAction::Run { of, once } => {
            let ledger = open(ctx, of, &hall).await?;
            agent(ctx, Arc::new(ledger), hall, once).await
        }
        TerminalAction::Status { of } => {
            let terminal = of.terminal.clone();
            status(ctx, &there(ctx, of, &hall).await?, &terminal).await
        }
        TerminalAction::Export { of, after } => {
            export(ctx, &there(ctx, of, &hall).await?, after).await
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

/// The hall's journal as a terminal reaches it: it never makes one.
pub(crate) async fn journal(ctx: &Context, hall: &HallCode) -> Result<Arc<dyn Journal>, Failure> {
    match &ctx.config.journal {
        JournalAt::Sqlite if !ctx.folder().journal().exists() => {
            let journal = ctx.folder().journal();
            Err(Failure::unavailable(format!("no journal `{}` yet", journal.display())))
        }
        JournalAt::Sqlite => ctx.open_journal_of(hall, Whole::No).await,
        JournalAt::Nats(address) => {
            Ok(Arc::new(NatsJournal::connect(ctx.nats_options(address, hall.clone())).await?))
        }
    }
}

async fn agent(
    ctx: &Context,
    ledger: Arc<Ledger>,
    hall: HallCode,
    once: bool,
) -> Result<(), Failure> {
    let standing = ledger.standing().await?;
    let (recorded, has_recorded) = watch::channel(standing.recorded);
    let sender = Sender {
        ledger: ledger.clone(),
        open: {
            let (ctx, hall) = (ctx.clone(), hall.clone());
            async move || journal(&ctx, &hall).await
        },
        clock: ctx.clock.clone(),
        random: Context::random,
        recorded: has_recorded,
        trouble: None,
    };
    let (orders, waiting) = mpsc::channel(WAITING_MAX);
    let work = async {
        let recorder = record(ledger.clone(), ctx.clock.clone(), waiting, recorded);
        let intake = async {
            let refused = lines(ctx, &ledger, &hall, orders.clone()).await?;
            if !once {
                std::future::pending::<()>().await;
            }
            drop(orders);
            Ok::<_, Failure>(refused)
        };
        let (refused, (), sent) = tokio::join!(intake, recorder, sender.run());
        Ok::<_, Failure>((sent?, refused?))
    };
    let (halt, refused) = tokio::select! {
        done = work => done?,
        () = stopped() => {
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
async fn lines(
    ctx: &Context,
    ledger: &Ledger,
    hall: &HallCode,
    orders: mpsc::Sender<Order>,
) -> Result<u64, Failure> {
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let (answers, mut said) =
        mpsc::channel::<(u64, Result<oneshot::Receiver<Answer>, Failure>)>(WAITING_MAX);
    let read = async move {
        let mut line_number = 0;
        loop {
            let line = input
                .next_line()
                .await
                .map_err(|error| Failure::unavailable(format!("standard input: {error}")))?;
            let Some(line) = line else { return Ok::<_, Failure>(()) };
            line_number += 1;
            if line.trim().is_empty() {
                continue;
            }
            let answer = match own_event(&line, ledger, hall) {
                Ok(event) => {
                    let (answer, receiver) = oneshot::channel();
                    // The recorder is there as long as anybody may order.
                    let _ = orders.send(Order { event, answer }).await;
                    Ok(receiver)
                }
                Err(failure) => Err(failure),
            };
            if answers.send((line_number, answer)).await.is_err() {
                return Ok(());
            }
        }
    };
    let say = async {
        let mut refused = 0;
        while let Some((line, answer)) = said.recv().await {
            let answer = match answer {
                Ok(receiver) => receiver
                    .await
                    .unwrap_or_else(|_| Err(Failure::unavailable("the recorder has ended"))),
                Err(failure) => Err(failure),
            };
            match answer.and_then(|it| it.map_err(Failure::from)) {
                Ok(it) => saved(ctx, ledger, line, it.number, it.repeated),
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

fn own_event(line: &str, ledger: &Ledger, hall: &HallCode) -> Result<Incoming, Failure> {
    if line.len() > LINE_BYTES_MAX {
        let message = format!("{} bytes, at most {LINE_BYTES_MAX}", line.len());
        return Err(Failure::coded(Code::TooLarge, message));
    }
    let event = parse(line, hall)?;
    let own = ledger.subject();
    if event.subject != *own {
        let message =
            format!("本机只录 {own} this device records in its own line, not in {}", event.subject);
        return Err(Failure::coded(Code::Malformed, message));
    }
    if event.number.is_some() {
        let message = "编号由台账给出 the ledger numbers: leave `id`, `prevhash` and `hash` away";
        return Err(Failure::coded(Code::Malformed, message));
    }
    Ok(event)
}

fn saved(ctx: &Context, ledger: &Ledger, line: u64, number: u64, repeated: bool) {
    let stream = &ledger.subject().stream;
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
    if ctx.output.is_json() {
        let stopped: Value = match standing.stopped {
            Some((code, number)) => {
                json!({ "code": code.text(), "number": number, "next": code.fix() })
            }
            None => Value::Null,
        };
        ctx.output.value(&json!({
            "terminal": terminal.as_str(),
            "recorded": standing.recorded,
            "stored": stored,
            "position": (position > 0).then_some(position),
            "to_send": to_send,
            "stopped": stopped,
        }));
        return Ok(());
    }
    ctx.output.line(format!("终端 terminal {terminal}"));
    ctx.output.line(format!("  已保存 recorded  {}", standing.recorded));
    match position {
        0 => ctx.output.line("  已送达 stored    0"),
        _ => ctx.output.line(format!("  已送达 stored    {stored}（序号 position {position}）")),
    }
    ctx.output.line(format!("  待发送 to send   {to_send}"));
    if let Some((code, number)) = standing.stopped {
        ctx.output.line(format!("  已停发 stopped at {number}: {code} {}", code.title()));
        ctx.output.line(format!("  怎么办 what to do: {}", code.fix()));
    }
    Ok(())
}

/// Prints the ledger, an event a line: what `zhoubao emit -` takes.
async fn export(ctx: &Context, ledger: &Ledger, after: u64) -> Result<(), Failure> {
    let mut after = after;
    loop {
        let entries = ledger.entries(after, u64::MAX, EXPORT_PAGE).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = last.number;
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
