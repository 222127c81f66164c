//! The OFD: a sound package with the lines of the pages.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read as _};

use roxmltree::{Document as Xml, Node};
use zhoubao_composer::document::Document;
use zhoubao_typesetting::ofd::export;
use zhoubao_typesetting::page::{Page, Pages};

use crate::sample::{document, issue, laid_out, paragraph, squeezed, text};

const NAMESPACE: &str = "http://www.ofdspec.org/2016";

/// The files of a package.
struct Package(BTreeMap<String, Vec<u8>>);

impl Package {
    fn of(pages: &Pages) -> Self {
        let mut zip = zip::ZipArchive::new(Cursor::new(export(pages).unwrap())).unwrap();
        let names: Vec<String> = zip.file_names().map(|it| it.unwrap().into_owned()).collect();
        let files = names.into_iter().map(|name| {
            let mut bytes = vec![];
            zip.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
            (name, bytes)
        });
        Self(files.collect())
    }

    fn text(&self, path: &str) -> &str {
        std::str::from_utf8(self.0.get(path).unwrap_or_else(|| panic!("no `{path}`"))).unwrap()
    }

    /// Paths of the pages, as the document names them.
    fn pages(&self) -> Vec<String> {
        let xml = Xml::parse(self.text("Doc_0/Document.xml")).unwrap();
        let pages = named(&xml, "Page").into_iter();
        pages.map(|it| format!("Doc_0/{}", it.attribute("BaseLoc").unwrap())).collect()
    }
}

fn named<'a, 'b>(xml: &'a Xml<'b>, name: &str) -> Vec<Node<'a, 'b>> {
    xml.descendants().filter(|it| it.has_tag_name((NAMESPACE, name))).collect()
}

fn child<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Option<Node<'a, 'b>> {
    node.children().find(|it| it.has_tag_name((NAMESPACE, name)))
}

/// A length in millimetres, in micrometres.
fn um(text: &str) -> i64 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |it| (-1, it));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    sign * (whole.parse::<i64>().unwrap() * 1000 + format!("{part:0<3}").parse::<i64>().unwrap())
}

fn ums(text: &str) -> Vec<i64> {
    text.split(' ').map(um).collect()
}

/// A text object: its font, its characters with their places, and glyphs named by number.
struct Text {
    font: String,
    places: Vec<(char, i64, i64)>,
    glyphs: Option<Vec<u16>>,
    joins: bool,
}

fn texts(xml: &Xml<'_>) -> Vec<Text> {
    let objects = named(xml, "TextObject").into_iter().map(|object| {
        let boundary = ums(object.attribute("Boundary").unwrap());
        let code = child(object, "TextCode").unwrap();
        let mut x = boundary[0] + um(code.attribute("X").unwrap());
        let y = boundary[1] + um(code.attribute("Y").unwrap());
        let characters: Vec<char> = code.text().unwrap().chars().collect();
        let read = code.text().unwrap();
        assert!(read.trim() == read || read.trim().is_empty(), "readers cut spaces off: `{read}`");
        let deltas = code.attribute("DeltaX").map(ums).unwrap_or_default();
        assert_eq!(deltas.len() + 1, characters.len());
        let mut places = vec![];
        for (place, character) in characters.iter().enumerate() {
            places.push((*character, x, y));
            assert!(boundary[0] <= x && x <= boundary[0] + boundary[2]);
            assert!(boundary[1] < y && y < boundary[1] + boundary[3]);
            x += deltas.get(place).copied().unwrap_or_default();
        }
        let transform = child(object, "CGTransform");
        let glyphs = transform.map(|it| {
            assert_eq!(it.attribute("CodeCount"), Some(characters.len().to_string().as_str()));
            let ids = child(it, "Glyphs").unwrap().text().unwrap();
            ids.split(' ').map(|it| it.parse().unwrap()).collect::<Vec<u16>>()
        });
        let joins = glyphs.as_ref().is_some_and(|it| it.len() < characters.len());
        Text { font: object.attribute("Font").unwrap().to_owned(), places, glyphs, joins }
    });
    objects.collect()
}

/// Documents with everything that an OFD may meet: joined dashes, rare characters, what means something in XML.
fn documents() -> [Document; 2] {
    let strange = document(vec![
        paragraph("  第 5 期 APP 于 2 月 — 上线 "),
        paragraph("目标——服务；<标签> & \"引号\" 'APP' 1<2，戢焜文——鿫——"),
        paragraph(&"一句话——说完。".repeat(60)),
    ]);
    [issue(), strange]
}

#[test]
fn every_reference_leads_somewhere_and_every_file_is_referred_to() {
    for document in documents() {
        let package = Package::of(&laid_out(&document));
        let mut referred = BTreeSet::from(["OFD.xml".to_owned()]);
        let xml = Xml::parse(package.text("OFD.xml")).unwrap();
        assert_eq!(named(&xml, "OFD")[0].attribute("DocType"), Some("OFD"));
        let value = |name: &str| named(&xml, name)[0].text().unwrap();
        assert_eq!(value("Title"), "窗口工作周报 2023年第5期（总第425期）");
        assert_eq!(value("CreationDate"), "2023-02-20");
        assert!(
            value("DocID").len() == 32 && value("DocID").bytes().all(|it| it.is_ascii_hexdigit())
        );
        let root = value("DocRoot").to_owned();
        let xml = Xml::parse(package.text(&root)).unwrap();
        referred.insert(root);
        let max: u32 = named(&xml, "MaxUnitID")[0].text().unwrap().parse().unwrap();
        let resources = format!("Doc_0/{}", named(&xml, "PublicRes")[0].text().unwrap());
        let mut ids: Vec<u32> = vec![];
        let mut collect = |xml: &Xml<'_>| {
            ids.extend(xml.descendants().filter_map(|it| it.attribute("ID")?.parse::<u32>().ok()));
        };
        collect(&xml);
        let xml = Xml::parse(package.text(&resources)).unwrap();
        collect(&xml);
        referred.insert(resources);
        let base = named(&xml, "Res")[0].attribute("BaseLoc").unwrap().to_owned();
        let fonts: BTreeSet<String> =
            named(&xml, "Font").iter().map(|it| it.attribute("ID").unwrap().to_owned()).collect();
        for file in named(&xml, "FontFile") {
            referred.insert(format!("Doc_0/{base}/{}", file.text().unwrap()));
        }
        let mut used = BTreeSet::new();
        for path in package.pages() {
            let xml = Xml::parse(package.text(&path)).unwrap();
            collect(&xml);
            used.extend(texts(&xml).into_iter().map(|it| it.font));
            assert_eq!(named(&xml, "PhysicalBox")[0].text(), Some("0 0 210 297"));
            referred.insert(path);
        }
        assert_eq!(fonts, used, "each font is there and used");
        assert_eq!(package.0.keys().cloned().collect::<BTreeSet<_>>(), referred);
        let different: BTreeSet<_> = ids.iter().collect();
        assert!(different.len() == ids.len() && ids.iter().all(|it| (1..=max).contains(it)));
    }
}

/// Characters of a page with their places; those of one glyph are told once.
fn characters(page: &Page) -> Vec<(String, i64, i64)> {
    let glyphs = page.runs.iter().flat_map(|run| run.glyphs.iter().map(move |it| (run, it)));
    glyphs.map(|(run, it)| (it.text.clone(), it.x_um, run.baseline_um)).collect()
}

#[test]
fn the_lines_are_those_of_the_pdf_and_the_text_reads_in_order() {
    let mut joined = 0;
    for document in documents() {
        let pages = laid_out(&document);
        let package = Package::of(&pages);
        let paths = package.pages();
        assert_eq!(paths.len(), pages.pages.len());
        let mut all = String::new();
        for (number, (path, page)) in (1..).zip(paths.iter().zip(&pages.pages)) {
            let xml = Xml::parse(package.text(path)).unwrap();
            let mut found = vec![];
            let mut read = String::new();
            for text in texts(&xml) {
                read.extend(text.places.iter().map(|it| it.0));
                if text.joins {
                    joined += 1;
                    let (_, x, y) = text.places[0];
                    found.push((text.places.iter().map(|it| it.0).collect(), x, y));
                } else {
                    found.extend(text.places.iter().map(|(it, x, y)| (it.to_string(), *x, *y)));
                }
            }
            assert_eq!(found, characters(page), "page {number}");
            all.push_str(&squeezed(&read).replacen(&format!("—{number}—"), "", 1));
            let rules = named(&xml, "PathObject");
            assert_eq!(rules.len(), page.rules.len());
            for (object, rule) in rules.iter().zip(&page.rules) {
                assert_eq!(um(object.attribute("LineWidth").unwrap()), rule.width_um);
                let (left, path) =
                    (ums(object.attribute("Boundary").unwrap()), child(*object, "AbbreviatedData"));
                let words: Vec<_> = path.unwrap().text().unwrap().split(' ').collect();
                assert_eq!((left[0] + um(words[1]), left[1] + um(words[2])), rule.from);
                assert_eq!((left[0] + um(words[4]), left[1] + um(words[5])), rule.to);
            }
        }
        assert_eq!(all, text(&document));
    }
    assert!(joined >= 60, "the joined dashes of the second document: {joined}");
}

#[test]
fn the_embedded_fonts_draw_what_the_faces_draw() {
    for document in documents() {
        let pages = laid_out(&document);
        let package = Package::of(&pages);
        let xml = Xml::parse(package.text("Doc_0/PublicRes.xml")).unwrap();
        let fonts: BTreeMap<String, (&str, &[u8])> = named(&xml, "Font")
            .into_iter()
            .map(|it| {
                let file = format!("Doc_0/Res/{}", child(it, "FontFile").unwrap().text().unwrap());
                let (_, bytes) = package.0.get_key_value(&file).unwrap();
                (
                    it.attribute("ID").unwrap().to_owned(),
                    (it.attribute("FontName").unwrap(), bytes.as_slice()),
                )
            })
            .collect();
        let all: usize = fonts.values().map(|it| it.1.len()).sum();
        assert!(all < 1_000_000, "subsets: {all} bytes");
        for (name, bytes) in fonts.values() {
            let face = ttf_parser::Face::parse(bytes, 0).unwrap();
            let families: Vec<_> = face
                .names()
                .into_iter()
                .filter(|it| it.name_id == 1)
                .filter_map(|it| it.to_string())
                .collect();
            assert_eq!(families, [*name]);
            assert!(face.tables().os2.is_some() && name.as_bytes()[6] == b'-');
        }
        for (path, page) in package.pages().iter().zip(&pages.pages) {
            let xml = Xml::parse(package.text(path)).unwrap();
            let mut wanted =
                page.runs.iter().flat_map(|run| run.glyphs.iter().map(move |it| (run.face, it)));
            for text in texts(&xml) {
                let subset = ttf_parser::Face::parse(fonts[&text.font].1, 0).unwrap();
                let found: Vec<_> = match &text.glyphs {
                    Some(ids) => ids.iter().map(|it| ttf_parser::GlyphId(*it)).collect(),
                    None => {
                        text.places.iter().map(|it| subset.glyph_index(it.0).unwrap()).collect()
                    }
                };
                for id in found {
                    let (face, glyph) = wanted.next().unwrap();
                    let (file, index) = pages.faces[face].file();
                    let whole = ttf_parser::Face::parse(file, index).unwrap();
                    let expected = ttf_parser::GlyphId(glyph.id);
                    assert_eq!(
                        subset.glyph_bounding_box(id),
                        whole.glyph_bounding_box(expected),
                        "{glyph:?}"
                    );
                    assert_eq!(
                        subset.glyph_hor_advance(id),
                        whole.glyph_hor_advance(expected),
                        "{glyph:?}"
                    );
                }
                // Whoever does not know joined glyphs still finds each character.
                assert!(text.places.iter().all(|it| subset.glyph_index(it.0).is_some()));
            }
            assert!(wanted.next().is_none());
        }
    }
}

#[test]
fn the_same_issue_has_the_same_bytes() {
    let first = export(&laid_out(&issue())).unwrap();
    assert!(first == export(&laid_out(&issue())).unwrap());
    assert_ne!(first, export(&laid_out(&document(vec![paragraph("另一期")]))).unwrap());
}
