//! The journal's model against the real server: the same random scripts on both, the same answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use zhoubao_application::clock::SystemClock;
use zhoubao_application::journal::{
    AppendError, Expectation, Incarnation, Journal as _, Line as _, MESSAGE_BYTES_MAX,
};
use zhoubao_application::memory::MemoryJournal;
use zhoubao_conformance::journal::{event, hall, terminal};
use zhoubao_contract::{Message, hash};
use zhoubao_domain::id::{Digest, Subject};
use zhoubao_nats::{NatsJournal, NatsLine, Options, StreamOptions};
use zhoubao_sim::dice::Dice;
use zhoubao_test_support::NatsServer;

/// Steps of a script.
const STEPS: u32 = 150;

/// An answer, as far as both must agree.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Stored(Vec<u64>),
    Refused(&'static str),
}

fn answer(result: Result<Vec<u64>, AppendError>) -> anyhow::Result<Answer> {
    Ok(match result {
        Ok(positions) => Answer::Stored(positions),
        Err(AppendError::Conflict) => Answer::Refused("conflict"),
        Err(AppendError::BatchRefused) => Answer::Refused("batch"),
        Err(AppendError::TooLarge { .. }) => Answer::Refused("too large"),
        Err(AppendError::Invalid { .. }) => Answer::Refused("invalid"),
        Err(error @ AppendError::Unavailable(_)) => return Err(error.into()),
    })
}

/// A line as its writer knows it.
struct Writer {
    subject: Subject,
    real: NatsLine,
    number: u64,
    previous: Option<Digest>,
    last: u64,
}

impl Writer {
    /// The next messages of the line; one of them perhaps larger than the journal takes.
    fn messages(&self, count: u64, oversize: bool) -> Vec<Message> {
        let (mut number, mut previous) = (self.number, self.previous);
        let mut messages = vec![];
        for place in 0..count {
            number += 1;
            let length = if oversize && place + 1 == count { MESSAGE_BYTES_MAX } else { 8 };
            let body = format!("{{\"people\":{number},\"note\":\"{}\"}}", "x".repeat(length));
            let message = event(&self.subject, number, previous, &body);
            previous = Some(hash(&message));
            messages.push(message);
        }
        messages
    }
}

async fn script(seed: u64) -> anyhow::Result<u32> {
    let mut dice = Dice::new(seed);
    let mut server = NatsServer::start().await?;
    let options = Options { sys_url: Some(server.sys_url()), ..Options::new(server.url(), hall()) };
    let incarnation = Incarnation(format!("differential-{seed}"));
    let stream = StreamOptions { incarnation: incarnation.clone(), bytes_max: 1 << 30 };
    NatsJournal::create_stream(&options, &stream).await?;
    let journal = NatsJournal::connect(options.clone()).await?;
    let model = MemoryJournal::new(hall(), incarnation, Arc::new(SystemClock));
    let mut writers = vec![];
    for name in ["w01", "w02"] {
        let real = NatsLine::connect(&options, name.parse()?).await?;
        let subject = terminal(name);
        writers.push(Writer { subject, real, number: 0, previous: None, last: 0 });
    }
    let mut killed = 0;
    for step in 0..STEPS {
        if dice.chance(4) {
            server.kill().await?;
            server.restart().await?;
            killed += 1;
            for writer in &writers {
                reached(&writer.real).await?;
            }
        }
        let place = usize::try_from(dice.below(2))?;
        let writer = &mut writers[place];
        let count = if dice.chance(50) { 1 } else { dice.between(2, 12) };
        let messages = writer.messages(count, dice.chance(5));
        // As it is, too old, too new, of nobody, or none.
        let last = match dice.below(10) {
            0 => writer.last.saturating_sub(1),
            1 => writer.last + 1,
            2 => 0,
            _ => writer.last,
        };
        let expected = [Expectation { subject: writer.subject.clone(), last }];
        let real = answer(writer.real.append(&messages, last).await)
            .with_context(|| format!("seed {seed} step {step}"))?;
        let simulated = answer(model.append_once(&messages, &expected))?;
        anyhow::ensure!(
            real == simulated,
            "seed {seed} step {step}: {count} after @{last}: real {real:?}, model {simulated:?}"
        );
        if let Answer::Stored(positions) = real {
            writer.number += count;
            writer.previous = messages.last().map(hash);
            writer.last = positions.last().copied().unwrap_or(writer.last);
        }
        let head = writer.real.head().await?.map(|it| (it.position, it.message));
        let own = model.look_at_head(&writer.subject.to_string());
        anyhow::ensure!(
            head == own.map(|it| (it.position, it.message)),
            "seed {seed} step {step}: other heads"
        );
    }
    anyhow::ensure!(journal.state().await?.last == model.end(), "seed {seed}: other ends");
    for own in model.look(1) {
        let real = journal.get(own.position).await?.context("a message")?;
        anyhow::ensure!(
            real.message == own.message,
            "seed {seed}: another message @{}",
            own.position
        );
    }
    Ok(killed)
}

/// Waits until a restarted server answers.
async fn reached(line: &NatsLine) -> anyhow::Result<()> {
    for _ in 0..200 {
        if line.head().await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the server does not come back")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_answers_as_the_server_does() -> anyhow::Result<()> {
    let mut killed = 0;
    for seed in 0..4 {
        killed += script(seed).await?;
    }
    anyhow::ensure!(killed > 5, "the server was killed {killed} times only");
    Ok(())
}
