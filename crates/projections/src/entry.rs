//! The record of what counts, one line an entry.

use jiff::Timestamp;
use jiff::civil::Date;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Act, Kind};
use zhoubao_domain::id::{EventRef, WindowId};
use zhoubao_domain::time::hall_day;

/// What stands for the department of an act without one.
pub const NO_DEPARTMENT: &str = "-";

/// What an event of a window (or a release) does to the sums.
///
/// Written as one line of twelve tab-separated fields, so that any program can add them up:
/// `number, position, occurred (µs since 1970), kind, sign, amount, window, department, matter, case, code, amends`.
/// Absent fields are empty; an event that is no act has kind `-` and sign 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number of the event in its line.
    pub number: u64,
    /// Its position in the journal.
    pub position: u64,
    /// When the act happened.
    pub occurred_at: Timestamp,
    /// The act, or none for an event that is no act (a day close) or could not be read.
    pub act: Option<Act>,
    /// The window.
    pub window: Option<WindowId>,
    /// +1: counts from this position on; −1: is taken back from this position on; 0: does not count.
    pub sign: i8,
    /// Why it does not count (`E.`) or what to look at (`W.`).
    pub code: Option<Code>,
    /// The original whose effect this changes.
    pub amends: Option<EventRef>,
}

/// An entry line that cannot be read: the store was changed from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an entry of the record")]
pub struct ParseEntryError(String);

impl Entry {
    /// The day on which the act counts.
    #[must_use]
    pub fn day(&self) -> Date {
        hall_day(self.occurred_at)
    }

    /// The department under which the act counts, `-` for none.
    #[must_use]
    pub fn department(&self) -> &str {
        self.act
            .as_ref()
            .and_then(|act| act.department.as_ref())
            .map_or(NO_DEPARTMENT, |it| it.as_str())
    }

    /// The signed amount and number of events that it adds to the sums.
    #[must_use]
    pub fn effect(&self) -> (i64, i64) {
        let sign = i64::from(self.sign);
        (sign * self.act.as_ref().map_or(0, |act| i64::from(act.amount)), sign)
    }

    /// Writes the line, with its line feed.
    pub fn write(&self, line: &mut String) {
        let act = self.act.as_ref();
        let kind = act.map_or("-", |act| letter(act.kind));
        let amount = act.map_or(0, |act| act.amount);
        let mut digits = itoa::Buffer::new();
        line.push_str(digits.format(self.number));
        line.push('\t');
        line.push_str(digits.format(self.position));
        line.push('\t');
        line.push_str(digits.format(self.occurred_at.as_microsecond()));
        line.push('\t');
        line.push_str(kind);
        line.push('\t');
        line.push_str(digits.format(self.sign));
        line.push('\t');
        line.push_str(digits.format(amount));
        line.push('\t');
        let fields = [
            self.window.as_ref().map(|it| it.as_str()),
            act.and_then(|act| act.department.as_ref()).map(|it| it.as_str()),
            act.and_then(|act| act.matter.as_ref()).map(|it| it.as_str()),
            act.and_then(|act| act.case.as_ref()).map(|it| it.as_str()),
            self.code.map(Code::text),
        ];
        for field in fields {
            line.push_str(field.unwrap_or(""));
            line.push('\t');
        }
        if let Some(amends) = &self.amends {
            amends.write(line);
        }
        line.push('\n');
    }

    /// Reads one line, without its line feed.
    ///
    /// # Errors
    ///
    /// When the line is not what [`Entry::write`] writes.
    pub fn parse(line: &str) -> Result<Self, ParseEntryError> {
        Self::read(line).ok_or_else(|| ParseEntryError(line.to_owned()))
    }

    fn read(line: &str) -> Option<Self> {
        fn optional<T: std::str::FromStr>(field: &str) -> Option<Option<T>> {
            if field.is_empty() { Some(None) } else { field.parse().ok().map(Some) }
        }
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let number = next()?.parse().ok()?;
        let position = next()?.parse().ok()?;
        let occurred_at = Timestamp::from_microsecond(next()?.parse().ok()?).ok()?;
        let kind = match next()? {
            "-" => None,
            letter => Some(Kind::ALL.into_iter().find(|it| self::letter(*it) == letter)?),
        };
        let sign = next()?.parse().ok().filter(|it| (-1..=1).contains(it))?;
        let amount = next()?.parse().ok()?;
        let window = optional(next()?)?;
        let (department, matter, case) =
            (optional(next()?)?, optional(next()?)?, optional(next()?)?);
        let code = match next()? {
            "" => None,
            text => Some(Code::from_text(text)?),
        };
        let amends = optional(next()?)?;
        if fields.next().is_some() {
            return None;
        }
        let act = kind.map(|kind| Act { kind, amount, department, matter, case });
        Some(Self { number, position, occurred_at, act, window, sign, code, amends })
    }
}

fn letter(kind: Kind) -> &'static str {
    match kind {
        Kind::Consulted => "C",
        Kind::Accepted => "A",
        Kind::Issued => "I",
        Kind::Transferred => "T",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_it_was_written() {
        let act = Act {
            kind: Kind::Accepted,
            amount: 1,
            department: Some("tax".parse().unwrap()),
            matter: None,
            case: Some("川2023-0001".parse().unwrap()),
        };
        let entry = Entry {
            number: 17,
            position: 4711,
            occurred_at: "2023-02-06T09:10:00.25+08:00".parse().unwrap(),
            act: Some(act),
            window: Some("w03".parse().unwrap()),
            sign: -1,
            code: Some(Code::NotAuthorised),
            amends: Some("terminal.w03#12".parse().unwrap()),
        };
        let mut line = String::new();
        entry.write(&mut line);
        assert_eq!(
            line,
            "17\t4711\t1675645800250000\tA\t-1\t1\tw03\ttax\t\t川2023-0001\tE.110\tterminal.w03#12\n"
        );
        assert_eq!(Entry::parse(line.trim_end()), Ok(entry));
    }

    #[test]
    fn an_act_counts_under_its_department_or_under_none() {
        let of = |line| Entry::parse(line).unwrap().department().to_owned();
        assert_eq!(of("1\t1\t0\tA\t1\t1\tw03\ttax\t\tc-1\t\t"), "tax");
        assert_eq!(of("1\t1\t0\tC\t1\t1\tw03\t\t\t\t\t"), NO_DEPARTMENT);
    }

    #[test]
    fn an_altered_line_is_an_error_not_a_guess() {
        for line in [
            "",
            "17",
            "x\t1\t0\tA\t1\t1\tw\t\t\t\t\t",
            "1\t1\t0\tQ\t1\t1\tw\t\t\t\t\t",
            "1\t1\t0\tA\t2\t1\tw\t\t\t\t\t",
            "1\t1\t0\tA\t1\t1\tw\t\t\t\t\t\textra",
        ] {
            assert!(Entry::parse(line).is_err(), "{line}");
        }
    }
}
