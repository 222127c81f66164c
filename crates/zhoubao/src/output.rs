//! Printing: results to stdout, everything else to stderr, each in the form that was asked for.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use crate::failure::Failure;

type Sink = Arc<Mutex<Box<dyn Write + Send>>>;

/// Where a command prints, and how.
#[derive(Clone)]
pub struct Output {
    out: Sink,
    err: Sink,
    json: bool,
    quiet: bool,
    /// Whether stderr is a terminal.
    terminal: bool,
    color: bool,
}

impl Output {
    /// Prints to stdout and stderr of this process. `NO_COLOR` and pipes turn colours off, pipes progress bars, too.
    #[must_use]
    pub fn standard(json: bool, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        Self {
            terminal,
            color: terminal && !no_color,
            ..Self::to(Box::new(io::stdout()), Box::new(io::stderr()), json, quiet)
        }
    }

    /// Prints to these two, without colours and progress bars.
    #[must_use]
    pub fn to(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        json: bool,
        quiet: bool,
    ) -> Self {
        let (out, err) = (Arc::new(Mutex::new(out)), Arc::new(Mutex::new(err)));
        Self { out, err, json, quiet, terminal: false, color: false }
    }

    /// Whether results are printed as JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One line of a result.
    pub fn line(&self, text: impl Display) {
        write_line(&self.out, &text);
    }

    /// A result as JSON, in one line.
    pub fn value(&self, value: &Value) {
        self.line(value);
    }

    /// A result as a table.
    pub fn table(&self, table: &Table) {
        for line in table.lines() {
            self.line(line);
        }
    }

    /// A result that is text on a page of its own: as it is, without a line end added.
    pub fn raw(&self, bytes: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that has gone away (`| head`) is no failure of the command.
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }

    /// What is going on, for a person; not with `--quiet`.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            write_line(&self.err, &text);
        }
    }

    /// Why the command failed.
    pub fn failure(&self, failure: &Failure) {
        if self.json {
            write_line(&self.err, &failure.to_json());
        } else if self.color {
            write_line(&self.err, &format!("\x1b[1;31m{}", with_reset(&failure.to_string())));
        } else {
            write_line(&self.err, failure);
        }
    }

    /// A progress bar on stderr, invisible where stderr is no terminal or nobody wants it.
    #[must_use]
    pub fn progress(&self, length: u64, what: &'static str) -> ProgressBar {
        if !self.terminal || self.quiet || self.json {
            return ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let style = "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar
    }
}

fn write_line(sink: &Sink, text: &dyn Display) {
    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    // A reader that has gone away (`| head`) is no failure of the command.
    let _ = writeln!(sink, "{text}").and_then(|()| sink.flush());
}

/// Ends the colour after the first line.
fn with_reset(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, rest)) => format!("{first}\x1b[0m\n{rest}"),
        None => format!("{text}\x1b[0m"),
    }
}

/// Rows under a heading, aligned by the width that a terminal gives each character: a Chinese one takes two columns.
#[derive(Debug, Clone, Default)]
pub struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new<T: Into<String>>(heading: impl IntoIterator<Item = T>) -> Self {
        Self { heading: heading.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; what it has less than the heading is empty.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) -> &mut Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Its lines; a column of numbers is aligned on the right.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let columns = self.heading.len();
        let all = || std::iter::once(&self.heading).chain(&self.rows);
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let widths: Vec<_> = (0..columns)
            .map(|column| all().map(|row| cell(row, column).width()).max().unwrap_or(0))
            .collect();
        let right: Vec<_> = (0..columns)
            .map(|column| {
                !self.rows.is_empty() && self.rows.iter().all(|row| is_number(&cell(row, column)))
            })
            .collect();
        all()
            .map(|row| {
                let cells = (0..columns).map(|column| {
                    let text = cell(row, column);
                    let space = " ".repeat(widths[column] - text.width());
                    if right[column] { space + &text } else { text + &space }
                });
                cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
            })
            .collect()
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_digit() || "+-−.,%".contains(it))
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn chinese_and_numbers_are_aligned() {
        let mut table = Table::new(["窗口", "受理"]);
        table.row(["w01", "94"]).row(["不动产登记", "7"]);
        assert_eq!(table.lines(), ["窗口        受理", "w01           94", "不动产登记     7"]);
    }
}
