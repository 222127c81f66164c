//! A Word file (ECMA-376, transitional) with the page of GB/T 9704.
//!
//! Paragraphs have styles and nothing of their own that a style could say, so that an office may change the look of all
//! headings at once: the styles are `docx/styles.xml`. Elements stand in the order of the schema, as readers may
//! expect. Lines and pages break where the reader of the file breaks them; PDF and OFD say where they stand in print.
//!
//! Every bound number is a bookmark: `figure_7` is the number whose line in [`crate::csv`] is 7.

use std::fmt::{self, Write as _};

use crate::document::{Block, BlockKind, Cell, Document, Inline, Metadata, Table};
use crate::package::{Escaped, Package, TooLarge};

const W: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const R: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

const CONTENT_TYPES: &str = include_str!("docx/content-types.xml");
const PACKAGE_RELATIONSHIPS: &str = include_str!("docx/package-relationships.xml");
const DOCUMENT_RELATIONSHIPS: &str = include_str!("docx/document-relationships.xml");
const STYLES: &str = include_str!("docx/styles.xml");
const SETTINGS: &str = include_str!("docx/settings.xml");
/// The faces, each with those that stand in where it is not installed.
const FONT_TABLE: &str = include_str!("docx/fontTable.xml");
const FOOTER_ODD: &str = include_str!("docx/footer-odd.xml");
const FOOTER_EVEN: &str = include_str!("docx/footer-even.xml");

/// Width of the type area, 156 mm, in twentieths of a point.
const WIDTH_TWIPS: usize = 8844;

/// A character of 四号 (14 pt), twentieths of a point.
const SMALL_TWIPS: usize = 280;

/// Half points of the name in red: as on the printed page 44 pt, smaller where it is long, never below 二号.
const NAME_HALF_POINTS: (usize, usize) = (44, 88);

/// A4 with 天头 37 mm, 订口 28 mm and a type area of 156 × 225 mm; lines 225/22 mm apart. The page number stands 7 mm
/// below the type area.
const PAGE: &str = r#"<w:sectPr><w:headerReference w:type="even" r:id="header"/><w:headerReference w:type="default" r:id="header"/><w:footerReference w:type="even" r:id="footerEven"/><w:footerReference w:type="default" r:id="footerOdd"/><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="2098" w:right="1474" w:bottom="1984" w:left="1587" w:header="850" w:footer="1555" w:gutter="0"/><w:cols w:space="720"/><w:docGrid w:type="lines" w:linePitch="579"/></w:sectPr>"#;

/// 版记: a table that floats to the foot of the type area, between rules of 0.35 mm; its rows are parted by one of 0.25 mm.
const IMPRINT: &str = r#"<w:tbl><w:tblPr><w:tblpPr w:leftFromText="0" w:rightFromText="0" w:vertAnchor="margin" w:horzAnchor="margin" w:tblpXSpec="left" w:tblpYSpec="bottom"/><w:tblOverlap w:val="never"/><w:tblW w:w="8844" w:type="dxa"/><w:tblBorders><w:top w:val="single" w:sz="8" w:space="0" w:color="auto"/><w:bottom w:val="single" w:sz="8" w:space="0" w:color="auto"/><w:insideH w:val="single" w:sz="6" w:space="0" w:color="auto"/></w:tblBorders><w:tblLayout w:type="fixed"/><w:tblCellMar><w:left w:w="0" w:type="dxa"/><w:right w:w="0" w:type="dxa"/></w:tblCellMar></w:tblPr><w:tblGrid><w:gridCol w:w="8844"/></w:tblGrid>"#;

/// A paragraph of no height.
const NOTHING: &str = r#"<w:p><w:pPr><w:pStyle w:val="AfterTable"/></w:pPr></w:p>"#;

/// The document as a Word file.
///
/// # Errors
///
/// [`TooLarge`].
pub fn export(document: &Document) -> Result<Vec<u8>, TooLarge> {
    let mut body = Body { xml: String::new(), figures: 0 };
    // Writing to a `String` cannot fail.
    let _ = body.write(document);
    let mut package = Package::new();
    package.xml("[Content_Types].xml", CONTENT_TYPES)?;
    package.xml("_rels/.rels", PACKAGE_RELATIONSHIPS)?;
    package.xml("docProps/core.xml", &properties(document))?;
    package.xml("word/document.xml", &body.xml)?;
    package.xml("word/_rels/document.xml.rels", DOCUMENT_RELATIONSHIPS)?;
    package.xml("word/styles.xml", STYLES)?;
    package.xml("word/settings.xml", SETTINGS)?;
    package.xml("word/fontTable.xml", FONT_TABLE)?;
    package.xml("word/header.xml", &header(&document.metadata))?;
    package.xml("word/footer-odd.xml", FOOTER_ODD)?;
    package.xml("word/footer-even.xml", FOOTER_EVEN)?;
    package.end()
}

fn properties(document: &Document) -> String {
    let metadata = &document.metadata;
    let number = document.blocks.iter().filter(|it| it.kind == BlockKind::IssueNumber);
    let number: String = number.map(Block::text).collect();
    let title = format!("{} {number}", metadata.title);
    // A draft has no date of its own yet; the file needs one that does not come from a clock.
    let date = metadata.issued_on.unwrap_or(metadata.last_day);
    format!(
        r#"<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>{}</dc:title><dc:creator>{}</dc:creator><dc:language>zh-CN</dc:language><dcterms:created xsi:type="dcterms:W3CDTF">{date}T00:00:00Z</dcterms:created><dcterms:modified xsi:type="dcterms:W3CDTF">{date}T00:00:00Z</dcterms:modified></cp:coreProperties>"#,
        Escaped(title.trim()),
        Escaped(&metadata.publisher),
    )
}

/// The upper margin: says what is not to be taken for a published issue.
fn header(metadata: &Metadata) -> String {
    let mut xml = format!(r#"<w:hdr xmlns:w="{W}"><w:p>"#);
    match metadata.notice() {
        Some(notice) => {
            xml.push_str(r#"<w:pPr><w:pStyle w:val="Notice"/></w:pPr>"#);
            let _ = run(&mut xml, "", &notice);
        }
        None => xml.push_str(r#"<w:pPr><w:pStyle w:val="Header"/></w:pPr>"#),
    }
    xml.push_str("</w:p></w:hdr>");
    xml
}

/// A run of text. Quotation marks and dashes are those of Chinese, as wide as a character, whatever stands beside them.
/// Line ends and tabs are elements of their own.
fn run(xml: &mut String, properties: &str, text: &str) -> fmt::Result {
    if text.is_empty() {
        return Ok(());
    }
    write!(xml, r#"<w:r><w:rPr><w:rFonts w:hint="eastAsia"/>{properties}</w:rPr>"#)?;
    let mut rest = text;
    while !rest.is_empty() {
        let (words, special) = match rest.find(['\t', '\n', '\r']) {
            Some(at) => (&rest[..at], rest[at..].chars().next()),
            None => (rest, None),
        };
        if !words.is_empty() {
            write!(xml, r#"<w:t xml:space="preserve">{}</w:t>"#, Escaped(words))?;
        }
        match special {
            Some('\t') => xml.push_str("<w:tab/>"),
            Some(_) => xml.push_str("<w:br/>"),
            None => {}
        }
        // The special characters are one byte each.
        rest = rest.get(words.len() + 1..).unwrap_or_default();
    }
    xml.push_str("</w:r>");
    Ok(())
}

/// `word/document.xml`.
struct Body {
    xml: String,
    /// Bound numbers of the document before the next one.
    figures: usize,
}

impl Body {
    fn write(&mut self, document: &Document) -> fmt::Result {
        write!(self.xml, r#"<w:document xmlns:w="{W}" xmlns:r="{R}"><w:body>"#)?;
        let mut blocks = vec![];
        let mut figures = 0;
        for block in &document.blocks {
            blocks.push((figures, block));
            let bound = block.all_inlines().filter(|it| matches!(it, Inline::Figure { .. }));
            figures += bound.count();
        }
        self.masthead(&blocks)?;
        let mut text = blocks
            .iter()
            .filter(|(_, it)| !it.kind.is_masthead() && !it.kind.is_imprint())
            .peekable();
        while let Some((figures, block)) = text.next() {
            self.figures = *figures;
            match (&block.table, style(block.kind)) {
                (Some(table), _) => {
                    self.table(table)?;
                    // Two tables without a paragraph between them would become one, and a text ends with a paragraph.
                    let follows = text.peek().and_then(|(_, it)| it.table.as_ref());
                    if text.peek().is_none() || follows.is_some_and(|it| it.caption.is_empty()) {
                        self.xml.push_str(NOTHING);
                    }
                }
                (None, style) => self.paragraph(&style, "", block)?,
            }
        }
        self.imprint(&blocks)?;
        write!(self.xml, "{PAGE}</w:body></w:document>")
    }

    /// 报头: the name in red, the number, then issuing body and date on one line above a red rule; seven lines of the page.
    fn masthead(&mut self, blocks: &[(usize, &Block)]) -> fmt::Result {
        let of = |kind: BlockKind| blocks.iter().filter(move |(_, it)| it.kind == kind);
        for (figures, block) in of(BlockKind::Title) {
            self.figures = *figures;
            let (smallest, largest) = NAME_HALF_POINTS;
            let characters = block.text().chars().count().max(1);
            let size = (WIDTH_TWIPS / characters / 12).clamp(smallest, largest);
            self.open("Title", "");
            let properties = if size == largest {
                String::new()
            } else {
                let gap = size * 9 / 5;
                format!(
                    r#"<w:spacing w:val="{gap}"/><w:sz w:val="{size}"/><w:szCs w:val="{size}"/>"#
                )
            };
            run(&mut self.xml, &properties, &block.marker)?;
            self.inlines(&block.inlines, &properties)?;
            self.xml.push_str("</w:p>");
        }
        for (figures, block) in of(BlockKind::IssueNumber) {
            self.figures = *figures;
            self.paragraph("IssueNumber", "", block)?;
        }
        self.open("Issuer", "");
        for (figures, block) in of(BlockKind::Publisher) {
            self.figures = *figures;
            run(&mut self.xml, "", &block.marker)?;
            self.inlines(&block.inlines, "")?;
        }
        for (figures, block) in of(BlockKind::IssueDate) {
            self.figures = *figures;
            run(&mut self.xml, "", "\t")?;
            run(&mut self.xml, "", &block.marker)?;
            self.inlines(&block.inlines, "")?;
        }
        self.xml.push_str("</w:p>");
        Ok(())
    }

    fn imprint(&mut self, blocks: &[(usize, &Block)]) -> fmt::Result {
        let of = |kind: BlockKind| blocks.iter().filter(move |(_, it)| it.kind == kind);
        if blocks.iter().all(|(_, it)| !it.kind.is_imprint()) {
            return Ok(());
        }
        self.xml.push_str(IMPRINT);
        for kind in [BlockKind::DistributionLine, BlockKind::PrintRun] {
            if of(kind).next().is_none() {
                continue;
            }
            write!(
                self.xml,
                r#"<w:tr><w:trPr><w:cantSplit/></w:trPr><w:tc><w:tcPr><w:tcW w:w="{WIDTH_TWIPS}" w:type="dxa"/></w:tcPr>"#
            )?;
            for (figures, block) in of(kind) {
                self.figures = *figures;
                if kind == BlockKind::PrintRun {
                    self.paragraph("PrintRun", "", block)?;
                    continue;
                }
                // One character from either edge; further lines stand under the first name.
                let hanging = block.marker.chars().count() * SMALL_TWIPS;
                let left = hanging + SMALL_TWIPS;
                let indent = format!(
                    r#"<w:ind w:left="{left}" w:right="{SMALL_TWIPS}" w:hanging="{hanging}"/>"#
                );
                self.paragraph("Imprint", &indent, block)?;
            }
            self.xml.push_str("</w:tc></w:tr>");
        }
        // What floats stands beside the paragraph that follows it.
        write!(self.xml, "</w:tbl>{NOTHING}")
    }

    fn open(&mut self, style: &str, properties: &str) {
        // Writing to a `String` cannot fail.
        let _ = write!(self.xml, r#"<w:p><w:pPr><w:pStyle w:val="{style}"/>{properties}</w:pPr>"#);
    }

    fn paragraph(&mut self, style: &str, properties: &str, block: &Block) -> fmt::Result {
        self.open(style, properties);
        run(&mut self.xml, "", &block.marker)?;
        self.inlines(&block.inlines, "")?;
        self.xml.push_str("</w:p>");
        Ok(())
    }

    fn inlines(&mut self, inlines: &[Inline], properties: &str) -> fmt::Result {
        for inline in inlines {
            match inline {
                Inline::Text { text } | Inline::Field { text, .. } => {
                    run(&mut self.xml, properties, text)?;
                }
                Inline::Figure { text, .. } => {
                    self.figures += 1;
                    let nth = self.figures;
                    write!(self.xml, r#"<w:bookmarkStart w:id="{nth}" w:name="figure_{nth}"/>"#)?;
                    run(&mut self.xml, properties, text)?;
                    write!(self.xml, r#"<w:bookmarkEnd w:id="{nth}"/>"#)?;
                }
            }
        }
        Ok(())
    }

    fn table(&mut self, table: &Table) -> fmt::Result {
        if !table.caption.is_empty() {
            self.open("Caption", "");
            self.inlines(&table.caption, "")?;
            self.xml.push_str("</w:p>");
        }
        let widths = widths(table);
        write!(
            self.xml,
            r#"<w:tbl><w:tblPr><w:tblStyle w:val="TableGrid"/><w:tblW w:w="{WIDTH_TWIPS}" w:type="dxa"/><w:tblLayout w:type="fixed"/></w:tblPr><w:tblGrid>"#
        )?;
        for width in &widths {
            write!(self.xml, r#"<w:gridCol w:w="{width}"/>"#)?;
        }
        self.xml.push_str("</w:tblGrid>");
        // For each column where a cell begins that reaches further down: its rows still to come and its columns.
        let mut reaching = vec![(0, 1); widths.len()];
        for (nth, row) in table.rows.iter().enumerate() {
            self.xml.push_str("<w:tr><w:trPr><w:cantSplit/>");
            if nth < table.head {
                self.xml.push_str("<w:tblHeader/>");
            }
            self.xml.push_str("</w:trPr>");
            let mut cells = row.iter();
            let mut column = 0;
            while let Some((rows, columns)) = reaching.get_mut(column) {
                let (cell, merge) = if *rows > 0 {
                    *rows -= 1;
                    (None, "<w:vMerge/>")
                } else {
                    let Some(cell) = cells.next() else { break };
                    *rows = cell.rows.max(1) - 1;
                    *columns = cell.columns.max(1) as usize;
                    let begins = r#"<w:vMerge w:val="restart"/>"#;
                    (Some(cell), if *rows > 0 { begins } else { "" })
                };
                let columns = *columns;
                let width: usize = widths.iter().skip(column).take(columns).sum();
                column += columns;
                self.cell(cell, columns, width, merge)?;
            }
            self.xml.push_str("</w:tr>");
        }
        self.xml.push_str("</w:tbl>");
        Ok(())
    }

    fn cell(
        &mut self,
        cell: Option<&Cell>,
        columns: usize,
        width: usize,
        merge: &str,
    ) -> fmt::Result {
        write!(self.xml, r#"<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>"#)?;
        if columns > 1 {
            write!(self.xml, r#"<w:gridSpan w:val="{columns}"/>"#)?;
        }
        write!(self.xml, r#"{merge}<w:vAlign w:val="center"/></w:tcPr>"#)?;
        self.open("TableText", "");
        if let Some(cell) = cell {
            self.inlines(&cell.inlines, "")?;
        }
        self.xml.push_str("</w:p></w:tc>");
        Ok(())
    }
}

/// The style of a paragraph of the text.
fn style(kind: BlockKind) -> String {
    match kind {
        BlockKind::PartTitle => "PartTitle".to_owned(),
        BlockKind::Period => "Period".to_owned(),
        // Word knows nine levels.
        BlockKind::Heading { level } => format!("Heading{}", level.clamp(1, 9)),
        _ => "BodyText".to_owned(),
    }
}

/// Widths of the columns of a table, by the longest text that stands in one column alone.
fn widths(table: &Table) -> Vec<usize> {
    // In halves of a character: enough for a number, and a long text takes several lines.
    let (least, most) = (6, 40);
    let mut halves = vec![least; table.width()];
    for row in table.grid() {
        for (cell, widest) in row.into_iter().zip(&mut halves) {
            let Some(cell) = cell.filter(|it| it.columns <= 1) else { continue };
            let text = cell.text();
            let needed: usize = text.chars().map(|it| if it.is_ascii() { 1 } else { 2 }).sum();
            *widest = (*widest).max((needed + 2).min(most));
        }
    }
    let all: usize = halves.iter().sum();
    // Edges are rounded, not widths, so that the columns together are as wide as the type area.
    let mut widths = vec![];
    let (mut passed, mut left) = (0, 0);
    for it in halves {
        passed += it;
        let right = WIDTH_TWIPS * passed / all;
        widths.push(right - left);
        left = right;
    }
    widths
}
