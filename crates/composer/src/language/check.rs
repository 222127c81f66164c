//! What can be told of a template before there is any material: names, functions, figures and tables.

use std::collections::BTreeSet;

use zhoubao_domain::figure::{Definition, Partition, Span};

use super::functions::{FORMS, FUNCTIONS, ISSUE_NAMES, LAST_YEAR};
use super::syntax::{Body, Expression, Fault, Node, Operator, Term};
use crate::document::Measure;
use crate::template::Template;

/// Columns of rows that no template declares.
const ROW_COLUMNS: [&str; 7] =
    ["key", "name", "date", "department", "class", "accepted", "finished"];

/// What else can be asked of a value after a full stop.
const OF_VALUES: [&str; 12] = [
    "rows",
    "index",
    "first",
    "last",
    "year",
    "month",
    "day",
    "week",
    "week_year",
    "days",
    "source",
    "period",
];

/// Checks the expressions of a template.
pub(crate) struct Checker<'a> {
    template: &'a Template,
    definitions: &'a [Definition],
    /// Names within the row of a table.
    columns: BTreeSet<&'a str>,
    pub(crate) faults: Vec<Fault>,
}

/// Names beside those of the template.
#[derive(Clone, Default)]
struct Names<'a> {
    own: Vec<&'a str>,
    in_row: bool,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(template: &'a Template, definitions: &'a [Definition]) -> Self {
        let tables = template.tables.values().flat_map(|it| it.text.iter().chain(&it.numbers));
        let keys = definitions.iter().map(|it| &it.key);
        let columns = tables.chain(keys).map(String::as_str).chain(ROW_COLUMNS).collect();
        Self { template, definitions, columns, faults: vec![] }
    }

    pub(crate) fn expression(&mut self, it: &'a Expression) {
        self.term(&it.term, it.line, &Names::default());
    }

    pub(crate) fn body(&mut self, body: &'a Body, names: &[&'a str]) {
        self.nodes(body, &Names { own: names.to_vec(), in_row: false });
    }

    /// A name that is a column too would mean one thing within a row and another outside.
    fn own_name(&mut self, name: &str, line: usize) {
        if self.columns.contains(name) {
            let text = format!("`{name}` 已是栏名 is the name of a column: choose another name");
            self.faults.push(Fault::new(line, text));
        }
    }

    /// Names of the template: those that are columns too, and those that depend on themselves.
    pub(crate) fn names(&mut self) {
        for (name, it) in &self.template.lets {
            self.own_name(name, it.line);
        }
        for name in self.template.parameters.keys().chain(self.template.entered.keys()) {
            self.own_name(name, 0);
        }
        for (name, it) in &self.template.lets {
            let mut seen = BTreeSet::new();
            let mut next = names_in(&it.term);
            while let Some(found) = next.pop() {
                if found == name {
                    let text = format!("`{name}` 用到自身 depends on itself");
                    self.faults.push(Fault::new(it.line, text));
                    break;
                }
                if let (true, Some(it)) = (seen.insert(found), self.template.lets.get(found)) {
                    next.extend(names_in(&it.term));
                }
            }
        }
    }

    fn nodes(&mut self, body: &'a Body, names: &Names<'a>) {
        let mut names = names.clone();
        for node in body {
            match node {
                Node::Text(_) | Node::Break | Node::Cell => {}
                Node::Print(it) | Node::Submissions(it, _) => self.term(&it.term, it.line, &names),
                Node::Let(name, it) => {
                    self.term(&it.term, it.line, &names);
                    self.own_name(name, it.line);
                    names.own.push(name);
                }
                Node::If(branches) => {
                    for (condition, body) in branches {
                        if let Some(it) = condition {
                            self.term(&it.term, it.line, &names);
                        }
                        self.nodes(body, &names);
                    }
                }
                Node::For(it) => {
                    self.term(&it.rows.term, it.rows.line, &names);
                    self.own_name(&it.name, it.rows.line);
                    let mut inner = names.clone();
                    inner.own.extend(["loop", it.name.as_str()]);
                    self.nodes(&it.body, &inner);
                }
                Node::Items(_, body) => self.nodes(body, &names),
                Node::Table(it) => {
                    if let Some(it) = &it.caption {
                        self.term(&it.term, it.line, &names);
                    }
                    self.nodes(&it.rows, &names);
                }
            }
        }
    }

    fn fault(&mut self, line: usize, text: impl Into<String>) {
        self.faults.push(Fault::new(line, text));
    }

    fn term(&mut self, term: &'a Term, line: usize, names: &Names<'a>) {
        match term {
            Term::Number(_) | Term::Text(_) | Term::Truth(_) | Term::Nothing => {}
            Term::Name(name) => self.name(name, line, names),
            Term::Field(of, column) => {
                self.term(of, line, names);
                self.column(column, line);
            }
            Term::Minus(it) | Term::Not(it) => self.term(it, line, names),
            Term::Choice(value, condition, other) => {
                for it in [value, condition, other] {
                    self.term(it, line, names);
                }
            }
            Term::Binary(operator, left, right) => {
                let arithmetic = matches!(
                    operator,
                    Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide
                );
                for it in [left, right] {
                    if arithmetic && let Term::Text(text) = it.as_ref() {
                        self.fault(
                            line,
                            format!("文字不能运算 cannot compute with the text '{text}'"),
                        );
                    }
                    self.term(it, line, names);
                }
            }
            Term::Call(name, arguments) => self.call(name, arguments, line, names),
        }
    }

    fn name(&mut self, name: &'a str, line: usize, names: &Names<'a>) {
        let template = self.template;
        let known = names.own.contains(&name)
            || (names.in_row && self.columns.contains(name))
            || ISSUE_NAMES.contains(&name)
            || template.lets.contains_key(name)
            || template.parameters.contains_key(name)
            || template.entered.contains_key(name);
        if known {
            return;
        }
        let mut known: Vec<&str> = names.own.clone();
        known.extend(ISSUE_NAMES);
        for it in [&template.parameters, &template.entered] {
            known.extend(it.keys().map(String::as_str));
        }
        known.extend(template.lets.keys().map(String::as_str));
        if names.in_row {
            known.extend(&self.columns);
        }
        known.sort_unstable();
        known.dedup();
        let known = known.join(", ");
        self.fault(line, format!("未知名称 unknown name `{name}`, expected one of {known}"));
    }

    fn column(&mut self, column: &str, line: usize) {
        if !self.columns.contains(column) && !OF_VALUES.contains(&column) {
            let known: BTreeSet<_> = self.columns.iter().copied().chain(OF_VALUES).collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            self.fault(line, format!("未知栏 unknown column `{column}`, expected one of {known}"));
        }
    }

    fn call(&mut self, name: &'a str, arguments: &'a [Term], line: usize, names: &Names<'a>) {
        let Some(function) = FUNCTIONS.iter().find(|it| it.name == name) else {
            let known: Vec<_> = FUNCTIONS.iter().map(|it| it.name).collect();
            let known = known.join(", ");
            return self.fault(
                line,
                format!("未知函数 unknown function `{name}`, expected one of {known}"),
            );
        };
        let (least, most) = function.arguments;
        if !(least..=most).contains(&arguments.len()) {
            let text = format!(
                "`{name}` 的参数个数不对 takes {least} to {most} arguments, found {}",
                arguments.len()
            );
            return self.fault(line, text);
        }
        let by_row_from = function.by_row_from.unwrap_or(usize::MAX);
        for (index, it) in arguments.iter().enumerate() {
            let in_row = names.in_row || index >= by_row_from;
            self.term(it, line, &Names { own: names.own.clone(), in_row });
        }
        let text = |index: usize| match arguments.get(index) {
            Some(Term::Text(it)) => Some(it.as_str()),
            _ => None,
        };
        let mut words: Vec<(Option<&str>, &str, Vec<&str>)> = vec![];
        let keys: Vec<&str> = self.definitions.iter().map(|it| it.key.as_str()).collect();
        let spans: Vec<&str> = Span::ALL.iter().map(|it| it.word()).collect();
        let partitions: Vec<&str> = [Partition::Day, Partition::Window, Partition::Department]
            .iter()
            .map(|it| it.word())
            .collect();
        match name {
            "figure" => {
                words.push((text(0), "指标 figure", keys));
                words.push((text(1), "范围 span", spans));
                words.push((text(2), "分项 partition", partitions));
                if arguments.len() == 3 {
                    let form =
                        "figure('accepted', 'week') or figure('accepted', 'week', 'window', 'w01')";
                    self.fault(line, format!("分项须写明 a partition needs its part: {form}"));
                }
            }
            "earlier" => {
                words.push((text(1), "指标 figure", keys));
                words.push((text(2), "范围 span", spans));
            }
            "parts" => {
                words.push((text(0), "分项 partition", partitions));
                words.push((text(1), "范围 span", spans));
            }
            "amounts" | "by_day" => words.push((text(0), "范围 span", spans)),
            "table" => {
                let tables = self.template.tables.keys().map(String::as_str).collect();
                words.push((text(0), "表 table", tables));
                words.push((text(1), "期 period", vec![LAST_YEAR]));
            }
            "statistic" => {
                let measures = [Measure::Accepted, Measure::Finished].map(Measure::word).to_vec();
                words.push((text(1), "数值 measure", measures));
            }
            "submissions" => {
                let sections = self.template.all_keys();
                words.push((text(0), "栏目 section", sections));
            }
            "form" => words.push((text(1), "形式 form", FORMS.to_vec())),
            "decimals" => {
                let known = super::number::Style::WORDS.split(", ").collect::<Vec<_>>();
                for index in 2..arguments.len() {
                    words.push((text(index), "写法 word", known.clone()));
                }
            }
            _ => {}
        }
        for (word, what, known) in words {
            if let Some(word) = word.filter(|it| !known.contains(it)) {
                let (chinese, english) = what.split_once(' ').unwrap_or((what, ""));
                let known = known.join(", ");
                self.fault(
                    line,
                    format!("未知{chinese} unknown {english} `{word}`, expected one of {known}"),
                );
            }
        }
    }
}

/// Names that an expression uses.
pub(crate) fn names_in(term: &Term) -> Vec<&str> {
    match term {
        Term::Number(_) | Term::Text(_) | Term::Truth(_) | Term::Nothing => vec![],
        Term::Name(it) => vec![it],
        Term::Field(it, _) | Term::Minus(it) | Term::Not(it) => names_in(it),
        Term::Call(_, arguments) => arguments.iter().flat_map(names_in).collect(),
        Term::Binary(_, left, right) => {
            [left, right].into_iter().flat_map(|it| names_in(it)).collect()
        }
        Term::Choice(value, condition, other) => {
            [value, condition, other].into_iter().flat_map(|it| names_in(it)).collect()
        }
    }
}

/// Calls of a function in a body, with their first arguments where these are texts.
pub(crate) fn calls<'a>(body: &'a Body, function: &str) -> Vec<(&'a str, usize)> {
    fn in_term<'a>(term: &'a Term, function: &str, line: usize, found: &mut Vec<(&'a str, usize)>) {
        match term {
            Term::Number(_) | Term::Text(_) | Term::Truth(_) | Term::Nothing | Term::Name(_) => {}
            Term::Field(it, _) | Term::Minus(it) | Term::Not(it) => {
                in_term(it, function, line, found)
            }
            Term::Call(name, arguments) => {
                if let (true, Some(Term::Text(it))) = (name == function, arguments.first()) {
                    found.push((it, line));
                }
                arguments.iter().for_each(|it| in_term(it, function, line, found));
            }
            Term::Binary(_, left, right) => {
                [left, right].into_iter().for_each(|it| in_term(it, function, line, found));
            }
            Term::Choice(value, condition, other) => {
                [value, condition, other]
                    .into_iter()
                    .for_each(|it| in_term(it, function, line, found));
            }
        }
    }
    fn in_body<'a>(body: &'a Body, function: &str, found: &mut Vec<(&'a str, usize)>) {
        for node in body {
            match node {
                Node::Text(_) | Node::Break | Node::Cell => {}
                Node::Print(it) | Node::Let(_, it) | Node::Submissions(it, _) => {
                    in_term(&it.term, function, it.line, found);
                }
                Node::If(branches) => {
                    for (condition, body) in branches {
                        if let Some(it) = condition {
                            in_term(&it.term, function, it.line, found);
                        }
                        in_body(body, function, found);
                    }
                }
                Node::For(it) => {
                    in_term(&it.rows.term, function, it.rows.line, found);
                    in_body(&it.body, function, found);
                }
                Node::Items(_, body) => in_body(body, function, found),
                Node::Table(it) => in_body(&it.rows, function, found),
            }
        }
    }
    let mut found = vec![];
    in_body(body, function, &mut found);
    found
}
