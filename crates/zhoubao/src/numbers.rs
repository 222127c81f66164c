//! The numbers of an issue as each form has them, beside those of the canonical document.
//!
//! A form is read by other code than wrote it: markup and packages by general readers, pages by the programs
//! that others read them with. What is compared is the sequence of numbers, in the order in which they are read.

use std::io::{Cursor, Read as _};

use roxmltree::{Document as Xml, Node};
use serde_json::Value;
use zhoubao_composer::Document;
use zhoubao_composer::document::{Block, BlockKind, Cell, FigureSource, Inline, ROOT_MARK, Table};
use zhoubao_domain::id::Digest;

/// Largest part of a package that is read: a form of an issue has a few hundred KB.
const PART_BYTES_MAX: u64 = 64 << 20;

/// Most pages of one table: its head stands on each of them.
const HEADS_MAX: usize = 200;

/// Lower edge of the type area, mm from the top of the page; page numbers stand below.
const FOOT_MM: f64 = 262.0;

/// Why a form has no numbers: it is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl Unreadable {
    fn because(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// A paragraph, row or line of figures: where it stands and its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    place: String,
    numbers: Vec<String>,
    /// Of a table on pages: the numbers of its head, which each page repeats.
    head: Option<Vec<String>>,
}

/// How a form sets an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the document has it, tables row by row.
    Lines,
    /// Masthead first, 版记 last, tables row by row.
    Parts,
    /// The same on pages: a table's head is repeated, and a cell that reaches over rows may come later than they do.
    Pages,
}

/// The numbers of a document as a form of this order has them.
#[must_use]
pub fn expected(document: &Document, order: Order) -> Vec<Passage> {
    let mut blocks: Vec<(usize, &Block)> = (1..).zip(&document.blocks).collect();
    if order != Order::Lines {
        blocks.sort_by_key(|(_, it)| part(it.kind));
    }
    let mut passages = vec![];
    for (nth, block) in blocks {
        let place = format!("第{nth}段 paragraph {nth}");
        let Some(table) = &block.table else {
            let text = block.text();
            let place = format!("{place}「{}」", beginning(&text));
            passages.push(Passage { place, numbers: numbers(&text), head: None });
            continue;
        };
        let caption: String = table.caption.iter().map(Inline::text).collect();
        let place = format!("{place}，表 table「{}」", beginning(&caption));
        passages.push(Passage { place: place.clone(), numbers: numbers(&caption), head: None });
        let rows = (1..).zip(&table.rows).map(|(nth, row)| Passage {
            place: format!("{place} 第{nth}行 row {nth}"),
            numbers: row.iter().flat_map(|it: &Cell| numbers(&it.text())).collect(),
            head: None,
        });
        if order == Order::Pages {
            let rows: Vec<_> = rows.collect();
            passages.push(whole(place, &rows, table));
        } else {
            passages.extend(rows);
        }
    }
    passages
}

/// A table as one passage.
fn whole(place: String, rows: &[Passage], table: &Table) -> Passage {
    let of = |rows: &[Passage]| rows.iter().flat_map(|it| it.numbers.clone()).collect();
    let head = rows.get(..table.head).unwrap_or(rows);
    Passage { place, numbers: of(rows), head: Some(of(head)) }
}

/// Where a block stands on the page.
fn part(kind: BlockKind) -> u8 {
    match kind {
        BlockKind::Title => 0,
        BlockKind::IssueNumber => 1,
        BlockKind::Publisher => 2,
        BlockKind::IssueDate => 3,
        BlockKind::DistributionLine => 5,
        BlockKind::PrintRun => 6,
        _ => 4,
    }
}

/// The values of the bound numbers, exact and with their sign, one passage each.
#[must_use]
pub fn values(document: &Document, order: Order) -> Vec<Passage> {
    let mut figures: Vec<_> = (1..).zip(document.figures()).collect();
    if order != Order::Lines {
        let part = |block: usize| document.blocks.get(block).map(|it| part(it.kind));
        figures.sort_by_key(|(_, (block, ..))| part(*block));
    }
    let figures = figures.into_iter().map(|(nth, (block, text, source))| Passage {
        place: format!(
            "第{nth}个数 figure {nth}（第{0}段 paragraph {0}，印作 printed {text}）",
            block + 1
        ),
        numbers: vec![value(source)],
        head: None,
    });
    figures.collect()
}

fn value(source: &FigureSource) -> String {
    match source {
        FigureSource::Counted { value, .. } | FigureSource::Register { value, .. } => {
            value.to_string()
        }
        FigureSource::Imported { value, .. } => value.to_string(),
        FigureSource::Cell { value, .. } | FigureSource::Derived { value, .. } => value.clone(),
        FigureSource::Entered { text, .. } => text.clone(),
        // Only ever an input of a computed number.
        FigureSource::Cells { .. } => String::new(),
    }
}

/// What the metadata of the canonical form say in numbers.
#[must_use]
pub fn metadata(document: &Document) -> Vec<Passage> {
    let it = &document.metadata;
    let days = [Some(it.first_day), Some(it.last_day), it.issued_on];
    let days = days.into_iter().map(|it| it.map_or_else(String::new, |it| it.to_string()));
    let mut numbers =
        vec![it.year.to_string(), it.number.to_string(), it.running_number.to_string()];
    numbers.push(it.position.to_string());
    numbers.extend(days);
    vec![Passage { place: "metadata".to_owned(), numbers, head: None }]
}

/// The numbers that passages have.
#[must_use]
pub fn all(passages: &[Passage]) -> Vec<String> {
    passages.iter().flat_map(|it| it.numbers.clone()).collect()
}

/// The first words of a text.
fn beginning(text: &str) -> String {
    let words: String = text.chars().take(16).collect();
    if words.len() < text.len() { format!("{words}…") } else { words }
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit() || ('０'..='９').contains(&character)
}

/// The numbers of a text: runs of digits, with a point between digits, and with a sign that stands directly before the
/// number and not directly after a letter or digit.
#[must_use]
pub fn numbers(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let at = |place: usize| characters.get(place).copied();
    let mut found = vec![];
    let mut place = 0;
    while place < characters.len() {
        if !at(place).is_some_and(is_digit) {
            place += 1;
            continue;
        }
        let begins = place;
        while at(place).is_some_and(is_digit)
            || (matches!(at(place), Some('.' | '．')) && at(place + 1).is_some_and(is_digit))
        {
            place += 1;
        }
        let is_sign = |it: char| matches!(it, '-' | '−' | '－' | '+' | '＋');
        let signed = begins.checked_sub(1).filter(|it| at(*it).is_some_and(is_sign));
        let bound = signed
            .and_then(|it| it.checked_sub(1))
            .and_then(at)
            .is_some_and(|it| it.is_ascii_alphanumeric());
        let begins = signed.filter(|_| !bound).unwrap_or(begins);
        found.push(characters[begins..place].iter().collect());
    }
    found
}

/// A number that a form has otherwise than the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where it stands.
    pub place: String,
    /// In the document; empty where it has none.
    pub expected: String,
    /// In the form; empty where it has none.
    pub found: String,
}

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Numbers of the document.
    pub numbers: usize,
    /// How many of them the form has otherwise, or has beyond them.
    pub differences: usize,
    /// The first of them.
    pub first: Option<Difference>,
}

impl Comparison {
    fn differs(&mut self, place: &str, expected: Option<&String>, found: Option<&String>) {
        self.differences += 1;
        let text = |it: Option<&String>| it.cloned().unwrap_or_default();
        self.first.get_or_insert_with(|| Difference {
            place: place.to_owned(),
            expected: text(expected),
            found: text(found),
        });
    }
}

/// Compares the numbers of a form with what it should have.
#[must_use]
pub fn compare(expected: &[Passage], found: &[String]) -> Comparison {
    let mut done = Comparison::default();
    let mut rest = found;
    for passage in expected {
        done.numbers += passage.numbers.len();
        if let Some(length) = passage.head.as_ref().and_then(|head| table(passage, head, rest)) {
            rest = &rest[length..];
            continue;
        }
        let (these, after) = rest.split_at(passage.numbers.len().min(rest.len()));
        let mut these = these.to_vec();
        let mut those = passage.numbers.clone();
        if passage.head.is_some() {
            // In another order they are the same: what remains is what only one of them has.
            those.retain(|it| match these.iter().position(|other| other == it) {
                Some(place) => {
                    these.remove(place);
                    false
                }
                None => true,
            });
        }
        for nth in 0..those.len().max(these.len()) {
            let (expected, found) = (those.get(nth), these.get(nth));
            if expected != found {
                done.differs(&passage.place, expected, found);
            }
        }
        rest = after;
    }
    for it in rest {
        done.differs("文末之后 after the end", None, Some(it));
    }
    done
}

/// How many of the numbers are those of a table, in any order, with its head once a page; none where they are not.
fn table(passage: &Passage, head: &[String], found: &[String]) -> Option<usize> {
    let mut wanted = passage.numbers.clone();
    for _ in 0..HEADS_MAX {
        let mut these = found.get(..wanted.len())?.to_vec();
        these.sort_unstable();
        wanted.sort_unstable();
        if these == wanted {
            return Some(wanted.len());
        }
        if head.is_empty() {
            return None;
        }
        wanted.extend_from_slice(head);
    }
    None
}

/// The numbers of plain text.
///
/// # Errors
///
/// [`Unreadable`] where it is no text.
pub fn of_text(bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
    Ok(numbers(std::str::from_utf8(bytes).map_err(Unreadable::because)?))
}

/// The numbers of the article of a page, then the exact values of the bound ones; without the contents before it and
/// the sources behind it.
///
/// # Errors
///
/// [`Unreadable`] where there is no article.
pub fn of_html(bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
    let page = std::str::from_utf8(bytes).map_err(Unreadable::because)?;
    let article = page.split_once("<article").and_then(|(_, it)| it.split_once("</article>"));
    let (article, _) = article.ok_or_else(|| Unreadable("no article in the page".to_owned()))?;
    let mut rest = article.split_once('>').map_or("", |(_, it)| it);
    let mut text = String::new();
    let mut values = vec![];
    while let Some((words, markup)) = rest.split_once('<') {
        text.push_str(words);
        let Some((tag, after)) = markup.split_once('>') else { break };
        let name = tag.trim_start_matches('/').split(char::is_whitespace).next().unwrap_or("");
        // Whatever is not a part of a line ends one.
        if !["a", "data", "span"].contains(&name) {
            text.push('\n');
        }
        if let Some((value, _)) =
            tag.strip_prefix("data value=\"").and_then(|it| it.split_once('"'))
        {
            values.push(unescaped(value));
        }
        rest = after;
    }
    text.push_str(rest);
    let mut found = numbers(&unescaped(&text));
    found.append(&mut values);
    Ok(found)
}

/// What [`of_html`] reads, as the document has it.
#[must_use]
pub fn of_article(document: &Document) -> Vec<Passage> {
    // A new version says so before everything else.
    let amendment = document.metadata.amendment.iter().map(|it| Passage {
        place: "更正说明 note of the new version".to_owned(),
        numbers: numbers(&format!("第{}版：{}", it.version, it.note)),
        head: None,
    });
    let mut passages: Vec<_> = amendment.collect();
    passages.extend(expected(document, Order::Parts));
    passages.extend(values(document, Order::Parts));
    passages
}

fn unescaped(text: &str) -> String {
    // Ampersands last: what they escape is text, not another escape.
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    escapes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The numbers of the canonical form: those of its text, the exact values of the bound ones, and of its metadata.
///
/// # Errors
///
/// [`Unreadable`] where it is another form.
pub fn of_json(bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
    let document = zhoubao_composer::json::read(bytes).map_err(|it| {
        let source = std::error::Error::source(&it);
        Unreadable(source.map_or_else(|| it.to_string(), ToString::to_string))
    })?;
    Ok(all(&of_document(&document)))
}

/// What [`of_json`] reads, as the document has it.
#[must_use]
pub fn of_document(document: &Document) -> Vec<Passage> {
    let mut passages = expected(document, Order::Lines);
    passages.extend(values(document, Order::Lines));
    passages.extend(metadata(document));
    passages
}

/// The values of the table of figures, a row each.
///
/// # Errors
///
/// [`Unreadable`] where it has no column of values.
pub fn of_csv(bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
    let bytes = bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(bytes);
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(Unreadable::because)?;
    let column = header.iter().position(|it| it == "数值");
    let column = column.ok_or_else(|| Unreadable("no column 数值".to_owned()))?;
    let rows = reader.records().map(|row| {
        let row = row.map_err(Unreadable::because)?;
        let cell = row.get(column).unwrap_or_default();
        // What a spreadsheet would take for something else has an apostrophe in front.
        Ok(cell.strip_prefix('\'').unwrap_or(cell).to_owned())
    });
    rows.collect()
}

/// A part of a package.
fn read_part(bytes: &[u8], path: &str) -> Result<String, Unreadable> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(Unreadable::because)?;
    let file = zip.by_name(path).map_err(|it| Unreadable(format!("{path}: {it}")))?;
    let mut text = String::new();
    let read = file.take(PART_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|it| Unreadable(format!("{path}: {it}")))?;
    Ok(text)
}

/// The numbers of a Word file, paragraph by paragraph, without margins.
///
/// # Errors
///
/// [`Unreadable`] where it is none.
pub fn of_docx(bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
    let part = read_part(bytes, "word/document.xml")?;
    let xml = Xml::parse(&part).map_err(Unreadable::because)?;
    let mut text = String::new();
    for node in xml.descendants().filter(Node::is_element) {
        match node.tag_name().name() {
            "t" => text.push_str(node.text().unwrap_or_default()),
            "p" | "tab" | "br" => text.push('\n'),
            _ => {}
        }
    }
    Ok(numbers(&text))
}

/// The numbers of an OFD, text by text in the order of the file, without what stands below the type area.
///
/// # Errors
///
/// [`Unreadable`] where it is none.
pub fn of_ofd(bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
    let part = read_part(bytes, "Doc_0/Document.xml")?;
    let xml = Xml::parse(&part).map_err(Unreadable::because)?;
    let pages = xml.descendants().filter(|it| name(*it) == "Page");
    let mut text = String::new();
    for path in pages.filter_map(|it| it.attribute("BaseLoc")) {
        let part = read_part(bytes, &format!("Doc_0/{path}"))?;
        let xml = Xml::parse(&part).map_err(Unreadable::because)?;
        text.push('\n');
        read_page(&xml, &mut text);
    }
    Ok(numbers(&text))
}

fn name<'a>(node: Node<'a, '_>) -> &'a str {
    node.tag_name().name()
}

/// Texts that stand close to each other on one line are one: a line is cut where its face changes.
fn read_page(xml: &Xml<'_>, text: &mut String) {
    let lengths = |it: Option<&str>| -> Vec<f64> {
        it.unwrap_or_default().split(' ').filter_map(|it| it.parse().ok()).collect()
    };
    // The line and the place of the character before.
    let mut before: Option<(f64, f64)> = None;
    for object in xml.descendants().filter(|it| name(*it) == "TextObject") {
        let boundary = lengths(object.attribute("Boundary"));
        let size = lengths(object.attribute("Size")).first().copied().unwrap_or_default();
        for code in object.children().filter(|it| name(*it) == "TextCode") {
            let (x, y) = (lengths(code.attribute("X")), lengths(code.attribute("Y")));
            let ([left, top, ..], [x], [y]) = (boundary.as_slice(), x.as_slice(), y.as_slice())
            else {
                continue;
            };
            let (x, y) = (left + x, top + y);
            if y > FOOT_MM {
                continue;
            }
            // Letters are about half as wide as a character.
            let wide = if text.ends_with(|it: char| it.is_ascii()) { 0.75 } else { 1.25 };
            let follows = before.is_some_and(|(line, place)| {
                (line - y).abs() < 0.01 && (0.0..size * wide).contains(&(x - place))
            });
            if !follows {
                text.push('\n');
            }
            text.push_str(code.text().unwrap_or_default());
            before = Some((y, x + lengths(code.attribute("DeltaX")).iter().sum::<f64>()));
        }
    }
}

/// The numbers of pages as `pdftotext -raw` reads them, without the page numbers and the line of the tree's root.
///
/// # Errors
///
/// [`Unreadable`] where it is no text.
pub fn of_pages(bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(Unreadable::because)?;
    let mut found = vec![];
    for (nth, page) in (1..).zip(text.split('\u{C}')) {
        let mut lines: Vec<&str> = page.lines().collect();
        let number = format!("—{nth}—");
        let is_number = |line: &&str| line.split_whitespace().collect::<String>() == number;
        if let Some(place) = lines.iter().rposition(is_number) {
            lines.remove(place);
        }
        lines.retain(|it| !is_root(it));
        found.extend(numbers(&lines.join("\n")));
    }
    Ok(found)
}

/// Whether it is the line `核验 4711 sha-256 6f0a…` at the foot of the last page.
fn is_root(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [mark, size, _, root] = words.as_slice() else { return false };
    *mark == ROOT_MARK && size.parse::<u64>().is_ok() && root.parse::<Digest>().is_ok()
}

/// A comparison as JSON.
impl From<&Comparison> for Value {
    fn from(it: &Comparison) -> Self {
        let first = it.first.as_ref().map(|it| {
            serde_json::json!({ "place": it.place, "expected": it.expected, "found": it.found })
        });
        serde_json::json!({
            "numbers": it.numbers, "differences": it.differences, "first": first,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(numbers: &[&str], head: Option<&[&str]>) -> Passage {
        let own = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
        Passage { place: "here".to_owned(), numbers: own(numbers), head: head.map(own) }
    }

    fn found(passages: &[Passage], text: &str) -> (usize, Option<(String, String)>) {
        let done = compare(passages, &numbers(text));
        (done.differences, done.first.map(|it| (it.expected, it.found)))
    }

    #[test]
    fn numbers_have_points_and_signs() {
        let text = "1.2月7日—9日，升-1.6%、+13.5%，第３期 a-1 2023-02-10 5. 。.5";
        let expected = ["1.2", "7", "9", "-1.6", "+13.5", "３", "1", "2023", "02", "10", "5", "5"];
        assert_eq!(numbers(text), expected);
        assert_eq!(numbers("−3 － 4"), ["−3", "4"]);
    }

    #[test]
    fn a_changed_a_missing_and_a_further_number_are_found() {
        let passages = [passage(&["459", "94"], None), passage(&["1130"], None)];
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(found(&passages, "459 94 1130"), (0, None));
        assert_eq!(found(&passages, "459 95 1130"), (1, pair("94", "95")));
        assert_eq!(found(&passages, "459 94"), (1, pair("1130", "")));
        assert_eq!(found(&passages, "459 94 1130 7"), (1, pair("", "7")));
        assert_eq!(found(&passages, "94 459 1130"), (2, pair("459", "94")));
    }

    #[test]
    fn a_table_on_pages_repeats_its_head_and_changes_nothing() {
        let table = passage(&["2023", "1", "10", "2", "20"], Some(&["2023"]));
        let passages = [passage(&["5"], None), table, passage(&["80"], None)];
        assert_eq!(found(&passages, "5 2023 1 10 2 20 80"), (0, None));
        assert_eq!(found(&passages, "5 2023 1 10 2023 2 20 80"), (0, None));
        assert_eq!(found(&passages, "5 2023 10 1 2 20 80"), (0, None));
        let changed = Some(("20".to_owned(), "21".to_owned()));
        assert_eq!(found(&passages, "5 2023 1 10 2 21 80"), (1, changed));
        assert_ne!(found(&passages, "5 2023 1 10 2023 2 21 80").0, 0);
        assert_ne!(found(&passages, "5 2022 1 10 2 20 80").0, 0);
    }

    #[test]
    fn markup_is_no_text() {
        let page = "<nav>9</nav><article class=\"issue 8\"><p>1<a href=\"#src-7\"><data value=\"7\">2</data></a>\
            &lt;3&amp;lt;4&#39;</p><td>5</td><td>6</td></article><section>10</section>";
        assert_eq!(of_html(page.as_bytes()).unwrap(), ["12", "3", "4", "5", "6", "7"]);
        assert!(of_html(b"<p>1</p>").is_err());
    }

    #[test]
    fn page_numbers_are_left_out_once_a_page() {
        let pages = "1\n— 1 —\n\u{C}2 — 2 — 3\n—2—\n\u{C}— 3 —\n— 4 —\n";
        assert_eq!(of_pages(pages.as_bytes()).unwrap(), ["1", "2", "2", "3", "4"]);
        let root = format!("核验 4711 sha-256 {}", "6f".repeat(32));
        assert_eq!(of_pages(format!("核验 5 件\n{root}\n—1—\n").as_bytes()).unwrap(), ["5"]);
    }

    #[test]
    fn what_is_no_package_is_said() {
        assert!(of_docx(b"PK").is_err() && of_ofd(b"PK").is_err() && of_json(b"{}").is_err());
        assert!(of_csv("a,b\n1,2\n".as_bytes()).is_err());
    }
}
