//! Figures are taken when a freeze is folded, in the same transaction, as of the freeze's cut.

use std::collections::BTreeMap;

use jiff::civil::Date;
use sha2::{Digest as _, Sha256};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, IssueEvent, TerminalHead};
use zhoubao_domain::figure::{self, Adjustment, Cause, Figures, Source, TallyCell, TallyValue};
use zhoubao_domain::id::{Digest, ObjectId, Stream};
use zhoubao_domain::issue::Stage;
use zhoubao_domain::planted;

use crate::entry::ParseEntryError;
use crate::model::{Incoming, Model};
use crate::recount;
use crate::rows::{FiguresRow, SegmentRow};

/// What a freeze needs from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeNeeds {
    /// First day of the sums.
    pub first: Date,
    /// Last day of the sums.
    pub last: Date,
    /// The cut: entries after it are taken away again.
    pub cut: u64,
    /// The issue before, whose figures are carried, and its cut.
    pub previous: Option<(ObjectId, u64)>,
}

/// What the store answers, all as of now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FreezeFound {
    /// Sums of the days asked for.
    pub cells: BTreeMap<TallyCell, TallyValue>,
    /// Segments with entries after the cut, and those with the heads of their lines at it.
    pub segments: Vec<SegmentRow>,
    /// The previous issue's figures.
    pub previous: Figures,
    /// Adjustments after the previous issue's cut.
    pub adjustments: Vec<Adjustment>,
}

/// What a sign-off needs: the issue's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AloneNeeds {
    /// A freeze.
    Freeze(FreezeNeeds),
    /// Figures of this issue.
    Figures(ObjectId),
    /// Nothing: the event does not fit the issue's life and changes no figure.
    Nothing,
}

impl Model {
    /// What must be read before a message that stands alone is folded.
    #[must_use]
    pub fn alone_needs(&self, incoming: &Incoming) -> AloneNeeds {
        match incoming.outcome.as_ref().map(|it| &it.event) {
            Ok(Event::Issue(IssueEvent::Frozen { issue, cut, .. })) => {
                let Some(it) = self.book.issues.get(issue) else { return AloneNeeds::Nothing };
                let previous = self.book.previous(it.series.as_ref(), it.period);
                let last = previous.map(|(_, it)| it.period.last());
                let last = last.or(self.book.opening.as_ref().map(|it| it.through));
                AloneNeeds::Freeze(FreezeNeeds {
                    first: figure::first_day(it.period, last),
                    last: it.period.last(),
                    cut: *cut,
                    previous: previous
                        .and_then(|(id, it)| Some((id.clone(), it.freeze.as_ref()?.cut))),
                })
            }
            Ok(Event::Issue(IssueEvent::SignedOff { issue, .. })) => {
                AloneNeeds::Figures(issue.clone())
            }
            _ => AloneNeeds::Nothing,
        }
    }

    /// Folds a freeze and takes its figures.
    ///
    /// # Errors
    ///
    /// When the record in the store cannot be read.
    pub fn fold_freeze(
        &mut self,
        incoming: Incoming,
        incarnation: &str,
        found: FreezeFound,
    ) -> Result<(), ParseEntryError> {
        let position = incoming.position;
        let (issue, cut, heads) = match incoming.outcome.as_ref().map(|it| &it.event) {
            Ok(Event::Issue(IssueEvent::Frozen { issue, cut, heads, .. })) => {
                (issue.clone(), *cut, heads.clone())
            }
            _ => {
                self.fold(incoming, incarnation);
                return Ok(());
            }
        };
        let recorded = incoming.outcome.clone().ok();
        let actual = self.heads_at(cut, &found.segments)?;
        if !self.fold_step(incoming, incarnation) {
            return Ok(());
        }
        let Some(it) = self.book.issues.get(&issue).cloned() else { return Ok(()) };
        // An issue that was handed on keeps its freeze, whatever its line says afterwards.
        if it.stage != Stage::Frozen {
            return Ok(());
        }
        if actual != heads
            && let Some(recorded) = &recorded
        {
            let detail = format!(
                "冻结所载终端序号与日志不符 heads named at {cut} differ from the journal's"
            );
            self.warn(recorded, Code::HeadsDiffer, detail);
        }
        let definitions = self.definitions(&it.figures).unwrap_or_default().to_vec();
        let cells = match planted!(FreezeIncludesLater) {
            true => found.cells,
            false => recount::rewind(found.cells, &found.segments, cut)?,
        };
        let previous = self
            .book
            .previous(it.series.as_ref(), it.period)
            .map(|(_, before)| before.period.last());
        let known = found.adjustments;
        let adjustments: Vec<Adjustment> =
            known.iter().filter(|it| it.position <= cut).cloned().collect();
        let figures = figure::take(Source {
            definitions: &definitions,
            period: it.period,
            opening: self.book.opening.as_ref(),
            previous: previous.map(|last| (last, &found.previous)),
            cells: &cells,
            adjustments: &adjustments,
        });
        // Facts between the cut and this event were folded before anybody knew that the period is frozen.
        for row in &found.segments {
            for entry in recount::entries(row) {
                let entry = entry?;
                let after = entry.sign != 0 && entry.position > cut && entry.position < position;
                let Some(cell) = recount::cell(&entry).filter(|cell| {
                    after
                        && cell.day <= it.period.last()
                        && previous.is_none_or(|last| cell.day > last)
                }) else {
                    continue;
                };
                let (amount, events) = entry.effect();
                let cause = if entry.amends.is_some() { Cause::Correction } else { Cause::Late };
                let adjustment = Adjustment {
                    position: entry.position,
                    day: cell.day,
                    kind: cell.kind,
                    amount,
                    events,
                    cause,
                };
                // An earlier freeze of this issue may have seen it already, or that of another series, which may tell
                // the cause more exactly.
                let is_known =
                    known.iter().any(|it| Adjustment { cause, ..it.clone() } == adjustment);
                if !is_known && !planted!(BetweenLost) {
                    let place = self.place_at(adjustment.position, &known);
                    self.changes.adjustments.push((place, adjustment));
                }
            }
        }
        self.changes.figures.push(FiguresRow { issue, figures });
        Ok(())
    }

    /// Folds a sign-off; an error stays visible where the figures are not those that were signed.
    pub fn fold_sign_off(&mut self, incoming: Incoming, incarnation: &str, figures: &Figures) {
        let recorded = incoming.outcome.clone().ok();
        if !self.fold_step(incoming, incarnation) {
            return;
        }
        let Some(recorded) = recorded else { return };
        if let Event::Issue(IssueEvent::SignedOff { figures: signed, .. }) = &recorded.event {
            let own = figures_digest(figures);
            if own != *signed {
                let detail = format!("签发 signed {signed} ≠ 重算 rebuilt {own}");
                self.warn(&recorded, Code::SignedFiguresDiffer, detail);
            }
        }
    }

    /// Folds a step of an issue, and answers whether the line of the issues has taken it now: a repeat, and what is
    /// held or quarantined, does nothing.
    fn fold_step(&mut self, incoming: Incoming, incarnation: &str) -> bool {
        let before = self.head(&Stream::Issues).map_or(0, |it| it.number);
        let hash = incoming.hash;
        self.fold(incoming, incarnation);
        self.head(&Stream::Issues).is_some_and(|it| it.number > before && it.hash == hash)
    }

    /// The last number of each terminal at the cut: the last one that the rows have before it, where a line has rows.
    /// The number before the first one after it may have been given up.
    fn heads_at(
        &self,
        cut: u64,
        segments: &[SegmentRow],
    ) -> Result<Vec<TerminalHead>, ParseEntryError> {
        let mut heads: BTreeMap<String, u64> = self
            .terminal_heads()
            .map(|(terminal, head)| (Stream::Terminal(terminal.clone()).to_string(), head.number))
            .collect();
        for row in segments {
            if let Some(number) = heads.get_mut(&row.stream) {
                *number = 0;
            }
        }
        for row in segments {
            for entry in recount::entries(row) {
                let entry = entry?;
                if entry.position <= cut
                    && let Some(number) = heads.get_mut(&row.stream)
                {
                    *number = (*number).max(entry.number);
                }
            }
        }
        Ok(heads
            .into_iter()
            .filter(|(_, number)| *number > 0)
            .filter_map(|(stream, number)| match stream.parse() {
                Ok(Stream::Terminal(terminal)) => Some(TerminalHead { terminal, number }),
                _ => None,
            })
            .collect())
    }

    fn warn(&mut self, recorded: &zhoubao_domain::event::Recorded, code: Code, detail: String) {
        self.changes.exceptions.push(crate::rows::ExceptionRow {
            position: recorded.position,
            stream: recorded.identity.stream.to_string(),
            number: recorded.identity.number,
            standing: crate::rows::Standing::Warned,
            code,
            detail,
            settled: None,
        });
    }
}

/// The figures as text, one line each: `definition span partition part amount events`, tab-separated, in key order.
#[must_use]
pub fn figures_text(figures: &Figures) -> String {
    let line = |(key, figure): (&figure::FigureKey, &figure::Figure)| {
        format!(
            "{}\t{}\t{}\t{}\t{}\t{}\n",
            key.definition,
            key.span.word(),
            key.partition.word(),
            key.part,
            figure.amount,
            figure.events,
        )
    };
    figures.iter().map(line).collect()
}

/// SHA-256 of [`figures_text`]. This is what a sign-off carries.
#[must_use]
pub fn figures_digest(figures: &Figures) -> Digest {
    Digest::new(Sha256::digest(figures_text(figures)).into())
}
