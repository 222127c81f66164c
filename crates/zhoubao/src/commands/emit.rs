//! `zhoubao emit`: one event by flags, or many as lines of standard input.

use jiff::{Timestamp, civil};
use serde_json::{Value, json};
use zhoubao_application::desk::{By, Desk};
use zhoubao_application::emit::preview;
use zhoubao_application::journal::{
    AppendError, BATCH_MESSAGES_MAX, Expectation, LineEnd, head_or_start,
};
use zhoubao_application::writer::Receipt;
use zhoubao_composer::checks::personal;
use zhoubao_composer::submission;
use zhoubao_contract::structured::{Incoming, parse};
use zhoubao_contract::{Draft, Message, decode, encode, hash};
use zhoubao_domain::code::{Code, Weight};
use zhoubao_domain::event::{
    Act, AuthorizationChange, Event, Kind, PEOPLE_MAX, Replacement, Tally,
};
use zhoubao_domain::id::{Stream, Subject};
use zhoubao_domain::time::{hall_day, hall_zone};
use zhoubao_projections::rows::ExceptionRow;

use crate::cli::{ChangeKind, EmitArgs, EmitKind};
use crate::failure::Failure;
use crate::lines::Lines;
use crate::output::Output;
use crate::wiring::Context;

/// Tries to append at the end of a line while others write to it.
const TRIES_MAX: usize = 8;

/// Longest line of standard input: the largest event with everything around it.
pub(crate) const LINE_BYTES_MAX: usize = 256 * 1024;

/// Runs the command.
///
/// # Errors
///
/// What is malformed, what would not count (without `--anyway`), or what keeps the journal from taking it.
pub async fn run(ctx: &Context, args: EmitArgs) -> Result<(), Failure> {
    if args.kind == EmitKind::Lines {
        return lines(ctx, &args).await;
    }
    let now = ctx.clock.now();
    let (stream, event) = event(&args, now)?;
    let desk = ctx.desk().await?;
    desk.catch_up().await?;
    if !matches!(stream, Stream::Terminal(_)) {
        return of_the_desk(ctx, &desk, &args, stream, event, now).await;
    }
    let (occurred_at, entered_at) = match &args.time {
        Some(text) => (time(text)?, Some(now)),
        None => (now, None),
    };
    let draft = |end: &LineEnd| Draft {
        subject: Subject::new(desk.hall().clone(), stream.clone()),
        number: end.next_number,
        previous: end.previous,
        occurred_at,
        entered_at,
        actor: args.by.by.clone(),
        command: args.by.key.clone(),
        event: event.clone(),
    };
    for _ in 0..TRIES_MAX {
        let subject = Subject::new(desk.hall().clone(), stream.clone());
        let end = head_or_start(&**desk.journal(), &subject).await?;
        if let Some(number) = args.number
            && number != end.next_number
        {
            return repeated(ctx, &desk, &stream, number, &end, &draft).await;
        }
        if let Some(receipt) = retried(&desk, &subject, args.by.key.as_deref()).await? {
            return done(&ctx.output, &receipt, None, true);
        }
        let message = encode(&draft(&end));
        let said = preview(
            &**desk.journal(),
            &**desk.store(),
            desk.hall(),
            std::slice::from_ref(&message),
            now,
        )
        .await?
        .pop()
        .flatten();
        if let Some(said) = said.as_ref().filter(|it| it.code.weight() == Weight::Error)
            && !args.anyway
        {
            return Err(would_not_count(said));
        }
        if args.by.dry_run {
            let receipt = Receipt { stream, number: end.next_number, position: 0 };
            return done(&ctx.output, &receipt, said.as_ref(), false);
        }
        let expectation = Expectation { subject, last: end.last };
        match desk.journal().append(std::slice::from_ref(&message), &[expectation]).await {
            Ok(positions) => {
                let position = positions.first().copied().unwrap_or_default();
                let receipt = Receipt { stream, number: end.next_number, position };
                return done(&ctx.output, &receipt, said.as_ref(), false);
            }
            Err(AppendError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AppendError::Conflict.into())
}

fn would_not_count(said: &ExceptionRow) -> Failure {
    Failure::coded(said.code, said.detail.clone()).with_next(format!(
        "{} Nothing is recorded yet; --anyway records it all the same, and it counts once it is released.",
        said.code.fix()
    ))
}

fn done(
    output: &Output,
    receipt: &Receipt,
    said: Option<&ExceptionRow>,
    repeated: bool,
) -> Result<(), Failure> {
    if output.is_json() {
        output.value(&receipt_json(receipt, said, repeated));
        return Ok(());
    }
    let Receipt { stream, number, position } = receipt;
    match (position, repeated) {
        (0, _) => output.line(format!("{stream}#{number}（未写入 not written）")),
        (_, true) => output.line(format!("{stream}#{number} 已入账，未重复计数，序号 {position}")),
        (_, false) => output.line(format!("{stream}#{number} 已入账，序号 {position}")),
    }
    if let Some(said) = said {
        output.note(format!("{} {}: {}", said.code, said.code.title(), said.detail));
    }
    Ok(())
}

fn receipt_json(receipt: &Receipt, said: Option<&ExceptionRow>, repeated: bool) -> Value {
    json!({
        "stream": receipt.stream.to_string(),
        "number": receipt.number,
        "position": (receipt.position > 0).then_some(receipt.position),
        "repeated": repeated,
        "standing": said.map_or("counted", |it| it.standing.word()),
        "code": said.map(|it| it.code.text()),
        "detail": said.map(|it| it.detail.as_str()),
    })
}

/// A number that is not the next one: the same event again, another content, or a gap.
async fn repeated(
    ctx: &Context,
    desk: &Desk,
    stream: &Stream,
    number: u64,
    end: &LineEnd,
    draft: &impl Fn(&LineEnd) -> Draft,
) -> Result<(), Failure> {
    if number > end.next_number || number == 0 {
        return Err(Failure::coded(
            Code::SequenceGap,
            format!("{stream}: the next number is {}, not {number}", end.next_number),
        ));
    }
    let positions = desk.store().positions(desk.hall(), &[(stream.clone(), number)]).await?;
    let stored = match positions.first().copied().flatten() {
        Some(position) => desk.journal().get(position).await?,
        None => None,
    };
    let stored = stored.ok_or_else(|| {
        Failure::coded(Code::NotFound, format!("{stream}#{number} is not in the journal"))
    })?;
    // Compared by what was recorded: the time is that of the first try where none is given.
    let first = decode(&stored, desk.hall())?;
    let again = draft(&LineEnd { next_number: number, previous: first.previous, last: 0 });
    let same = first.event == again.event
        && first.actor == again.actor
        && (again.entered_at.is_none() || first.occurred_at == again.occurred_at);
    if !same {
        return Err(Failure::coded(
            Code::Fork,
            format!("{stream}#{number} is recorded with another content, at {}", stored.position),
        ));
    }
    let receipt = Receipt { stream: stream.clone(), number, position: stored.position };
    done(&ctx.output, &receipt, None, true)
}

/// The receipt of the line's last event, if it bears the same idempotency key: its answer was lost.
async fn retried(
    desk: &Desk,
    subject: &Subject,
    key: Option<&str>,
) -> Result<Option<Receipt>, Failure> {
    let Some(key) = key else { return Ok(None) };
    let Some(head) = desk.journal().head(subject).await? else { return Ok(None) };
    if head.message.attributes.command.as_deref() != Some(key) {
        return Ok(None);
    }
    let number = head.message.attributes.id.as_deref().and_then(|it| it.parse().ok());
    Ok(Some(Receipt {
        stream: subject.stream.clone(),
        number: number.unwrap_or_default(),
        position: head.position,
    }))
}

/// What does not come from a window: checked by the desk, by whose rules it is refused.
async fn of_the_desk(
    ctx: &Context,
    desk: &Desk,
    args: &EmitArgs,
    stream: Stream,
    event: Event,
    now: Timestamp,
) -> Result<(), Failure> {
    let at = args.time.as_deref().map(time).transpose()?;
    if args.by.dry_run {
        let known = desk.known().await?;
        zhoubao_application::desk::check(&known, &stream, &event, args.by.by.as_ref())?;
        let by = By { at: Some(at.unwrap_or(now)), ..super::issue::by(&args.by) };
        desk.would_settle(&event, &by).await?;
        let receipt = Receipt { stream, number: 0, position: 0 };
        return done(&ctx.output, &receipt, None, false);
    }
    let by = By { at: Some(at.unwrap_or(now)), ..super::issue::by(&args.by) };
    let before = desk.journal().state().await?.last;
    let receipt = desk.record(stream, event, by).await?;
    let repeated = receipt.position <= before;
    done(&ctx.output, &receipt, None, repeated)
}

/// The event that the flags describe, and the line it belongs to.
fn event(args: &EmitArgs, now: Timestamp) -> Result<(Stream, Event), Failure> {
    let terminal = || {
        let id = args.terminal.clone();
        id.map(Stream::Terminal)
            .ok_or_else(|| missing("--terminal", "终端 the device, such as w01"))
    };
    let act = |kind: Kind, amount: u32| {
        Ok((
            terminal()?,
            Event::Act(Act {
                kind,
                amount,
                department: args.department.clone(),
                matter: args.matter.clone(),
                case: args.case.clone(),
            }),
        ))
    };
    let of_a_case = |kind: Kind| {
        if args.people.is_some() {
            return Err(Failure::usage("--people belongs to 咨询 only"));
        }
        args.case.as_ref().ok_or_else(|| missing("--case", "办件编号 the case"))?;
        args.department.as_ref().ok_or_else(|| missing("--department", "部门 the department"))?;
        act(kind, 1)
    };
    let original =
        || args.event.clone().ok_or_else(|| missing("--event", "such as terminal.w01#17"));
    let reason = || {
        let reason = args.reason.clone().filter(|it| !it.trim().is_empty());
        reason.ok_or_else(|| {
            Failure::coded(Code::NoReason, "须填写原因 a reason is required: --reason")
        })
    };
    let day = args.day.unwrap_or_else(|| hall_day(now));
    match args.kind {
        EmitKind::Consult => {
            let people = args.people.unwrap_or(1);
            if !(1..=PEOPLE_MAX).contains(&people) {
                return Err(Failure::coded(Code::OutOfRange, format!("咨询 {people} 人次")));
            }
            if args.case.is_some() {
                return Err(Failure::usage("咨询 a consultation has no case"));
            }
            act(Kind::Consulted, people)
        }
        EmitKind::Accept => of_a_case(Kind::Accepted),
        EmitKind::Issue => of_a_case(Kind::Issued),
        EmitKind::Transfer => of_a_case(Kind::Transferred),
        EmitKind::Close => {
            let tally = Tally {
                consulted: args.consulted.unwrap_or(0),
                accepted: args.accepted.unwrap_or(0),
                issued: args.issued.unwrap_or(0),
                transferred: args.transferred.unwrap_or(0),
            };
            Ok((terminal()?, Event::DayClosed { day, tally }))
        }
        EmitKind::Correct => {
            let replacement = Replacement {
                occurred_at: args.time.as_deref().map(time).transpose()?,
                people: args.people,
                department: args.department.clone(),
                matter: args.matter.clone(),
            };
            if replacement == Replacement::default() {
                return Err(Failure::usage("nothing to correct")
                    .with_next("give what is true: --people, --department, --matter or --time"));
            }
            let (original, reason) = (original()?, reason()?);
            Ok((terminal()?, Event::Corrected { original, replacement, reason }))
        }
        EmitKind::Void => {
            let (original, reason) = (original()?, reason()?);
            Ok((terminal()?, Event::Voided { original, reason }))
        }
        EmitKind::Release => Ok((
            Stream::Quarantine,
            Event::Released { original: original()?, position: args.position, reason: reason()? },
        )),
        EmitKind::Reject => Ok((
            Stream::Quarantine,
            Event::Rejected { original: original()?, position: args.position, reason: reason()? },
        )),
        EmitKind::Authz => {
            let department = args
                .department
                .clone()
                .ok_or_else(|| missing("--department", "部门 the department"))?;
            let change = change(args)?;
            let stream = match &args.terminal {
                Some(id) => Stream::Terminal(id.clone()),
                None => Stream::Authorization(department.clone()),
            };
            Ok((stream, Event::AuthorizationChanged { department, effective: day, change }))
        }
        EmitKind::Lines => Err(Failure::usage("lines come from standard input")),
    }
}

fn change(args: &EmitArgs) -> Result<AuthorizationChange, Failure> {
    let items = || match args.items.is_empty() {
        true => Err(missing("--item", "事项 at least one matter")),
        false => Ok(args.items.clone()),
    };
    let letter = || {
        args.letter.clone().ok_or_else(|| missing("--letter", "授权书编号 number of the letter"))
    };
    let change = args.change.ok_or_else(|| missing("--change", "变更种类 what changes"))?;
    Ok(match change {
        ChangeKind::Authorised => AuthorizationChange::DepartmentAuthorised,
        ChangeKind::Withdrawn => AuthorizationChange::DepartmentWithdrawn,
        ChangeKind::ItemsIncluded => AuthorizationChange::ItemsIncluded(items()?),
        ChangeKind::ItemsRemoved => AuthorizationChange::ItemsRemoved(items()?),
        ChangeKind::RepresentativeReplaced => AuthorizationChange::RepresentativeReplaced {
            representative: args
                .representative
                .clone()
                .ok_or_else(|| missing("--representative", "首席事务代表工号"))?,
            letter: letter()?,
        },
        ChangeKind::LetterSigned => AuthorizationChange::LetterSigned { letter: letter()? },
    })
}

fn missing(flag: &str, what: &str) -> Failure {
    Failure::usage(format!("缺少 {flag} is missing: {what}"))
}

/// A time with an offset, or without one in the hall's zone.
fn time(text: &str) -> Result<Timestamp, Failure> {
    let with_offset = text.parse::<Timestamp>().ok();
    let of_the_hall = || {
        let time = text.parse::<civil::DateTime>().ok().filter(|_| text.contains([':']))?;
        hall_zone().to_timestamp(time).ok()
    };
    with_offset.or_else(of_the_hall).ok_or_else(|| {
        Failure::usage(format!("`{text}` is no time, expected the form 2023-02-06T10:41:00+08:00"))
    })
}

/// Records standard input: a CloudEvent in JSON a line, in batches, each checked by the fold first.
async fn lines(ctx: &Context, args: &EmitArgs) -> Result<(), Failure> {
    let desk = ctx.desk().await?;
    let bar = ctx.output.progress(0, "录入 recording");
    let mut input = Lines::new(tokio::io::stdin(), LINE_BYTES_MAX);
    let (mut line_number, mut recorded, mut repeats) = (0_u64, 0_u64, 0_u64);
    let mut batch: Vec<(u64, Incoming)> = Vec::new();
    loop {
        let line = input.next().await?;
        let ended = line.is_none();
        if let Some(line) = line {
            line_number += 1;
            let line = line.map_err(|it| at_line(line_number, recorded, it.into()))?;
            if !line.trim().is_empty() {
                let incoming = parse(&line, desk.hall())
                    .map_err(|it| at_line(line_number, recorded, it.into()))?;
                // No `--anyway` helps: what the journal has once, it has for ever.
                if let Event::SubmissionFiled { text, .. } = &incoming.event {
                    submission::check_characters(text)
                        .and_then(|()| personal::check(text))
                        .map_err(|it| at_line(line_number, recorded, it.into()))?;
                }
                batch.push((line_number, incoming));
            }
        }
        if batch.len() == BATCH_MESSAGES_MAX || ended {
            let first = batch.first().map_or(line_number, |(line, _)| *line);
            let rest = if ended { vec![] } else { batch.split_off(whole(&batch)) };
            let now = std::mem::replace(&mut batch, rest);
            let done = record_batch(ctx, &desk, args, now).await;
            let (new, again) = done.map_err(|it| at_line(first, recorded, it))?;
            recorded += new;
            repeats += again;
            bar.set_position(recorded);
        }
        if ended {
            bar.finish_and_clear();
            ctx.output.note(format!("已入账 recorded {recorded}，重复 repeated {repeats}"));
            return Ok(());
        }
    }
}

/// How many lines of a full batch go into one append, so that none is parted from the signature that covers it.
///
/// A signature covers numbered lines of its own stream that stand directly before it, so those at the end that none covers
/// yet wait for the next batch; unless they are the whole batch, which no signature covers any more.
fn whole(batch: &[(u64, Incoming)]) -> usize {
    let Some((_, last)) = batch.last() else { return 0 };
    let waits = |it: &Incoming| {
        it.attributes.signature.is_none() && it.number.is_some() && it.subject == last.subject
    };
    let covered = batch.iter().rposition(|(_, it)| !waits(it));
    covered.map_or(batch.len(), |it| it + 1)
}

fn at_line(line: u64, recorded: u64, failure: Failure) -> Failure {
    let message = if failure.message.starts_with("第") {
        failure.message
    } else {
        format!("第 {line} 行 line {line}: {}", failure.message)
    };
    Failure {
        message: format!("{message}（之前已入账 recorded before it: {recorded}）"),
        ..failure
    }
}

/// Records some lines; all of one batch or none of it. Answers with how many are new and how many were there.
async fn record_batch(
    ctx: &Context,
    desk: &Desk,
    args: &EmitArgs,
    batch: Vec<(u64, Incoming)>,
) -> Result<(u64, u64), Failure> {
    if batch.is_empty() {
        return Ok((0, 0));
    }
    for _ in 0..TRIES_MAX {
        // The last events of the lines decide about repeats, so they must be folded.
        desk.catch_up().await?;
        let placed = place(desk, &batch).await?;
        let messages: Vec<Message> = placed.new.iter().map(|(_, it)| it.clone()).collect();
        for receipt in &placed.repeated {
            done_line(&ctx.output, receipt, None, true);
        }
        if messages.is_empty() {
            return Ok((0, placed.repeated.len() as u64));
        }
        let said = if args.anyway {
            vec![None; messages.len()]
        } else {
            let now = ctx.clock.now();
            preview(&**desk.journal(), &**desk.store(), desk.hall(), &messages, now).await?
        };
        for ((line, _), said) in placed.new.iter().zip(&said) {
            if let Some(said) = said.as_ref().filter(|it| it.code.weight() == Weight::Error)
                && !args.anyway
            {
                let failure = would_not_count(said);
                let message = format!("第 {line} 行 line {line}: {}", failure.message);
                return Err(Failure { message, ..failure });
            }
        }
        let positions = if args.by.dry_run {
            vec![0; messages.len()]
        } else {
            match desk.journal().append(&messages, &placed.expected).await {
                Ok(positions) => positions,
                Err(AppendError::Conflict) => continue,
                // One by one they would be parted from their signature: ask again later.
                Err(error @ AppendError::BatchRefused)
                    if messages.iter().any(|it| it.attributes.signature.is_some()) =>
                {
                    return Err(error.into());
                }
                Err(AppendError::BatchRefused) => {
                    singles(desk, &messages, placed.expected.clone()).await?
                }
                Err(error) => return Err(error.into()),
            }
        };
        for ((receipt, position), said) in placed.receipts.into_iter().zip(positions).zip(&said) {
            done_line(&ctx.output, &Receipt { position, ..receipt }, said.as_ref(), false);
        }
        return Ok((messages.len() as u64, placed.repeated.len() as u64));
    }
    Err(AppendError::Conflict.into())
}

fn done_line(output: &Output, receipt: &Receipt, said: Option<&ExceptionRow>, repeated: bool) {
    if output.is_json() {
        output.value(&receipt_json(receipt, said, repeated));
    } else {
        let Receipt { stream, number, position } = receipt;
        let what =
            if repeated { "已入账，未重复计数，序号" } else { "已入账，序号" };
        let code = said.map_or_else(String::new, |it| format!("  {} {}", it.code, it.detail));
        output.line(format!("{stream}#{number} {what} {position}{code}"));
    }
}

async fn singles(
    desk: &Desk,
    messages: &[Message],
    mut expected: Vec<Expectation>,
) -> Result<Vec<u64>, Failure> {
    let mut positions = Vec::with_capacity(messages.len());
    for message in messages {
        let own = expected.iter_mut().find(|it| it.subject.to_string() == message.subject);
        let Some(own) = own else {
            return Err(AppendError::Invalid { detail: "no expectation".to_owned() }.into());
        };
        let stored =
            desk.journal().append(std::slice::from_ref(message), std::slice::from_ref(own)).await?;
        let position = stored.first().copied().unwrap_or_default();
        own.last = position;
        positions.push(position);
    }
    Ok(positions)
}

/// Lines with their places in the journal's lines.
struct Placed {
    new: Vec<(u64, Message)>,
    receipts: Vec<Receipt>,
    expected: Vec<Expectation>,
    repeated: Vec<Receipt>,
}

async fn place(desk: &Desk, batch: &[(u64, Incoming)]) -> Result<Placed, Failure> {
    let mut placed = Placed { new: vec![], receipts: vec![], expected: vec![], repeated: vec![] };
    let mut ends: Vec<(Stream, LineEnd)> = Vec::new();
    for (line, incoming) in batch {
        let stream = &incoming.subject.stream;
        let known = ends.iter().position(|(it, _)| it == stream);
        let index = match known {
            Some(index) => index,
            None => {
                let end = head_or_start(&**desk.journal(), &incoming.subject).await?;
                ends.push((stream.clone(), end));
                ends.len() - 1
            }
        };
        let end = ends[index].1.clone();
        let number = incoming.number.unwrap_or(end.next_number);
        if number < end.next_number {
            placed.repeated.push(there_already(desk, incoming, number).await?);
            continue;
        }
        // A chain of its own is kept as it came, gap or not: the fold says what it comes to.
        let previous = if incoming.number.is_some() { incoming.previous } else { end.previous };
        let message = incoming.message(number, previous);
        if !placed.expected.iter().any(|it| it.subject == incoming.subject) {
            placed.expected.push(Expectation { subject: incoming.subject.clone(), last: end.last });
        }
        ends[index].1 =
            LineEnd { next_number: number + 1, previous: Some(hash(&message)), last: end.last };
        placed.receipts.push(Receipt { stream: stream.clone(), number, position: 0 });
        placed.new.push((*line, message));
    }
    Ok(placed)
}

/// The receipt of an event that was recorded before, if it is the same one.
async fn there_already(desk: &Desk, incoming: &Incoming, number: u64) -> Result<Receipt, Failure> {
    let stream = incoming.subject.stream.clone();
    let positions = desk.store().positions(desk.hall(), &[(stream.clone(), number)]).await?;
    let position = positions.first().copied().flatten();
    let stored = match position {
        Some(position) => desk.journal().get(position).await?,
        None => None,
    };
    let message = incoming.message(number, incoming.previous);
    match stored {
        Some(stored) if hash(&stored.message) == hash(&message) => {
            Ok(Receipt { stream, number, position: stored.position })
        }
        Some(stored) => Err(Failure::coded(
            Code::Fork,
            format!("{stream}#{number} is recorded with another content, at {}", stored.position),
        )),
        None => Err(Failure::coded(
            Code::NotFound,
            format!("{stream}#{number} lies before the line's end, but is not in the record"),
        )),
    }
}
