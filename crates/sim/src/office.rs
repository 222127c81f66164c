//! The office: sets the hall up, rules on what was flagged, freezes and signs the issues, all by the product's desk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, date};
use zhoubao_application::desk::{By, Desk, DeskError};
use zhoubao_application::journal::{Expectation, Journal as _};
use zhoubao_application::store::ReadModels as _;
use zhoubao_application::writer::{Unnumbered, Writer};
use zhoubao_domain::calendar::Period;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{AuthorizationChange, Event, Kind, Right, Setup, TerminalHead};
use zhoubao_domain::figure::Definition;
use zhoubao_domain::id::{Digest, EventRef, ObjectId, SetupTopic, Stream};
use zhoubao_domain::issue::Command;
use zhoubao_projections::freeze::figures_digest;
use zhoubao_projections::rows::FactRow;

use crate::oracle::{Deed, Micros, day_of, day_of_date};
use crate::world::{Action, World, timestamp};

/// How long somebody waits for one command before he gives up, whatever becomes of it.
const COMMAND_MAX: Duration = Duration::from_secs(2);

/// Steps of an issue: opened, frozen, handed in, signed.
const STEPS: u32 = 4;

const HOUR: Micros = 3_600_000_000;

fn by(actor: &str, command: String) -> By {
    By { actor: actor.parse().ok(), command: Some(command), ..By::default() }
}

fn date_of(day: i64) -> Date {
    date(1970, 1, 1).saturating_add(jiff::Span::new().days(day))
}

impl World {
    fn desk(&self) -> Desk {
        let (journal, store) = (Arc::new(self.journal.clone()), Arc::new(self.store.clone()));
        Desk::new(journal, store, self.hall.clone(), self.clock.clone())
    }

    /// The hall's first day: windows, devices, departments, people, figures.
    pub(crate) async fn set_up(&mut self) -> Result<(), String> {
        let name = || "窗口".to_owned();
        let mut events: Vec<(String, Event, Deed)> = vec![];
        let mut setup = |topic: SetupTopic, id: &str, setup: Setup| {
            let stream = format!("setup.{}.{id}", topic.word());
            events.push((stream, Event::Setup(setup), Deed::Other));
        };
        for id in ["w01", "w02", "w03", "w04", "w90"] {
            let Ok(window) = id.parse() else { continue };
            setup(SetupTopic::Window, id, Setup::Window { name: name(), open: true });
            setup(SetupTopic::Terminal, id, Setup::Terminal { window, active: true });
        }
        for id in ["tax", "land", "labour"] {
            setup(SetupTopic::Department, id, Setup::Department { name: name(), aliases: vec![] });
        }
        let user = |rights: &[Right]| Setup::User { rights: rights.to_vec(), active: true };
        setup(SetupTopic::User, "clerk", user(&[Right::Record]));
        setup(
            SetupTopic::User,
            "office",
            user(&[Right::Authorize, Right::Correct, Right::Release, Right::Edit]),
        );
        setup(SetupTopic::User, "chief", user(&[Right::Sign]));
        let definitions = Kind::ALL.into_iter().map(|kind| Definition {
            key: kind.word().to_owned(),
            title: kind.title().to_owned(),
            unit: kind.unit().to_owned(),
            meaning: kind.title().to_owned(),
            kinds: vec![kind],
        });
        let definitions = definitions.collect();
        setup(SetupTopic::Figures, "main", Setup::Figures { definitions });
        let long_ago = day_of(self.first_monday) - 400;
        for id in ["tax", "land", "labour"] {
            let event = Event::AuthorizationChanged {
                department: id.parse().map_err(|_| "a department".to_owned())?,
                effective: date_of(long_ago),
                change: AuthorizationChange::DepartmentAuthorised,
            };
            let deed = Deed::Authorize(id.to_owned(), long_ago, true);
            events.push((format!("authorization.{id}"), event, deed));
        }
        let mut unnumbered = vec![];
        for (number, (stream, event, deed)) in events.into_iter().enumerate() {
            let command = format!("setup-{number}");
            self.commands.insert(command.clone(), (deed, None));
            unnumbered.push(Unnumbered {
                stream: stream.parse().map_err(|_| stream.clone())?,
                occurred_at: timestamp(self.now),
                entered_at: None,
                actor: "office".parse().ok(),
                command: Some(command),
                event,
            });
        }
        let journal = Arc::new(self.journal.clone());
        let written = Writer::new(journal, self.hall.clone()).write(unnumbered).await;
        written.map(drop).map_err(|it| it.to_string())
    }

    /// Works on the issue of a week; comes back until it is signed.
    pub(crate) async fn office(&mut self, week: u32) -> Result<(), String> {
        let step = self.issues.get(&week).copied().unwrap_or(0);
        let before = week.checked_sub(1).is_none_or(|it| self.issues.get(&it) == Some(&STEPS));
        let done = before && self.command(week, step).await?;
        if done {
            self.issues.insert(week, step + 1);
        }
        if step + u32::from(done) < STEPS {
            let pause = if done { HOUR / 6 } else { HOUR };
            self.later(self.now + pause, Action::Office(week));
        }
        Ok(())
    }

    async fn command(&mut self, week: u32, step: u32) -> Result<bool, String> {
        let text = format!("issue-{week}");
        let Ok(issue) = text.parse::<ObjectId>() else { return Ok(false) };
        let first = day_of(self.first_monday) + 7 * i64::from(week);
        // Saturday and Sunday lie between the periods.
        let last = first + 4;
        let Ok(period) = Period::new(date_of(first), date_of(last)) else { return Ok(false) };
        let key = format!("{text}-{step}");
        let desk = self.desk();
        let deed = match step {
            1 => {
                let new_year = day_of_date(period.year().into(), 1, 1);
                Deed::Freeze { issue: text, first, last, new_year, cut: 0 }
            }
            _ => Deed::Other,
        };
        self.commands.entry(key.clone()).or_insert((deed, None));
        let rows = self.store.look(&self.hall);
        let of_figures =
            |it: &&FactRow| matches!(&it.stream, Stream::Setup(SetupTopic::Figures, _));
        let figures = rows.facts.values().find(of_figures).map(|it| it.digest);
        drop(rows);
        let Some(figures) = figures else { return Ok(false) };
        let between = if step == 1 { self.between() } else { vec![] };
        let (journal, store, hall) = (self.journal.clone(), self.store.clone(), self.hall.clone());
        let cut_of = self.cut.clone();
        let none = Digest::new([0; 32]);
        let mut between = Some(between);
        let actor = if step == 3 { "chief" } else { "office" };
        let work = desk.issue(by(actor, key), async |_| {
            let issue = issue.clone();
            Ok(match step {
                0 => Command::Open {
                    issue,
                    period,
                    template: none,
                    checklist: none,
                    figures,
                    calendars: vec![],
                    series: None,
                    parameters: BTreeMap::new(),
                },
                1 => {
                    let cut = store.checkpoint(&hall).await?.map_or(0, |it| it.sequence);
                    let heads = store.heads(&hall, "terminal.").await?;
                    cut_of.set(cut);
                    for message in between.take().into_iter().flatten() {
                        let Ok(subject) = message.subject.parse() else { continue };
                        let head = journal.look_at_head(&message.subject);
                        let last = head.map_or(0, |it| it.position);
                        let expected = [Expectation { subject, last }];
                        // What is not taken is not there.
                        let _ = journal.append(std::slice::from_ref(&message), &expected).await;
                    }
                    let heads = heads.into_iter().filter_map(|(stream, head)| match stream {
                        Stream::Terminal(terminal) => {
                            Some(TerminalHead { terminal, number: head.number })
                        }
                        _ => None,
                    });
                    Command::Freeze { issue, cut, heads: heads.collect(), tree: None }
                }
                2 => Command::Submit { issue, findings: vec![] },
                _ => {
                    let figures = store.look(&hall).figures.get(&issue).cloned();
                    Command::SignOff {
                        issue,
                        issued_on: date_of(last + 3),
                        figures: figures_digest(&figures.unwrap_or_default()),
                        document: none,
                        findings: vec![],
                    }
                }
            })
        });
        let done = tokio::time::timeout(COMMAND_MAX, work).await;
        // The cut of a freeze that was perhaps stored; the event itself says which one it was.
        self.say(format_args!("office: issue {week} step {step}: {}", told(&done)));
        match done {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(DeskError::Refused(refusal))) => Err(format!("the desk refuses: {refusal}")),
            Ok(Err(_)) | Err(_) => Ok(false),
        }
    }

    /// Rules on something that is flagged.
    pub(crate) async fn release(&mut self) -> Result<(), String> {
        let flagged = self.oracle.flagged();
        let Some(name) = self.dice.pick(&flagged).cloned() else { return Ok(()) };
        let Ok(stream) = name.0.parse() else { return Ok(()) };
        let original = EventRef { stream, number: name.1 };
        let reason = "核实".to_owned();
        let key = format!("ruling-{}", self.commands.len());
        let (event, deed) = if self.dice.chance(80) {
            (Event::Released { original, position: None, reason }, Deed::Release(name))
        } else {
            (Event::Rejected { original, position: None, reason }, Deed::Reject(name))
        };
        self.record(Stream::Quarantine, event, key, deed).await
    }

    /// A department gets or loses its authorization, from a day around now on.
    pub(crate) async fn authorize(&mut self) -> Result<(), String> {
        let text = self.dice.pick(&["tax", "land"]).copied().unwrap_or("tax");
        let Ok(department) = text.parse::<zhoubao_domain::id::DepartmentId>() else {
            return Ok(());
        };
        let day = day_of(self.now) + self.dice.below(6).cast_signed() - 3;
        let may = self.dice.chance(50);
        let change = if may {
            AuthorizationChange::DepartmentAuthorised
        } else {
            AuthorizationChange::DepartmentWithdrawn
        };
        let key = format!("authorize-{}", self.commands.len());
        let stream = Stream::Authorization(department.clone());
        let event = Event::AuthorizationChanged { department, effective: date_of(day), change };
        self.record(stream, event, key, Deed::Authorize(text.to_owned(), day, may)).await
    }

    async fn record(
        &mut self,
        stream: Stream,
        event: Event,
        key: String,
        deed: Deed,
    ) -> Result<(), String> {
        let rules = matches!(deed, Deed::Release(_) | Deed::Reject(_));
        self.commands.insert(key.clone(), (deed, None));
        let desk = self.desk();
        let tries = self.dice.between(1, 3);
        for _ in 0..tries {
            let work = desk.record(stream.clone(), event.clone(), by("office", key.clone()));
            let done = tokio::time::timeout(COMMAND_MAX, work).await;
            self.say(format_args!("office: {key}: {}", told(&done)));
            match done {
                Ok(Ok(_)) => return Ok(()),
                // Its terminal has put it right meanwhile.
                Ok(Err(DeskError::Refused(it))) if rules && it.code == Code::NotFound => {
                    return Ok(());
                }
                Ok(Err(DeskError::Refused(refusal))) => {
                    return Err(format!("the desk refuses: {refusal}"));
                }
                // It may be stored; the same command again does no harm.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Ok(())
    }
}

fn told<T>(done: &Result<Result<T, DeskError>, tokio::time::error::Elapsed>) -> String {
    match done {
        Ok(Ok(_)) => "done".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    }
}
