//! What must hold after every step, and at the end.

use std::collections::BTreeMap;

use jiff::civil::Date;
use zhoubao_contract::{Stored, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, IssueEvent, Kind};
use zhoubao_domain::figure::{FigureKey, Figures, Partition, Span, TallyCell, TallyValue};
use zhoubao_domain::id::{Digest, ObjectId};
use zhoubao_projections::recount;
use zhoubao_projections::rows::SegmentRow;

use crate::device::content_of;
use crate::oracle::{Cell, Deed, Frozen, Sum, Truth, day_of_date};
use crate::store::Rows;
use crate::world::{Past, World};

fn place(position: u64) -> usize {
    usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX)
}

fn day(date: Date) -> i64 {
    day_of_date(date.year().into(), date.month().into(), date.day().into())
}

fn cells(cells: &BTreeMap<TallyCell, TallyValue>) -> BTreeMap<Cell, Sum> {
    let cell = |it: &TallyCell| (day(it.day), it.window.clone(), it.department.clone(), it.kind);
    cells.iter().map(|(key, it)| (cell(key), (it.amount, it.events))).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, product: &T, oracle: &T) -> Result<(), String> {
    if product == oracle {
        return Ok(());
    }
    Err(format!("{what}: the product has {product:?}, it should be {oracle:?}"))
}

impl World {
    /// Writes down what the journal has taken since.
    pub(crate) fn follow_history(&mut self) {
        let Some(history) = self.histories.last_mut() else { return };
        let known = history.len() as u64;
        if self.journal.end() == known {
            return;
        }
        let new = self.journal.look(known + 1).into_iter().map(|stored| {
            let content = content_of(&stored.message).into();
            Past { hash: hash(&stored.message), content, stored }
        });
        history.extend(new);
    }

    /// Compares the rows with what they should be, if they changed.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        self.follow_history();
        if let Some(history) = self.histories.last()
            && let Some(at) =
                history.iter().rev().take(1).find(|it| it.stored.position != history.len() as u64)
        {
            return Err(format!("the journal has a hole before @{}", at.stored.position));
        }
        let version = self.store.version();
        if self.version == version {
            return Ok(());
        }
        self.version = version;
        let rows = self.store.look(&self.hall);
        let at = rows.checkpoint.as_ref().map_or(0, |it| it.sequence);
        self.say(format_args!("rows are at {at}"));
        self.out.commits += 1;
        if at < self.oracle.position {
            return Err(format!("the rows went back from {} to {at}", self.oracle.position));
        }
        self.tell_oracle(&rows)?;
        self.compare(&rows)
    }

    /// Tells the oracle exactly the messages up to the checkpoint, of the one history that the rows can be of.
    fn tell_oracle(&mut self, rows: &Rows) -> Result<(), String> {
        let Some(checkpoint) = &rows.checkpoint else { return Ok(()) };
        let told = std::mem::take(&mut self.told);
        let several = self.histories.len() > 1;
        let fits = |history: &&Vec<Past>| {
            holds(history, checkpoint.sequence, &checkpoint.hash)
                && took_lines_at(history, rows)
                && (!several
                    || told.iter().zip(history.iter()).all(|(told, it)| *told == it.content))
        };
        let Some(history) = self.histories.iter().rev().find(fits) else {
            let at = checkpoint.sequence;
            return Err(format!("the rows at {at} are of no journal that ever was"));
        };
        let messages = history[told.len()..=place(checkpoint.sequence)].to_vec();
        self.told = told;
        for Past { stored, content, .. } in messages {
            self.meaning(&content, &stored)?;
            self.oracle.tell(&content, &self.truths, stored.recorded_at.as_microsecond());
            self.told.push(content);
        }
        Ok(())
    }

    /// What the office meant by a message, by its command.
    fn meaning(&mut self, content: &str, stored: &Stored) -> Result<(), String> {
        let attributes = &stored.message.attributes;
        let (Some(command), Some(id)) = (&attributes.command, &attributes.id) else {
            return Ok(());
        };
        let Some((deed, bearer)) = self.commands.get_mut(command) else { return Ok(()) };
        match bearer {
            Some(bearer) if bearer != content => {
                return Err(format!("`{command}` was recorded twice"));
            }
            _ => *bearer = Some(content.to_owned()),
        }
        let mut deed = deed.clone();
        if let Deed::Freeze { cut, .. } = &mut deed {
            *cut = cut_of(stored, &self.hall).unwrap_or_default();
        }
        let line = stored.message.subject.splitn(3, '.').nth(2).unwrap_or_default().to_owned();
        let truth = Truth {
            name: (line, id.parse().unwrap_or_default()),
            previous: None,
            sound: true,
            at: 0,
            unsure_at: None,
            window: None,
            may_correct: true,
            deed,
        };
        self.truths.insert(content.to_owned(), truth);
        Ok(())
    }

    fn compare(&mut self, rows: &Rows) -> Result<(), String> {
        let Some(checkpoint) = &rows.checkpoint else { return Ok(()) };
        let (counts, own) = (checkpoint.counts, self.oracle.counts);
        let product = [
            counts.stored,
            counts.counted,
            counts.flagged,
            counts.quarantined,
            counts.held,
            counts.repeated,
        ];
        let oracle =
            [own.stored, own.counted, own.flagged, own.quarantined, own.held, own.repeated];
        same("stored, counted, flagged, quarantined, held, repeated", &product, &oracle).map_err(
            |what| {
                let rows = rows.exceptions.values().rev().take(3);
                let rows: Vec<_> = rows.map(|it| (it.position, it.code, &it.detail)).collect();
                format!("{what}; last exceptions {rows:?}")
            },
        )?;
        same("messages up to the checkpoint", &counts.stored, &checkpoint.sequence)?;
        same("sums", &cells(&rows.cells), &self.oracle.cells)?;
        let heads: BTreeMap<&str, u64> =
            rows.heads.iter().map(|(name, (_, head))| (name.as_str(), head.number)).collect();
        let oracle = self.oracle.heads();
        if let Some(name) =
            heads.keys().chain(oracle.keys()).find(|it| heads.get(*it) != oracle.get(*it))
        {
            let what = format!("last number of {name}");
            same(&what, &heads.get(name), &oracle.get(name))?;
        }
        let mut adjustments: Vec<_> = rows
            .adjustments
            .values()
            .map(|it| (it.position, day(it.day), it.kind, it.amount, it.events))
            .collect();
        let mut expected = self.oracle.adjustments.clone();
        adjustments.sort_unstable();
        expected.sort_unstable();
        same("adjustments", &adjustments, &expected)?;
        let signed = rows.exceptions.values().find(|it| it.code == Code::SignedFiguresDiffer);
        if let Some(it) = signed {
            return Err(format!("signed figures came out otherwise: {}", it.detail));
        }
        for (issue, figures) in &rows.figures {
            let Some(frozen) = self.oracle.frozen.get(issue.as_str()) else {
                return Err(format!("figures of {issue}, which nobody froze"));
            };
            compare_issue(issue, figures, frozen)?;
            match self.figures.get(issue) {
                Some(first) if first != figures => {
                    return Err(format!("the frozen figures of {issue} changed"));
                }
                Some(_) => {}
                None => {
                    self.figures.insert(issue.clone(), figures.clone());
                }
            }
        }
        if rows.figures.len() != self.oracle.frozen.len() {
            return Err("a frozen issue has no figures".to_owned());
        }
        if self.out.commits.is_multiple_of(8) {
            self.recount(rows)?;
        }
        Ok(())
    }

    /// The record gives the sums of any position.
    fn recount(&mut self, rows: &Rows) -> Result<(), String> {
        let cut = self.dice.below(self.oracle.position + 1);
        let segments: Vec<SegmentRow> = rows.segments.values().cloned().collect();
        for cut in [cut, self.oracle.position] {
            let counted = recount::recount(&segments, Date::MIN, Date::MAX, cut);
            let counted = counted.map_err(|it| it.to_string())?;
            same(
                &format!("the record up to @{cut}"),
                &cells(&counted),
                &self.oracle.cells_at(cut),
            )?;
        }
        Ok(())
    }

    /// What must hold when everything has come to rest.
    pub(crate) async fn judge(&mut self) -> Result<(), String> {
        self.look()?;
        let rows = self.store.look(&self.hall);
        self.recount(&rows)?;
        for (at, device) in self.devices.iter().enumerate().filter(|(_, it)| !it.retired) {
            let subject = device.subject.to_string();
            let mut line: Vec<&str> = vec![];
            for it in self.histories.last().into_iter().flatten() {
                if it.stored.message.subject == subject && !line.contains(&&*it.content) {
                    line.push(&it.content);
                }
            }
            let ledger: Vec<&str> = device.ledger.iter().map(|it| it.content.as_str()).collect();
            let whole = ledger.iter().zip(&line).all(|(a, b)| a == b)
                && (ledger.len() == line.len() || device.is_clone && ledger.len() <= line.len());
            if !whole {
                return Err(format!(
                    "{} on {at} has {} events in its ledger, the journal {}, or others",
                    device.line,
                    ledger.len(),
                    line.len()
                ));
            }
            for (number, content) in &device.acknowledged {
                if !line.contains(&content.as_str()) {
                    return Err(format!("{}#{number} was acknowledged, and is lost", device.line));
                }
            }
            let counted = rows.heads.get(&device.line).map_or(0, |(_, head)| head.number);
            same(&format!("{} counted", device.line), &counted, &(line.len() as u64))?;
        }
        Ok(())
    }
}

fn holds(history: &[Past], position: u64, digest: &Digest) -> bool {
    history.get(place(position)).is_some_and(|it| it.hash == *digest)
}

/// Whether a journal took the last event of each line when the rows say so. A terminal sends again what a journal lost: two
/// histories may differ in nothing but these times.
fn took_lines_at(history: &[Past], rows: &Rows) -> bool {
    rows.heads.values().all(|(_, head)| {
        let past = history.get(place(head.position));
        let at = past.map(|it| it.stored.recorded_at.as_microsecond());
        at == Some(head.recorded_at.as_microsecond())
    })
}

/// The cut that a freeze names: the oracle reads no bodies, so this is told to it.
fn cut_of(stored: &Stored, hall: &zhoubao_domain::id::HallCode) -> Option<u64> {
    match zhoubao_contract::decode(stored, hall).ok()?.event {
        Event::Issue(IssueEvent::Frozen { cut, .. }) => Some(cut),
        _ => None,
    }
}

fn compare_issue(issue: &ObjectId, figures: &Figures, frozen: &Frozen) -> Result<(), String> {
    let figure = |kind: Kind, span, partition, part: &str| -> Sum {
        let key = FigureKey {
            definition: kind.word().to_owned(),
            span,
            partition,
            part: part.to_owned(),
        };
        figures.get(&key).map_or((0, 0), |it| (it.amount, it.events))
    };
    for kind in Kind::ALL {
        let sum = |of: &BTreeMap<Kind, Sum>| of.get(&kind).copied().unwrap_or_default();
        let spans = [
            (Span::Week, sum(&frozen.week)),
            (Span::WeekOfYear, sum(&frozen.week_of_year)),
            (Span::Outside, sum(&frozen.outside)),
            (Span::Adjustment, sum(&frozen.adjustment)),
            (Span::Carried, sum(&frozen.carried)),
            (Span::Year, sum(&frozen.year)),
        ];
        for (span, expected) in spans {
            let own = figure(kind, span, Partition::Total, "");
            same(&format!("{issue}: {} {}", kind.word(), span.word()), &own, &expected)?;
        }
        let parts = spans[1..5].iter().fold((0, 0), |sum, (_, it)| (sum.0 + it.0, sum.1 + it.1));
        same(
            &format!("{issue}: {} carried + outside + week ± adjustments", kind.word()),
            &parts,
            &spans[5].1,
        )?;
        for ((of, window), expected) in &frozen.by_window {
            if *of == kind {
                let own = figure(kind, Span::Week, Partition::Window, window);
                same(&format!("{issue}: {} of {window}", kind.word()), &own, expected)?;
            }
        }
    }
    Ok(())
}
