//! Carries out what the rules of the queue say: reads the ledger, appends to the journal, notes what was answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use zhoubao_application::clock::Clock;
use zhoubao_application::journal::{AppendError, Line};
use zhoubao_application::way::{self, Part, Since};
use zhoubao_contract::signature::SigningKey;
use zhoubao_contract::{Message, hash};
use zhoubao_domain::code::Code;
use zhoubao_outbox::{BATCH_EVENTS_MAX, Effect, Head, Input, Mark, Outbox, Refusal};
use zhoubao_store_sqlite::ledger::Ledger;

use super::clock::Clocks;
use super::corrections::correct;
use crate::failure::{Failure, chain};
use crate::receipts::hear;

/// When the receipt of what was just stored is asked for.
const RECEIPT_SOON: SignedDuration = SignedDuration::from_secs(2);

/// When it is asked for again, and the journal whether it still has what it had.
const RECEIPT_IDLE: SignedDuration = SignedDuration::from_secs(20);

/// The sender of one terminal.
pub struct Sender<O> {
    /// What is to be sent.
    pub ledger: Arc<Ledger>,
    /// What is known of the clock; what was recorded before that is corrected.
    pub clocks: Arc<Clocks>,
    /// Signs the last event of what is sent at once, which covers those before it.
    pub key: Option<SigningKey>,
    /// Opens the terminal's line of the journal; tried again until it answers.
    pub open: O,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers, for the length of the pauses.
    pub random: fn() -> u16,
    /// When the line's receipt is asked for again.
    pub receipt_at: Timestamp,
    /// Number of the last event recorded.
    pub recorded: watch::Receiver<u64>,
    /// Why the journal could not be reached when it was last tried; none at first.
    pub trouble: Option<String>,
}

impl<O> Sender<O>
where
    O: AsyncFn() -> Result<Arc<dyn Line>, Failure>,
{
    /// Sends until nobody records any more and everything is stored, or nothing more may be sent: then it answers with
    /// the reason, and the event that it is about.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read at the start.
    pub async fn run(mut self) -> Result<Option<(Code, u64)>, Failure> {
        let standing = self.ledger.standing().await?;
        let stored = standing.stored.map(|(number, position)| Mark { number, position });
        let mut outbox = Outbox::new(standing.recorded, stored);
        if standing.stopped.is_some() {
            // A person has looked, and switched it on again.
            self.ledger.mark_stopped(None).await?;
        }
        let mut line: Option<Arc<dyn Line>> = None;
        let mut wake = None;
        let mut effects: VecDeque<Effect> =
            outbox.step(Input::Start, self.clock.now(), (self.random)()).into();
        let mut is_corrected = false;
        loop {
            while let Some(effect) = effects.pop_front() {
                let stop = match effect {
                    Effect::Stop { code, number } => Some((code, number)),
                    _ => None,
                };
                let input = self.act(effect, &mut line, &mut wake).await;
                if stop.is_some() {
                    return Ok(stop);
                }
                let Some(input) = input else { continue };
                effects.extend(outbox.step(input, self.clock.now(), (self.random)()));
            }
            if !is_corrected && let Some(last) = self.correct().await {
                is_corrected = true;
                let input = Input::Recorded(last);
                effects.extend(outbox.step(input, self.clock.now(), (self.random)()));
                if !effects.is_empty() {
                    continue;
                }
            }
            let nobody_records = self.recorded.has_changed().is_err();
            if nobody_records {
                let last = Input::Recorded(*self.recorded.borrow());
                effects.extend(outbox.step(last, self.clock.now(), (self.random)()));
                if outbox.is_drained() {
                    // Whoever runs it by the hour hears of what it sent the hour before.
                    self.hear(line.as_deref()).await;
                    return Ok(None);
                }
                if !effects.is_empty() {
                    continue;
                }
            }
            let input = tokio::select! {
                Ok(()) = self.recorded.changed(), if !nobody_records => {
                    Input::Recorded(*self.recorded.borrow_and_update())
                }
                () = until(wake, &*self.clock), if wake.is_some() => Input::Woken,
                () = until(Some(self.receipt_at), &*self.clock), if line.is_some() => {
                    self.hear(line.as_deref()).await;
                    Input::Look
                }
                // The last one who records has just gone.
                else => continue,
            };
            if input == Input::Woken {
                wake = None;
            }
            effects.extend(outbox.step(input, self.clock.now(), (self.random)()));
        }
    }

    /// Corrects what was recorded before the first contact of this boot; `None` until there was one.
    async fn correct(&self) -> Option<u64> {
        match correct(&self.ledger, &self.clocks).await {
            Ok(last) => last,
            Err(error) => {
                // It is tried again after the next event, and until then the hall holds back what is in doubt.
                tracing::warn!(error = chain(&error), "cannot correct the times in the ledger");
                None
            }
        }
    }

    async fn act(
        &mut self,
        effect: Effect,
        line: &mut Option<Arc<dyn Line>>,
        wake: &mut Option<Timestamp>,
    ) -> Option<Input> {
        // What the journal has is noted for whoever looks; the journal itself is asked at every start. So a disk that
        // is full does not keep the queue from being sent.
        let noted = match effect {
            Effect::Ask => return Some(self.ask(line).await),
            Effect::Send { after, upto, expected } => {
                return Some(self.send(line.as_deref(), after, upto, expected).await);
            }
            Effect::Rest(until) => {
                *wake = Some(until);
                return None;
            }
            Effect::MarkStored { after, positions } => {
                self.ledger.mark_stored(after, &positions).await
            }
            Effect::MarkHead(mark) => {
                self.ledger.mark_head(mark.map(|it| (it.number, it.position))).await
            }
            Effect::Restored { first, last } => {
                tracing::error!(
                    code = Code::JournalWentBack.text(),
                    first,
                    last,
                    "the journal had lost acknowledged events; they are in it again"
                );
                return None;
            }
            Effect::Stop { code, number } => {
                tracing::error!(code = code.text(), number, "nothing more is sent");
                self.ledger.mark_stopped(Some((code, number))).await
            }
        };
        if let Err(error) = noted {
            tracing::warn!(error = chain(&error), "cannot note in the ledger what the journal has");
        }
        None
    }

    /// Asks what the hall has counted of the line. It tells the clerk more, and nothing waits for it.
    async fn hear(&mut self, line: Option<&dyn Line>) {
        self.receipt_at = later(self.clock.now(), RECEIPT_IDLE);
        let Some(line) = line else { return };
        let heard = match line.receipt().await {
            Ok(Some(text)) => hear(&self.ledger, text).await,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(error = chain(&error), "no receipt was to be had");
                return;
            }
        };
        if let Err(error) = heard {
            tracing::error!(error = chain(&error), "the receipt is not taken");
        }
    }

    fn trouble(&mut self, trouble: Option<String>) {
        if self.trouble == trouble {
            return;
        }
        match &trouble {
            Some(why) => tracing::warn!(error = why, "the journal does not answer, trying on"),
            None => tracing::info!("the journal answers again"),
        }
        self.trouble = trouble;
    }

    async fn ask(&mut self, line: &mut Option<Arc<dyn Line>>) -> Input {
        let open = match line {
            Some(line) => line.clone(),
            None => match (self.open)().await {
                Ok(opened) => line.insert(opened).clone(),
                Err(failure) => {
                    self.trouble(Some(failure.message));
                    return Input::NoHead;
                }
            },
        };
        let head = match open.head().await {
            Ok(head) => head,
            Err(error) => {
                self.trouble(Some(chain(&error)));
                return Input::NoHead;
            }
        };
        let Some(head) = head else {
            self.trouble(None);
            return Input::Head(None);
        };
        let number = head.message.attributes.id.as_deref().and_then(|it| it.parse::<u64>().ok());
        let number = number.unwrap_or_default();
        let own = match self.ledger.hash_of(number).await {
            Ok(own) => own,
            Err(error) => {
                self.trouble(Some(chain(&error)));
                return Input::NoHead;
            }
        };
        self.trouble(None);
        Input::Head(Some(Head { number, hash: hash(&head.message), position: head.position, own }))
    }

    async fn send(
        &mut self,
        line: Option<&dyn Line>,
        after: u64,
        upto: u64,
        expected: u64,
    ) -> Input {
        // Nothing is sent before the journal was asked.
        let Some(line) = line else { return Input::Refused(Refusal::NoAnswer) };
        let most = u32::try_from(BATCH_EVENTS_MAX).unwrap_or(u32::MAX);
        let entries = match self.ledger.entries(after, upto, most).await {
            Ok(entries) => entries,
            Err(error) => {
                self.trouble(Some(chain(&error)));
                return Input::Refused(Refusal::NoAnswer);
            }
        };
        let mut messages: Vec<Message> = entries.into_iter().map(|it| it.message).collect();
        if let (Some(key), Some(last)) = (&self.key, messages.last_mut()) {
            last.attributes.signature = Some(key.sign(&hash(last)).to_string());
        }
        let sent_at = Instant::now();
        match line.append(&messages, expected).await {
            Ok(positions) => {
                way::tell_all(Part::Sent, &messages, &positions, Since::Ago(sent_at.elapsed()));
                self.receipt_at = later(self.clock.now(), RECEIPT_SOON);
                self.trouble(None);
                Input::Stored(positions)
            }
            Err(AppendError::Conflict) => Input::Refused(Refusal::Conflict),
            Err(AppendError::BatchRefused) => Input::Refused(Refusal::BatchRefused),
            Err(AppendError::TooLarge { .. }) => {
                Input::Refused(Refusal::Impossible(Code::TooLarge))
            }
            Err(AppendError::Invalid { .. }) => {
                Input::Refused(Refusal::Impossible(Code::Malformed))
            }
            Err(error @ AppendError::Unavailable(_)) => {
                self.trouble(Some(chain(&error)));
                Input::Refused(Refusal::NoAnswer)
            }
        }
    }
}

fn later(now: Timestamp, pause: SignedDuration) -> Timestamp {
    now.saturating_add(pause).unwrap_or(now)
}

/// Waits until a time; for ever if there is none.
async fn until(wake: Option<Timestamp>, clock: &dyn Clock) {
    match wake {
        Some(wake) => {
            let pause = wake.duration_since(clock.now());
            tokio::time::sleep(pause.try_into().unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}
