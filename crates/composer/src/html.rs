//! One page: self-contained, readable without JavaScript, printable.
//!
//! Numbers are links to a list of sources at the end of the page. On paper that list, the contents and the links'
//! look are left out, and the page has the proportions of GB/T 9704: 版心 156 × 225 mm, 22 lines of 28 characters.

use std::fmt::{self, Write as _};

use crate::describe;
use crate::document::{Block, BlockKind, Document, FigureSource, Inline, Origin, Table};
use crate::json;

/// The style of the page, as it stands between `<style>` and `</style>`: whoever serves the page under a content
/// security policy allows it by its hash.
pub const STYLE: &str = include_str!("issue.css");

/// The style of tables: a second element, on pages that have one.
pub const TABLE_STYLE: &str = include_str!("table.css");

/// The document as one HTML page.
#[must_use]
pub fn export(document: &Document) -> Vec<u8> {
    let sources = Sources::of(document);
    let mut page = Page { html: String::new(), sources, seen: vec![], open: vec![] };
    // Writing to a `String` cannot fail.
    let _ = page.write(document);
    page.html.into_bytes()
}

/// What stands between `<body>` and `</body>` of that page, for whoever has a page of his own around it.
#[must_use]
pub fn body(document: &Document) -> String {
    let sources = Sources::of(document);
    let mut page = Page { html: String::new(), sources, seen: vec![], open: vec![] };
    // Writing to a `String` cannot fail.
    let _ = page.body(document);
    page.html
}

/// The different sources of a document, in order of first print.
struct Sources<'a>(Vec<&'a FigureSource>);

impl<'a> Sources<'a> {
    fn of(document: &'a Document) -> Self {
        let mut sources: Vec<&FigureSource> = vec![];
        for (_, _, source) in document.figures() {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        Self(sources)
    }

    /// The number of a source, from 1.
    fn number(&self, source: &FigureSource) -> usize {
        self.0.iter().position(|it| *it == source).map_or(0, |it| it + 1)
    }
}

/// Text with everything escaped that means something in HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

struct Page<'a> {
    html: String,
    sources: Sources<'a>,
    /// Numbers of the sources that have been linked once.
    seen: Vec<usize>,
    /// Levels of the open sections.
    open: Vec<u8>,
}

impl Page<'_> {
    fn write(&mut self, document: &Document) -> fmt::Result {
        let metadata = &document.metadata;
        let title = format!(
            "{} {}年第{}期（总第{}期）",
            metadata.title, metadata.year, metadata.number, metadata.running_number
        );
        self.html
            .push_str("<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n");
        self.html
            .push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        writeln!(self.html, "<title>{}</title>", Escaped(&title))?;
        writeln!(self.html, "<meta name=\"author\" content=\"{}\">", Escaped(&metadata.publisher))?;
        writeln!(self.html, "<style>{STYLE}</style>")?;
        if document.blocks.iter().any(|it| it.table.is_some()) {
            writeln!(self.html, "<style>{TABLE_STYLE}</style>")?;
        }
        self.html.push_str("</head>\n<body>\n");
        self.body(document)?;
        self.html.push_str("</body>\n</html>\n");
        Ok(())
    }

    fn body(&mut self, document: &Document) -> fmt::Result {
        let metadata = &document.metadata;
        self.html.push_str("<a class=\"skip\" href=\"#issue\">跳到正文</a>\n");
        self.contents(document)?;
        self.html.push_str("<main>\n<article class=\"issue\" id=\"issue\">\n");
        if metadata.training {
            self.html.push_str("<p class=\"training\">培训，非正式文件</p>\n");
        }
        if metadata.proposed {
            self.html.push_str("<p class=\"draft\">未签发稿，期号为拟编号</p>\n");
        }
        if let Some(amendment) = &metadata.amendment {
            let note = Escaped(&amendment.note);
            writeln!(
                self.html,
                "<p class=\"draft\">更正版（第{}版）：{note}</p>",
                amendment.version
            )?;
        }
        self.masthead(document)?;
        for block in &document.blocks {
            if !block.kind.is_masthead() && !block.kind.is_imprint() {
                self.block(block)?;
            }
        }
        self.close_sections(0);
        self.imprint(document)?;
        self.html.push_str("</article>\n");
        self.sources(document)?;
        self.verification(document)?;
        self.html.push_str("</main>\n");
        Ok(())
    }

    fn contents(&mut self, document: &Document) -> fmt::Result {
        self.html.push_str("<nav class=\"contents\" aria-label=\"目录\">\n<p>目录</p>\n<ul>\n");
        for block in &document.blocks {
            if let BlockKind::Heading { level } = block.kind {
                let (key, text) = (Escaped(&block.section), block.text());
                let text = Escaped(&text);
                writeln!(
                    self.html,
                    "<li class=\"level-{level}\"><a href=\"#s-{key}\">{text}</a></li>"
                )?;
            }
        }
        self.html.push_str("</ul>\n</nav>\n");
        Ok(())
    }

    fn masthead(&mut self, document: &Document) -> fmt::Result {
        self.html.push_str("<header class=\"masthead\">\n");
        let of = |kind: BlockKind| document.blocks.iter().filter(move |it| it.kind == kind);
        for block in of(BlockKind::Title) {
            self.element("h1", "title", block)?;
        }
        for block in of(BlockKind::IssueNumber) {
            self.element("p", "number", block)?;
        }
        self.html.push_str("<div class=\"issuer\">\n");
        for block in of(BlockKind::Publisher) {
            self.element("p", "publisher", block)?;
        }
        for block in of(BlockKind::IssueDate) {
            self.element("p", "date", block)?;
        }
        self.html.push_str("</div>\n</header>\n");
        Ok(())
    }

    fn block(&mut self, block: &Block) -> fmt::Result {
        match block.kind {
            BlockKind::PartTitle => {
                self.close_sections(0);
                self.element("h2", "part", block)
            }
            BlockKind::Period => self.element("p", "period", block),
            BlockKind::Heading { level } => {
                self.close_sections(level);
                self.open.push(level);
                let key = block.section.as_str();
                writeln!(self.html, "<section aria-labelledby=\"s-{}\">", Escaped(key))?;
                // The title is h1 and the part h2; deeper than h6 there is nothing.
                let rank = level.saturating_add(2).min(6);
                write!(self.html, "<h{rank} class=\"level-{level}\" id=\"s-{}\">", Escaped(key))?;
                self.text(block)?;
                writeln!(self.html, "</h{rank}>")
            }
            BlockKind::Item => self.element("p", "item", block),
            BlockKind::Table => block.table.as_ref().map_or(Ok(()), |it| self.table(it)),
            _ => self.element("p", "", block),
        }
    }

    fn table(&mut self, table: &Table) -> fmt::Result {
        self.html.push_str("<table>\n");
        if !table.caption.is_empty() {
            self.html.push_str("<caption>");
            self.inlines(&table.caption)?;
            self.html.push_str("</caption>\n");
        }
        for (index, row) in table.rows.iter().enumerate() {
            let is_head = index < table.head;
            match index {
                0 if is_head => self.html.push_str("<thead>\n"),
                _ if index == table.head => self.html.push_str("<tbody>\n"),
                _ => {}
            }
            self.html.push_str("<tr>");
            for cell in row {
                let element = if is_head { "th" } else { "td" };
                write!(self.html, "<{element}")?;
                if cell.columns > 1 {
                    write!(self.html, " colspan=\"{}\"", cell.columns)?;
                }
                if cell.rows > 1 {
                    write!(self.html, " rowspan=\"{}\"", cell.rows)?;
                }
                if matches!(cell.inlines.as_slice(), [Inline::Figure { .. }]) {
                    self.html.push_str(" class=\"number\"");
                }
                self.html.push('>');
                self.inlines(&cell.inlines)?;
                write!(self.html, "</{element}>")?;
            }
            self.html.push_str("</tr>\n");
            if index + 1 == table.head {
                self.html.push_str("</thead>\n");
            }
        }
        if table.rows.len() > table.head {
            self.html.push_str("</tbody>\n");
        }
        self.html.push_str("</table>\n");
        Ok(())
    }

    /// Ends the sections of this level and deeper; all of them for level 0.
    fn close_sections(&mut self, level: u8) {
        while self.open.last().is_some_and(|open| *open >= level) {
            self.open.pop();
            self.html.push_str("</section>\n");
        }
    }

    fn element(&mut self, element: &str, class: &str, block: &Block) -> fmt::Result {
        write!(self.html, "<{element}")?;
        if !class.is_empty() {
            write!(self.html, " class=\"{class}\"")?;
        }
        if let Origin::Submitted { id, department } = &block.origin {
            let (id, department) = (Escaped(id), Escaped(department));
            write!(self.html, " data-submission=\"{id}\" data-department=\"{department}\"")?;
        }
        self.html.push('>');
        self.text(block)?;
        writeln!(self.html, "</{element}>")
    }

    fn text(&mut self, block: &Block) -> fmt::Result {
        if !block.marker.is_empty() {
            write!(self.html, "<span class=\"marker\">{}</span>", Escaped(&block.marker))?;
        }
        self.inlines(&block.inlines)
    }

    fn inlines(&mut self, inlines: &[Inline]) -> fmt::Result {
        for inline in inlines {
            match inline {
                Inline::Text { text } | Inline::Field { text, .. } => {
                    write!(self.html, "{}", Escaped(text))?;
                }
                Inline::Figure { text, source } => {
                    let number = self.sources.number(source);
                    let id = if self.seen.contains(&number) {
                        String::new()
                    } else {
                        self.seen.push(number);
                        format!(" id=\"ref-{number}\"")
                    };
                    let title = describe::title(source);
                    write!(
                        self.html,
                        "<a class=\"figure\"{id} href=\"#src-{number}\" title=\"{}\"><data value=\"{}\">{}</data></a>",
                        Escaped(&title),
                        Escaped(&describe::value(source)),
                        Escaped(text),
                    )?;
                }
            }
        }
        Ok(())
    }

    fn imprint(&mut self, document: &Document) -> fmt::Result {
        self.html.push_str("<footer class=\"imprint\">\n");
        for block in document.blocks.iter().filter(|it| it.kind.is_imprint()) {
            let class =
                if block.kind == BlockKind::PrintRun { "print-run" } else { "distribution" };
            self.element("p", class, block)?;
        }
        self.html.push_str("</footer>\n");
        Ok(())
    }

    /// What the issue can be checked against, offline: not printed but for the root, which the pages have at their foot.
    fn verification(&mut self, document: &Document) -> fmt::Result {
        let metadata = &document.metadata;
        let Some(tree) = &metadata.tree else { return Ok(()) };
        self.html.push_str(
            "<section class=\"sources\" aria-labelledby=\"verification\">\n<h2 id=\"verification\">核验</h2>\n",
        );
        let (size, hash, root) = (tree.size, Escaped(&tree.hash), tree.root);
        writeln!(self.html, "<p>日志前{size}条的默克尔树根（{hash}）：<code>{root}</code></p>")?;
        if !metadata.heads.is_empty() {
            let heads = metadata.heads.iter().map(|it| format!("{} #{}", it.terminal, it.number));
            let heads = heads.collect::<Vec<_>>().join("、");
            writeln!(self.html, "<p>各终端至此的最后编号：{}</p>", Escaped(&heads))?;
        }
        self.html.push_str("</section>\n");
        Ok(())
    }

    fn sources(&mut self, document: &Document) -> fmt::Result {
        let metadata = &document.metadata;
        self.html.push_str("<section class=\"sources\" aria-labelledby=\"sources\">\n");
        self.html.push_str("<h2 id=\"sources\">数据来源</h2>\n<ol>\n");
        for (index, source) in self.sources.0.iter().enumerate() {
            let number = index + 1;
            let (title, days) = (describe::title(source), describe::days(source));
            write!(self.html, "<li id=\"src-{number}\"><strong>{}</strong>：", Escaped(&title))?;
            let mut note = "";
            match source {
                FigureSource::Counted { meaning, position, events, value, unit, .. } => {
                    let days = if days.is_empty() { String::new() } else { format!("{days}，") };
                    write!(self.html, "{days}{value}{}", Escaped(unit))?;
                    if *events > 0 {
                        write!(self.html, "，由{events}条记录汇总")?;
                    }
                    write!(self.html, "，数据截至日志第{position}号。")?;
                    note = meaning;
                }
                FigureSource::Register { position, value, .. } => {
                    write!(
                        self.html,
                        "{days}在授权登记中的{value}个部门，数据截至日志第{position}号。"
                    )?;
                }
                FigureSource::Imported { platform, value, .. } => {
                    write!(
                        self.html,
                        "{days}，{value}件，由{}导入，本系统不作统计。",
                        Escaped(platform)
                    )?;
                }
                FigureSource::Cell { platform, value, position, .. } => {
                    write!(
                        self.html,
                        "{days}，{}，由{}导入（日志第{position}号），本系统不作统计。",
                        Escaped(value),
                        Escaped(platform)
                    )?;
                }
                // Only ever an input of a computed number, which prints it.
                FigureSource::Cells { .. } => {}
                FigureSource::Entered { text, .. } => {
                    write!(self.html, "{}，由编辑录入。", Escaped(text))?;
                }
                FigureSource::Derived { value, inputs, .. } => {
                    let inputs: Vec<_> = inputs.iter().map(describe::input).collect();
                    let inputs = inputs.join("；");
                    write!(self.html, "精确值{}，据{}。", Escaped(value), Escaped(&inputs))?;
                }
            }
            write!(self.html, " <a class=\"back\" href=\"#ref-{number}\">返回正文</a>")?;
            if !note.is_empty() {
                write!(self.html, "<span class=\"meaning\">{}</span>", Escaped(note))?;
            }
            self.html.push_str("</li>\n");
        }
        self.html
            .push_str("</ol>\n<p>未加链接的数字由报送部门或巡查人员自报，系统未作核对。</p>\n");
        writeln!(
            self.html,
            "<p>数据截至日志第{}号。规范文本 SHA-256：<code>{}</code>；指标定义：<code>{}</code>；模板：<code>{}</code>。</p>\n</section>",
            metadata.position,
            json::digest(document),
            metadata.definitions,
            metadata.template,
        )
    }
}
