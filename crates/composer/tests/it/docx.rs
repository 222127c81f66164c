//! The Word file: a sound package, elements in the order of the schema, the text of the issue.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read as _};

use proptest::prelude::*;
use roxmltree::{Document as Xml, Node};
use zhoubao_composer::document::{Cell, Document, Inline};
use zhoubao_composer::material::Material;
use zhoubao_composer::{docx, txt};

use crate::bulletins::{MONTHLY, monthly, of};
use crate::sample::*;

const W: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";

/// Children that an element of `WordprocessingML` may have, in the order of the schema (ECMA-376 part 4, annex A.1,
/// `wml.xsd`; only elements that are written). Of an element with `*`, any order is right.
const SCHEMA: &[(&str, &str)] = &[
    ("document", "body"),
    // A choice of block-level elements, then the properties of the section.
    ("body", "* p tbl sectPr"),
    ("hdr", "* p tbl"),
    ("ftr", "* p tbl"),
    ("p", "pPr * r bookmarkStart bookmarkEnd fldSimple"),
    ("fldSimple", "* r"),
    ("r", "rPr * t tab br"),
    (
        "pPr",
        "pStyle keepNext keepLines pageBreakBefore framePr widowControl numPr suppressLineNumbers pBdr shd tabs \
         suppressAutoHyphens kinsoku wordWrap overflowPunct topLinePunct autoSpaceDE autoSpaceDN bidi adjustRightInd \
         snapToGrid spacing ind contextualSpacing mirrorIndents suppressOverlap jc textDirection textAlignment \
         textboxTightWrap outlineLvl divId cnfStyle rPr sectPr pPrChange",
    ),
    (
        "rPr",
        "rStyle rFonts b bCs i iCs caps smallCaps strike dstrike outline shadow emboss imprint noProof snapToGrid vanish \
         webHidden color spacing w kern position sz szCs highlight u effect bdr shd fitText vertAlign rtl cs em lang \
         eastAsianLayout specVanish oMath",
    ),
    ("pBdr", "top left bottom right between bar"),
    ("tabs", "tab"),
    ("tbl", "tblPr tblGrid tr"),
    (
        "tblPr",
        "tblStyle tblpPr tblOverlap bidiVisual tblStyleRowBandSize tblStyleColBandSize tblW jc tblCellSpacing tblInd \
         tblBorders shd tblLayout tblCellMar tblLook",
    ),
    ("tblBorders", "top left bottom right insideH insideV"),
    ("tblCellMar", "top left bottom right"),
    ("tblGrid", "gridCol"),
    ("tr", "tblPrEx trPr tc"),
    ("trPr", "* cnfStyle divId gridBefore gridAfter cantSplit trHeight tblHeader jc hidden"),
    // A cell ends with a paragraph; here it has nothing else.
    ("tc", "tcPr p"),
    (
        "tcPr",
        "cnfStyle tcW gridSpan hMerge vMerge tcBorders shd noWrap tcMar textDirection tcFitText vAlign hideMark",
    ),
    (
        "sectPr",
        "headerReference footerReference footnotePr endnotePr type pgSz pgMar paperSrc pgBorders lnNumType pgNumType \
         cols formProt vAlign noEndnote titlePg textDirection bidi rtlGutter docGrid printerSettings",
    ),
    ("styles", "docDefaults latentStyles style"),
    ("docDefaults", "rPrDefault pPrDefault"),
    ("rPrDefault", "rPr"),
    ("pPrDefault", "pPr"),
    (
        "style",
        "name aliases basedOn next link autoRedefine hidden uiPriority semiHidden unhideWhenUsed qFormat locked \
         personal personalCompose personalReply rsid pPr rPr tblPr trPr tcPr tblStylePr",
    ),
    (
        "settings",
        "writeProtection view zoom removePersonalInformation mirrorMargins defaultTabStop evenAndOddHeaders \
         characterSpacingControl footnotePr endnotePr compat docVars rsids themeFontLang clrSchemeMapping \
         decimalSymbol listSeparator",
    ),
    ("compat", "compatSetting"),
    ("fonts", "font"),
    ("font", "altName panose1 charset family notTrueType pitch sig"),
];

/// Elements whose children are not as the schema has them.
fn wrong(xml: &Xml<'_>) -> Vec<String> {
    let mut wrong = vec![];
    for node in xml.descendants().filter(|it| it.tag_name().namespace() == Some(W)) {
        let name = node.tag_name().name();
        let known = SCHEMA.iter().find(|(it, _)| *it == name).map_or("", |(_, it)| *it);
        let (ordered, free) = known.split_once('*').unwrap_or((known, ""));
        let ordered: Vec<_> = ordered.split_whitespace().collect();
        let free: Vec<_> = free.split_whitespace().collect();
        let mut before = 0;
        for child in node.children().filter(Node::is_element) {
            let child = child.tag_name().name();
            let place = match ordered.iter().position(|it| *it == child) {
                Some(place) => place,
                None if free.contains(&child) => ordered.len(),
                None => {
                    wrong.push(format!("{child} in {name}"));
                    continue;
                }
            };
            if place < before {
                wrong.push(format!("{child} too late in {name}"));
            }
            before = place;
        }
        let last = node.last_element_child().map_or("", |it| it.tag_name().name());
        match name {
            "body" if last != "sectPr" => wrong.push("no sectPr at the end".to_owned()),
            "tc" if last != "p" => wrong.push("a cell without a paragraph".to_owned()),
            _ => {}
        }
        let has_words = name != "t" && node.children().any(|it| it.is_text() && words(it));
        if has_words {
            wrong.push(format!("words in {name}"));
        }
    }
    wrong
}

fn words(node: Node<'_, '_>) -> bool {
    node.text().is_some_and(|it| !it.trim().is_empty())
}

/// The files of a package, in its order.
struct Package(Vec<(String, String)>);

impl Package {
    fn of(document: &Document) -> Self {
        let bytes = docx::export(document).unwrap();
        assert_eq!(bytes, docx::export(document).unwrap());
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let files = (0..zip.len()).map(|nth| {
            let mut file = zip.by_index(nth).unwrap();
            assert_eq!(file.last_modified(), Some(zip::DateTime::default()), "no clock");
            assert_eq!(file.compression(), zip::CompressionMethod::Deflated);
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            (file.name().unwrap().into_owned(), text)
        });
        Self(files.collect())
    }

    fn text(&self, path: &str) -> &str {
        let file = self.0.iter().find(|(it, _)| it == path);
        file.map(|(_, it)| it.as_str()).unwrap_or_else(|| panic!("no `{path}`"))
    }
}

fn named<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Vec<Node<'a, 'b>> {
    node.descendants().filter(|it| it.has_tag_name((W, name))).collect()
}

fn value<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attribute((W, name))
}

/// The words of a node; a line feed for a break.
fn read(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter_map(|it| match it.tag_name().name() {
        "t" => Some(it.text().unwrap_or_default()),
        "br" => Some("\n"),
        "tab" if it.parent_element().is_some_and(|it| it.has_tag_name((W, "r"))) => Some("\t"),
        _ => None,
    });
    texts.collect()
}

/// Documents with everything that a Word file may meet.
fn documents() -> [Document; 4] {
    let mut strange = material();
    strange.publisher = "\u{1}</w:t>&\"<w:p/>\u{FFFE}".into();
    strange.submissions[2].text = "]]> <w:br/> “引号”\u{B}3—4 &amp; 焜".into();
    strange.proposed = true;
    let mut twice = of(MONTHLY, &monthly()).document;
    let table = twice.blocks.iter().position(|it| it.table.is_some()).unwrap();
    let mut second = twice.blocks[table].clone();
    second.table.as_mut().unwrap().caption = vec![];
    twice.blocks.insert(table + 1, second);
    [
        composed(&material()).document,
        composed(&strange).document,
        composed(&Material { training: true, ..material() }).document,
        twice,
    ]
}

#[test]
fn every_part_follows_the_schema() {
    for document in documents() {
        let package = Package::of(&document);
        for (path, text) in &package.0 {
            let xml = Xml::parse(text).unwrap_or_else(|it| panic!("{path}: {it}\n{text}"));
            assert_eq!(wrong(&xml), Vec::<String>::new(), "{path}");
        }
    }
}

#[test]
fn another_order_is_found() {
    for (path, from, to) in [
        ("word/document.xml", "<w:pPr><w:pStyle", "<w:pPr><w:jc w:val=\"left\"/><w:pStyle"),
        ("word/document.xml", "<w:cols w:space=\"720\"/>", ""),
        ("word/document.xml", "<w:rPr><w:rFonts", "<w:rPr><w:sz w:val=\"1\"/><w:rFonts"),
        ("word/document.xml", "<w:body>", "<w:body><w:sectPr><w:docGrid/><w:cols/></w:sectPr>"),
        ("word/document.xml", "<w:body>", "<w:body>words"),
        ("word/document.xml", "<w:body>", "<w:body><w:r/>"),
        ("word/settings.xml", "<w:compat>", "<w:compat><w:zoom/>"),
        ("word/styles.xml", "<w:qFormat/>", "<w:qFormat/><w:next w:val=\"Normal\"/>"),
    ] {
        let package = Package::of(&documents()[0]);
        let text = package.text(path);
        let changed = text.replacen(from, to, 1);
        assert_ne!(text, changed);
        let found = wrong(&Xml::parse(&changed).unwrap());
        assert_eq!(found.is_empty(), to.is_empty(), "{to}: {found:?}");
    }
}

#[test]
fn parts_and_styles_are_there() {
    for document in documents() {
        let package = Package::of(&document);
        let names: BTreeSet<_> = package.0.iter().map(|(it, _)| it.as_str()).collect();
        assert_eq!(package.0[0].0, "[Content_Types].xml");
        let types = Xml::parse(package.text("[Content_Types].xml")).unwrap();
        let named_by = |attribute: &str| -> BTreeSet<&str> {
            types.descendants().filter_map(|it| it.attribute(attribute)).collect()
        };
        for part in named_by("PartName") {
            assert!(names.contains(part.trim_start_matches('/')), "{part}");
        }
        for name in names.iter().filter(|it| it.ends_with(".xml") && **it != "[Content_Types].xml")
        {
            assert!(named_by("PartName").contains(format!("/{name}").as_str()), "{name}");
        }
        let mut ids = BTreeSet::new();
        for (folder, relationships) in
            [("", "_rels/.rels"), ("word/", "word/_rels/document.xml.rels")]
        {
            let xml = Xml::parse(package.text(relationships)).unwrap();
            for it in xml.root_element().children().filter(Node::is_element) {
                assert!(ids.insert(it.attribute("Id").unwrap().to_owned()));
                let target = format!("{folder}{}", it.attribute("Target").unwrap());
                assert!(names.contains(target.as_str()), "{target}");
            }
        }
        let body = Xml::parse(package.text("word/document.xml")).unwrap();
        let used = body.descendants().flat_map(|it| it.attributes()).filter(|it| it.name() == "id");
        let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        for it in used.filter(|it| it.namespace() == Some(relations)) {
            assert!(ids.contains(it.value()), "{}", it.value());
        }
        let styles = Xml::parse(package.text("word/styles.xml")).unwrap();
        let defined: BTreeSet<_> =
            named(styles.root(), "style").iter().filter_map(|it| value(*it, "styleId")).collect();
        for (_, text) in package.0.iter().filter(|(it, _)| it.starts_with("word/")) {
            let xml = Xml::parse(text).unwrap();
            for name in ["pStyle", "tblStyle", "basedOn", "next"] {
                for it in named(xml.root(), name) {
                    assert!(defined.contains(value(it, "val").unwrap()), "{it:?}");
                }
            }
        }
        // Every face of the styles is one that says what stands in for it.
        let fonts = Xml::parse(package.text("word/fontTable.xml")).unwrap();
        let known: BTreeSet<_> =
            named(fonts.root(), "font").iter().filter_map(|it| value(*it, "name")).collect();
        for it in named(styles.root(), "rFonts") {
            for name in ["ascii", "hAnsi", "eastAsia", "cs"] {
                assert!(known.contains(value(it, name).unwrap()), "{it:?}");
            }
        }
    }
}

#[test]
fn the_text_is_that_of_the_issue() {
    for document in documents() {
        let package = Package::of(&document);
        let xml = Xml::parse(package.text("word/document.xml")).unwrap();
        let read: String = named(xml.root(), "p").into_iter().map(read).collect();
        let squeezed = |text: &str| -> String {
            text.chars()
                .filter(|it| !it.is_whitespace() && !it.is_control() && *it != '\u{FFFE}')
                .collect()
        };
        let text = String::from_utf8(txt::export(&document)).unwrap();
        assert_eq!(squeezed(&read), squeezed(&text));
        // Each bound number is the bookmark with the number of its line in the table of figures.
        let marks = named(xml.root(), "bookmarkStart").into_iter().map(|it| {
            assert_eq!(
                value(it, "name"),
                Some(format!("figure_{}", value(it, "id").unwrap()).as_str())
            );
            let run = it.next_sibling_element().unwrap();
            let end = run.next_sibling_element().unwrap();
            assert!(end.has_tag_name((W, "bookmarkEnd")) && value(end, "id") == value(it, "id"));
            (value(it, "id").unwrap().parse().unwrap(), self::read(run))
        });
        let marks: BTreeMap<usize, String> = marks.collect();
        let figures = (1..).zip(document.figures().map(|(_, text, _)| text.to_owned()));
        assert_eq!(marks, figures.collect());
    }
}

#[test]
fn headings_have_their_levels_and_the_name_its_size() {
    let name = "一份名称很长很长很长的窗口工作周报";
    let long = WEEKLY.replace("窗口工作周报", name);
    for (template, name, size) in [(WEEKLY, "窗口工作周报", None), (&long, name, Some("44"))]
    {
        let document = of(template, &material()).document;
        let package = Package::of(&document);
        let xml = Xml::parse(package.text("word/document.xml")).unwrap();
        let of = |style: &str| -> Vec<String> {
            let paragraphs = named(xml.root(), "p").into_iter();
            let has = |it: &Node<'_, '_>| {
                named(*it, "pStyle").first().and_then(|it| value(*it, "val")) == Some(style)
            };
            paragraphs.filter(has).map(read).collect()
        };
        assert_eq!(of("Title"), [name]);
        assert_eq!(of("Heading1")[0], "一、综窗改革攻坚行动");
        assert_eq!(of("Heading2")[0], "（一）省本级综窗办件情况");
        assert_eq!(of("Issuer"), [format!("{}\t2023年2月20日", document.metadata.publisher)]);
        assert_eq!(of("PrintRun").len(), 1);
        let title = named(xml.root(), "p")[0];
        assert_eq!(named(title, "sz").first().and_then(|it| value(*it, "val")), size);
    }
    let document = composed(&material()).document;
    let package = Package::of(&document);
    let styles = Xml::parse(package.text("word/styles.xml")).unwrap();
    for level in 1..=9 {
        let style = named(styles.root(), "style")
            .into_iter()
            .find(|it| value(*it, "styleId") == Some(format!("Heading{level}").as_str()))
            .unwrap();
        let outline = named(style, "outlineLvl")[0];
        assert_eq!(value(outline, "val").unwrap().parse::<u8>().unwrap(), level - 1);
    }
}

#[test]
fn what_is_not_published_says_so_above_every_page() {
    for (training, proposed, notice) in [
        (false, false, ""),
        (false, true, "未签发稿，期号为拟编号"),
        (true, true, "培训，非正式文件　未签发稿，期号为拟编号"),
    ] {
        let issued_on = material().issued_on.filter(|_| !proposed);
        let document = composed(&Material { training, proposed, issued_on, ..material() }).document;
        let package = Package::of(&document);
        let header = Xml::parse(package.text("word/header.xml")).unwrap();
        assert_eq!(read(header.root()), notice);
        let core = package.text("docProps/core.xml");
        // Of a draft, the last day of its period.
        let day = if proposed { "2023-02-10" } else { "2023-02-20" };
        assert!(core.contains(&format!(">{day}T00:00:00Z</dcterms:created>")), "{core}");
        assert!(core.contains("<dc:creator>四川省政府政务服务和公共资源交易服务中心</dc:creator>"));
    }
}

#[test]
fn a_table_keeps_its_grid_and_repeats_its_head() {
    let document = of(MONTHLY, &monthly()).document;
    let table = document.blocks.iter().find_map(|it| it.table.as_ref()).unwrap();
    let package = Package::of(&document);
    let xml = Xml::parse(package.text("word/document.xml")).unwrap();
    let written = named(xml.root(), "tbl")[0];
    let widths: Vec<usize> = named(written, "gridCol")
        .iter()
        .map(|it| value(*it, "w").unwrap().parse().unwrap())
        .collect();
    assert_eq!((widths.len(), widths.iter().sum::<usize>()), (table.width(), 8844));
    let rows = named(written, "tr");
    assert_eq!(rows.iter().filter(|it| !named(**it, "tblHeader").is_empty()).count(), table.head);
    assert_eq!(rows.len(), table.rows.len());
    let number = |node: Node<'_, '_>, name: &str, attribute: &str| -> Option<usize> {
        named(node, name)
            .first()
            .and_then(|it| value(*it, attribute))
            .and_then(|it| it.parse().ok())
    };
    // A row's cells cover the grid; one that continues a cell above is as wide and says nothing.
    let mut above: BTreeMap<usize, usize> = BTreeMap::new();
    for (row, places) in rows.iter().zip(table.grid()) {
        let mut column = 0;
        for cell in named(*row, "tc") {
            let columns = number(cell, "gridSpan", "val").unwrap_or(1);
            let width: usize = widths[column..column + columns].iter().sum();
            assert_eq!(number(cell, "tcW", "w"), Some(width));
            let merge = named(cell, "vMerge").first().map(|it| value(*it, "val"));
            let expected = places[column].map(Cell::text).unwrap_or_default();
            assert_eq!(read(cell), expected);
            match merge {
                Some(None) => {
                    assert_eq!(above.get(&column), Some(&columns), "nothing to continue");
                    assert!(places[column].is_none());
                }
                Some(Some(_)) => {
                    assert!(places[column].unwrap().rows > 1);
                    above.insert(column, columns);
                }
                None => {
                    assert_eq!(places[column].unwrap().rows, 1);
                    above.remove(&column);
                }
            }
            column += columns;
        }
        assert_eq!(column, widths.len());
    }
    assert!(rows.iter().any(|it| !named(*it, "vMerge").is_empty()));
    let caption: String = table.caption.iter().map(Inline::text).collect();
    assert_eq!(read(written.prev_sibling_element().unwrap()), caption);
}

#[test]
fn tables_are_never_neighbours() {
    for document in documents() {
        let package = Package::of(&document);
        let xml = Xml::parse(package.text("word/document.xml")).unwrap();
        for table in named(xml.root(), "tbl") {
            assert!(table.next_sibling_element().unwrap().has_tag_name((W, "p")));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever a department types, the parts are well-formed and follow the schema.
    #[test]
    fn any_news_is_a_sound_file(news in "(\\PC|[\u{0}-\u{1F}\u{FFFE}\u{FFFF}<>&])*", department in "\\PC{0,20}") {
        let mut material = material();
        material.submissions[3].text = news.clone();
        material.submissions[3].department = department;
        let Ok(done) = zhoubao_composer::compose(&material, &weekly()) else {
            prop_assert!(news.contains("{{"));
            return Ok(());
        };
        for (path, text) in Package::of(&done.document).0 {
            let xml = Xml::parse(&text).map_err(|it| TestCaseError::fail(format!("{path}: {it}")))?;
            prop_assert_eq!(wrong(&xml), Vec::<String>::new(), "{}", path);
        }
    }
}
