//! What a template says, as a tree: expressions, and bodies of paragraphs and blocks. Every part knows its line.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::number::{Exact, read};
use crate::numbering::Numbering;

/// Deepest nesting of expressions and blocks.
const DEPTH_MAX: usize = 32;

/// Something wrong in a template, with its line in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Fault {
    pub(crate) fn new(line: usize, text: impl Into<String>) -> Self {
        Self { line, text: text.into() }
    }
}

/// An expression with its line and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) term: Term,
    pub(crate) line: usize,
    /// As written, on one line.
    pub(crate) source: String,
}

/// A part of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
    Number(Exact),
    Text(String),
    Truth(bool),
    /// No figure.
    Nothing,
    Name(String),
    /// `row.column`
    Field(Box<Self>, String),
    /// `f(x, y)`, also written `x | f(y)`
    Call(String, Vec<Self>),
    Minus(Box<Self>),
    Not(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    /// Value, condition, other value.
    Choice(Box<Self>, Box<Self>, Box<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

/// Text with expressions and blocks.
pub(crate) type Body = Vec<Node>;

/// A part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Text(String),
    Print(Expression),
    /// The end of a paragraph, item or row of a table.
    Break,
    /// The end of a cell.
    Cell,
    Let(String, Expression),
    /// Conditions with what is printed under the first that holds; the last may have none.
    If(Vec<(Option<Expression>, Body)>),
    For(Loop),
    /// Paragraphs that are numbered.
    Items(Numbering, Body),
    Table(TableBody),
    /// Submissions, numbered.
    Submissions(Expression, Numbering),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loop {
    pub(crate) name: String,
    pub(crate) rows: Expression,
    pub(crate) between: Option<String>,
    /// Before the last one, where that differs.
    pub(crate) before_last: Option<String>,
    pub(crate) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableBody {
    pub(crate) line: usize,
    pub(crate) caption: Option<Expression>,
    /// Number of rows that are the head.
    pub(crate) head: usize,
    pub(crate) rows: Body,
}

// Expressions.

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Number(Exact),
    Text(String),
    Name(String),
    Mark(&'static str),
}

const MARKS: [&str; 18] =
    ["==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")", ",", ".", "|", "[", "]", "="];

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name(text: &str) -> bool {
    text.starts_with(is_name_start) && text.chars().all(|c| is_name_start(c) || c.is_numeric())
}

/// Says whether a word may be the name of a value, a table or a column.
pub(crate) fn may_be_name(text: &str) -> bool {
    const TAKEN: [&str; 16] = [
        "and", "or", "not", "if", "else", "elif", "end", "for", "in", "let", "true", "false",
        "none", "between", "last", "head",
    ];
    is_name(text) && !TAKEN.contains(&text)
}

fn tokens(source: &str, line: usize) -> Result<Vec<(Token, usize)>, Fault> {
    let mut tokens = vec![];
    let mut rest = source;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let line = line + source[..source.len() - rest.len()].matches('\n').count();
        if first == '\'' || first == '"' {
            let Some((text, after)) = rest[1..].split_once(first) else {
                return Err(Fault::new(line, "引号不成对 a quotation mark is not closed"));
            };
            tokens.push((Token::Text(text.to_owned()), line));
            rest = after;
        } else if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let decimals = rest[end..]
                .strip_prefix('.')
                .map_or(0, |it| it.find(|c: char| !c.is_ascii_digit()).unwrap_or(it.len()));
            let end = if decimals > 0 { end + 1 + decimals } else { end };
            let number = read(&rest[..end]).ok_or_else(|| {
                Fault::new(line, format!("数过长 too long a number {}", &rest[..end]))
            })?;
            tokens.push((Token::Number(number), line));
            rest = &rest[end..];
        } else if is_name_start(first) {
            let end =
                rest.find(|c: char| !(is_name_start(c) || c.is_numeric())).unwrap_or(rest.len());
            tokens.push((Token::Name(rest[..end].to_owned()), line));
            rest = &rest[end..];
        } else if let Some(mark) = MARKS.iter().find(|it| rest.starts_with(**it)) {
            tokens.push((Token::Mark(mark), line));
            rest = &rest[mark.len()..];
        } else {
            let hint = if "，（）；“”‘’".contains(first) {
                "，请用半角 use ASCII marks"
            } else {
                ""
            };
            return Err(Fault::new(line, format!("不认识 `{first}` unexpected{hint}")));
        }
    }
}

struct Parser {
    tokens: Peekable<IntoIter<(Token, usize)>>,
    line: usize,
    depth: usize,
}

impl Parser {
    fn new(source: &str, line: usize) -> Result<Self, Fault> {
        let tokens = tokens(source, line)?;
        Ok(Self { tokens: tokens.into_iter().peekable(), line, depth: 0 })
    }

    fn fault(&self, text: impl Into<String>) -> Fault {
        Fault::new(self.line, text)
    }

    fn next(&mut self) -> Option<Token> {
        let (token, line) = self.tokens.next()?;
        self.line = line;
        Some(token)
    }

    fn takes(&mut self, mark: &str) -> bool {
        let found =
            self.tokens.next_if(|(it, _)| matches!(it, Token::Mark(found) if *found == mark));
        found.map(|(_, line)| self.line = line).is_some()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found =
            self.tokens.next_if(|(it, _)| matches!(it, Token::Name(found) if found == word));
        found.map(|(_, line)| self.line = line).is_some()
    }

    fn takes_text(&mut self) -> Option<String> {
        match self.tokens.next_if(|(it, _)| matches!(it, Token::Text(_))) {
            Some((Token::Text(text), _)) => Some(text),
            _ => None,
        }
    }

    fn expect(&mut self, mark: &str) -> Result<(), Fault> {
        if self.takes(mark) { Ok(()) } else { Err(self.unexpected(&format!("`{mark}`"))) }
    }

    fn unexpected(&mut self, expected: &str) -> Fault {
        let found = match self.next() {
            None => "结束 the end".to_owned(),
            Some(Token::Number(it)) => format!("`{it}`"),
            Some(Token::Text(it)) => format!("'{it}'"),
            Some(Token::Name(it)) => format!("`{it}`"),
            Some(Token::Mark(it)) => format!("`{it}`"),
        };
        self.fault(format!("此处应为 expected {expected}，而是 found {found}"))
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.tokens.peek() {
            Some((Token::Name(it), _)) if may_be_name(it) => {
                let name = it.clone();
                self.next();
                Ok(name)
            }
            _ => Err(self.unexpected("名称 a name")),
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        if self.tokens.peek().is_some() { Err(self.unexpected("结束 the end")) } else { Ok(()) }
    }

    /// The lowest: `value if condition else other`.
    fn expression(&mut self) -> Result<Term, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault("嵌套过深 nested too deep"));
        }
        let value = self.pipe()?;
        let term = if self.takes_word("if") {
            let condition = self.pipe()?;
            if !self.takes_word("else") {
                return Err(self.unexpected("`else`"));
            }
            let other = self.expression()?;
            Term::Choice(Box::new(value), Box::new(condition), Box::new(other))
        } else {
            value
        };
        self.depth -= 1;
        Ok(term)
    }

    /// `x | f(y)` is `f(x, y)`.
    fn pipe(&mut self) -> Result<Term, Fault> {
        let mut value = self.binary(0)?;
        while self.takes("|") {
            let name = self.function()?;
            let mut arguments = vec![value];
            if self.takes("(") {
                self.arguments(&mut arguments)?;
            }
            value = Term::Call(name, arguments);
        }
        Ok(value)
    }

    /// `or` and `last` are functions too.
    fn function(&mut self) -> Result<String, Fault> {
        match self.next() {
            Some(Token::Name(name)) => Ok(name),
            _ => Err(self.fault("| 之后须为函数 expected a function after `|`")),
        }
    }

    fn arguments(&mut self, arguments: &mut Vec<Term>) -> Result<(), Fault> {
        if self.takes(")") {
            return Ok(());
        }
        loop {
            arguments.push(self.expression()?);
            if self.takes(")") {
                return Ok(());
            }
            self.expect(",")?;
        }
    }

    fn operator(&mut self, level: usize) -> Option<Operator> {
        const LEVELS: [&[(&str, Operator)]; 5] = [
            &[("or", Operator::Or)],
            &[("and", Operator::And)],
            &[
                ("==", Operator::Equal),
                ("!=", Operator::Unequal),
                ("<=", Operator::LessOrEqual),
                (">=", Operator::GreaterOrEqual),
                ("<", Operator::Less),
                (">", Operator::Greater),
            ],
            &[("+", Operator::Add), ("-", Operator::Subtract)],
            &[("*", Operator::Multiply), ("/", Operator::Divide)],
        ];
        let known = LEVELS.get(level)?;
        known.iter().find(|(it, _)| self.takes(it) || self.takes_word(it)).map(|(_, it)| *it)
    }

    fn binary(&mut self, level: usize) -> Result<Term, Fault> {
        const COMPARISONS: usize = 2;
        const LEVELS: usize = 5;
        if level == LEVELS {
            return self.unary();
        }
        if level == COMPARISONS && self.takes_word("not") {
            self.deeper()?;
            let negated = Term::Not(Box::new(self.binary(level)?));
            self.depth -= 1;
            return Ok(negated);
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(level) {
            let right = self.binary(level + 1)?;
            left = Term::Binary(operator, Box::new(left), Box::new(right));
            if level == COMPARISONS {
                break;
            }
        }
        Ok(left)
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            Err(self.fault("嵌套过深 nested too deep"))
        } else {
            Ok(())
        }
    }

    fn unary(&mut self) -> Result<Term, Fault> {
        if self.takes("-") {
            self.deeper()?;
            let value = self.unary()?;
            self.depth -= 1;
            return Ok(Term::Minus(Box::new(value)));
        }
        let mut value = match self.next() {
            Some(Token::Number(it)) => Term::Number(it),
            Some(Token::Text(it)) => Term::Text(it),
            Some(Token::Mark("(")) => {
                let inner = self.expression()?;
                self.expect(")")?;
                inner
            }
            Some(Token::Name(name)) => match name.as_str() {
                "true" => Term::Truth(true),
                "false" => Term::Truth(false),
                "none" => Term::Nothing,
                _ if self.takes("(") => {
                    let mut arguments = vec![];
                    self.arguments(&mut arguments)?;
                    Term::Call(name, arguments)
                }
                _ => Term::Name(name),
            },
            Some(Token::Mark(it)) => {
                return Err(self.fault(format!("此处应为数值 expected a value, found `{it}`")));
            }
            None => return Err(self.fault("此处应为数值 expected a value, found the end")),
        };
        while self.takes(".") {
            match self.next() {
                Some(Token::Name(column)) => value = Term::Field(Box::new(value), column),
                _ => return Err(self.fault(". 之后须为栏名 expected a column after `.`")),
            }
        }
        Ok(value)
    }
}

fn on_one_line(source: &str) -> String {
    source.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads one expression that begins on `line`.
pub(crate) fn expression(source: &str, line: usize) -> Result<Expression, Fault> {
    let mut parser = Parser::new(source, line)?;
    let term = parser.expression()?;
    parser.end()?;
    Ok(Expression { term, line, source: on_one_line(source) })
}

// Bodies.

/// A piece of a body before its blocks are matched.
enum Piece {
    Text(String),
    Print(Expression),
    Tag(Tag, usize),
    Break,
}

enum Tag {
    Let(String, Expression),
    If(Expression),
    ElseIf(Expression),
    Else,
    End,
    For { name: String, rows: Expression, between: Option<String>, before_last: Option<String> },
    Items(Numbering),
    Table { caption: Option<Expression>, head: usize },
    Submissions(Expression, Numbering),
}

/// Whether a body may have paragraphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One paragraph, printed with its spaces as they are.
    Wording,
    /// A line is a paragraph; a line with nothing but blocks is none. Indents are layout.
    Paragraphs,
}

/// Reads a body that begins on `line`.
pub(crate) fn body(source: &str, line: usize, form: Form) -> Result<Body, Fault> {
    let pieces = pieces(source, line, form)?;
    let mut blocks =
        Blocks { pieces: pieces.into_iter().peekable(), depth: 0, in_table: false, form };
    let (body, ended) = blocks.body(line)?;
    match ended {
        None => Ok(body),
        Some((_, line)) => Err(Fault::new(line, "没有对应的开头 nothing is open here")),
    }
}

fn pieces(source: &str, line: usize, form: Form) -> Result<Vec<Piece>, Fault> {
    let mut all = vec![];
    // Pieces of the current line, and whether anything on it is printed.
    let mut current: Vec<Piece> = vec![];
    let mut printed = false;
    let mut line = line;
    let mut rest = source;
    let close = |all: &mut Vec<Piece>, current: &mut Vec<Piece>, printed: &mut bool| {
        let pieces = std::mem::take(current);
        if form == Form::Wording {
            all.extend(pieces);
            return;
        }
        let is_layout = |c: char| c.is_ascii_whitespace() || c == '\u{3000}';
        let count = pieces.len();
        for (index, piece) in pieces.into_iter().enumerate() {
            match piece {
                // On a line of nothing but blocks there is no text but its indent.
                Piece::Text(_) if !*printed => {}
                Piece::Text(text) => {
                    let text = if index == 0 { text.trim_start_matches(is_layout) } else { &text };
                    let text =
                        if index + 1 == count { text.trim_end_matches(is_layout) } else { text };
                    all.push(Piece::Text(text.to_owned()));
                }
                piece => all.push(piece),
            }
        }
        if std::mem::take(printed) {
            all.push(Piece::Break);
        }
    };
    while !rest.is_empty() {
        let next = rest.find(['{', '}', '\n']).unwrap_or(rest.len());
        let (before, from) = rest.split_at(next);
        let mut text = before.to_owned();
        let mut after = from;
        let opened = ["{{", "{%", "{#"].iter().position(|it| from.starts_with(it));
        if opened.is_none() && !from.starts_with('\n') && !from.is_empty() {
            if from.starts_with("}}") {
                return Err(Fault::new(line, "有 }} 而无 {{ a `}}` without `{{`"));
            }
            text.push_str(&from[..1]);
            after = &from[1..];
        }
        if !text.is_empty() {
            printed |= !text.trim().is_empty();
            match current.last_mut() {
                Some(Piece::Text(it)) => it.push_str(&text),
                _ => current.push(Piece::Text(text)),
            }
        }
        if let Some(kind) = opened {
            let (inner, end) = inside(&after[2..], ["}}", "%}", "#}"][kind], kind == 2)
                .ok_or_else(|| {
                    Fault::new(line, format!("有 {0} 而无结尾 a `{0}` is not closed", &after[..2]))
                })?;
            match kind {
                0 => {
                    printed = true;
                    current.push(Piece::Print(expression(inner, line)?));
                }
                1 => current.push(Piece::Tag(tag(inner, line)?, line)),
                _ => {}
            }
            line += inner.matches('\n').count();
            rest = &after[2 + end..];
        } else if let Some(next_line) = after.strip_prefix('\n') {
            close(&mut all, &mut current, &mut printed);
            line += 1;
            rest = next_line;
        } else {
            rest = after;
        }
    }
    close(&mut all, &mut current, &mut printed);
    Ok(all)
}

/// What stands before `end`, outside quotation marks, and the length with it.
fn inside<'a>(text: &'a str, end: &str, verbatim: bool) -> Option<(&'a str, usize)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if (c == '\'' || c == '"') && !verbatim => quote = Some(c),
            None if text[at..].starts_with(end) => return Some((&text[..at], at + end.len())),
            None => {}
        }
    }
    None
}

fn tag(source: &str, line: usize) -> Result<Tag, Fault> {
    let text = source.trim();
    let (word, rest) = text.split_at(text.find(|c: char| !is_name_start(c)).unwrap_or(text.len()));
    let mut parser = Parser::new(rest, line)?;
    let whole = |parser: &mut Parser, source: &str| -> Result<Expression, Fault> {
        let term = parser.expression()?;
        Ok(Expression { term, line, source: on_one_line(source) })
    };
    let tag = match word {
        "let" => {
            let name = parser.name()?;
            parser.expect("=")?;
            let source = rest.split_once('=').map_or(rest, |(_, it)| it);
            Tag::Let(name, whole(&mut parser, source)?)
        }
        "if" => Tag::If(whole(&mut parser, rest)?),
        "elif" => Tag::ElseIf(whole(&mut parser, rest)?),
        "else" => Tag::Else,
        "end" => Tag::End,
        "for" => {
            let name = parser.name()?;
            if !parser.takes_word("in") {
                return Err(parser.unexpected("`in`"));
            }
            let rows = whole(&mut parser, rest)?;
            let text = |parser: &mut Parser, word: &str| -> Result<Option<String>, Fault> {
                if !parser.takes_word(word) {
                    return Ok(None);
                }
                let text = parser.takes_text();
                text.map(Some).ok_or_else(|| parser.unexpected("引号中的文字 a text in quotes"))
            };
            let between = text(&mut parser, "between")?;
            let before_last = text(&mut parser, "last")?;
            Tag::For { name, rows, between, before_last }
        }
        "items" => Tag::Items(numbering(&mut parser)?),
        "table" => {
            let has_caption = !matches!(parser.tokens.peek(), None | Some((Token::Name(_), _)));
            let caption = has_caption.then(|| whole(&mut parser, rest)).transpose()?;
            let mut head = 1;
            if parser.takes_word("head") {
                head = match parser.next() {
                    Some(Token::Number(it)) if it.is_integer() => {
                        usize::try_from(it.to_integer()).unwrap_or(usize::MAX)
                    }
                    _ => return Err(parser.fault("head 之后须为行数 expected a number of rows")),
                };
            }
            Tag::Table { caption, head }
        }
        "submissions" => {
            let rows = whole(&mut parser, rest)?;
            Tag::Submissions(rows, numbering(&mut parser)?)
        }
        _ => {
            return Err(Fault::new(
                line,
                format!(
                    "未知语句 unknown statement `{word}`, expected one of let, if, elif, else, end, for, items, table, submissions"
                ),
            ));
        }
    };
    parser.end()?;
    Ok(tag)
}

fn numbering(parser: &mut Parser) -> Result<Numbering, Fault> {
    let text = parser.takes_text();
    text.and_then(|it| Numbering::from_first(&it))
        .ok_or_else(|| parser.fault("须为编号样式 expected '一、', '（一）', '1.' or '（1）'"))
}

struct Blocks {
    pieces: Peekable<IntoIter<Piece>>,
    depth: usize,
    in_table: bool,
    form: Form,
}

impl Blocks {
    /// Reads up to the end, or to a tag that ends or continues a block, which it returns.
    fn body(&mut self, line: usize) -> Result<(Body, Option<(Tag, usize)>), Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::new(line, "嵌套过深 nested too deep"));
        }
        let mut body = vec![];
        while let Some(piece) = self.pieces.next() {
            let (tag, line) = match piece {
                Piece::Text(text) if self.in_table => {
                    for (index, part) in text.split('|').enumerate() {
                        if index > 0 {
                            body.push(Node::Cell);
                        }
                        if !part.is_empty() {
                            body.push(Node::Text(part.to_owned()));
                        }
                    }
                    continue;
                }
                Piece::Text(text) => {
                    body.push(Node::Text(text));
                    continue;
                }
                Piece::Print(it) => {
                    body.push(Node::Print(it));
                    continue;
                }
                Piece::Break => {
                    body.push(Node::Break);
                    continue;
                }
                Piece::Tag(tag, line) => (tag, line),
            };
            let paragraphs = |what: &str| {
                if self.form == Form::Wording || self.in_table {
                    Err(Fault::new(line, format!("此处不能用 {what} cannot stand here")))
                } else {
                    Ok(())
                }
            };
            body.push(match tag {
                Tag::ElseIf(_) | Tag::Else | Tag::End => {
                    self.depth -= 1;
                    return Ok((body, Some((tag, line))));
                }
                Tag::Let(name, value) => Node::Let(name, value),
                Tag::Submissions(rows, numbering) => {
                    paragraphs("submissions")?;
                    Node::Submissions(rows, numbering)
                }
                Tag::If(condition) => self.conditional(condition, line)?,
                Tag::For { name, rows, between, before_last } => {
                    let body = self.block(line)?;
                    if (between.is_some() || before_last.is_some()) && breaks(&body) {
                        let text = "between 只用于一段之内 a list with `between` stands within one paragraph";
                        return Err(Fault::new(line, text));
                    }
                    Node::For(Loop { name, rows, between, before_last, body })
                }
                Tag::Items(numbering) => {
                    paragraphs("items")?;
                    Node::Items(numbering, self.block(line)?)
                }
                Tag::Table { caption, head } => {
                    paragraphs("table")?;
                    self.in_table = true;
                    let rows = self.block(line)?;
                    self.in_table = false;
                    Node::Table(TableBody { line, caption, head, rows })
                }
            });
        }
        self.depth -= 1;
        Ok((body, None))
    }

    fn block(&mut self, line: usize) -> Result<Body, Fault> {
        match self.body(line)? {
            (body, Some((Tag::End, _))) => Ok(body),
            (_, Some((_, at))) => Err(Fault::new(at, "else 不属于 if an `else` without `if`")),
            (_, None) => Err(Fault::new(line, "缺少 {% end %} is missing for this block")),
        }
    }

    fn conditional(&mut self, condition: Expression, line: usize) -> Result<Node, Fault> {
        let mut branches = vec![];
        let mut condition = Some(condition);
        loop {
            let (body, ended) = self.body(line)?;
            let is_else = condition.is_none();
            branches.push((condition, body));
            match ended {
                Some((Tag::End, _)) => return Ok(Node::If(branches)),
                Some((Tag::ElseIf(next), _)) if !is_else => condition = Some(next),
                Some((Tag::Else, _)) if !is_else => condition = None,
                Some((_, at)) => {
                    return Err(Fault::new(at, "else 之后只能是 end after `else` comes `end`"));
                }
                None => return Err(Fault::new(line, "缺少 {% end %} is missing for this `if`")),
            }
        }
    }
}

fn breaks(body: &Body) -> bool {
    body.iter().any(|it| match it {
        Node::Break | Node::Items(..) | Node::Table(_) | Node::Submissions(..) => true,
        Node::If(branches) => branches.iter().any(|(_, it)| breaks(it)),
        Node::For(it) => breaks(&it.body),
        Node::Text(_) | Node::Print(_) | Node::Cell | Node::Let(..) => false,
    })
}
