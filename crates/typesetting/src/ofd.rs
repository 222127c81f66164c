//! OFD (GB/T 33190-2016) from laid-out pages.
//!
//! A zip of XML files: `OFD.xml` names the document, `Doc_0/Document.xml` its pages, `Doc_0/PublicRes.xml` its fonts.
//! A page is a list of texts and lines with their places in millimetres. A text names its characters and how far each
//! is from the one before, so that lines break as they do in the PDF and everything can be searched and copied.

use std::fmt::{self, Write as _};

use zhoubao_composer::package::{Escaped, Package};

use crate::page::{Glyph, HEIGHT_UM, Page, Pages, Rule, Run, WIDTH_UM};
use crate::subset::Subset;
use crate::typesetter::PagesError;

const NAMESPACE: &str = "http://www.ofdspec.org/2016";

/// The pages as OFD.
///
/// # Errors
///
/// [`PagesError::Refused`] when a font cannot be cut down to what is used of it.
pub fn export(pages: &Pages) -> Result<Vec<u8>, PagesError> {
    let runs = || pages.pages.iter().flat_map(|it| &it.runs);
    let mut fonts: Vec<Option<Font>> = vec![];
    let mut ids = Ids(0);
    for (place, face) in pages.faces.iter().enumerate() {
        let used = runs().filter(|it| it.face == place).flat_map(|it| &it.glyphs);
        // A face may be there for a role that this issue does not have.
        fonts.push(if used.clone().next().is_some() {
            Some(Font { id: ids.next(), subset: Subset::new(face, used)? })
        } else {
            None
        });
    }
    let mut package = Package::new();
    let mut list = String::new();
    let mut contents = vec![];
    for (place, page) in pages.pages.iter().enumerate() {
        let path = format!("Pages/Page_{place}/Content.xml");
        let id = ids.next();
        // Writing to a `String` cannot fail.
        let _ = write!(list, r#"<ofd:Page ID="{id}" BaseLoc="{path}"/>"#);
        let mut content = String::new();
        let _ = write_page(&mut content, page, &fonts, &mut ids);
        contents.push((format!("Doc_0/{path}"), content));
    }
    package.xml("OFD.xml", &entry(pages)).map_err(too_large)?;
    package.xml("Doc_0/Document.xml", &document(&list, &ids)).map_err(too_large)?;
    package.xml("Doc_0/PublicRes.xml", &resources(&fonts)).map_err(too_large)?;
    for (path, content) in &contents {
        package.xml(path, content).map_err(too_large)?;
    }
    for font in fonts.iter().flatten() {
        let path = format!("Doc_0/Res/{}", font.file());
        package.file(&path, &font.subset.bytes).map_err(too_large)?;
    }
    package.end().map_err(too_large)
}

/// Numbers of the objects of a document, each once.
struct Ids(u32);

impl Ids {
    fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

struct Font {
    id: u32,
    subset: Subset,
}

impl Font {
    fn file(&self) -> String {
        format!("font_{}.{}", self.id, if self.subset.is_cff { "otf" } else { "ttf" })
    }
}

/// Micrometres as millimetres: `12.3`.
struct Mm(i64);

impl fmt::Display for Mm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, um) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (whole, part) = (um / 1000, format!("{:03}", um % 1000));
        match part.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            part => write!(f, "{sign}{whole}.{part}"),
        }
    }
}

/// Values separated by a space.
fn joined(values: impl Iterator<Item = impl fmt::Display>) -> String {
    values.map(|it| it.to_string()).collect::<Vec<_>>().join(" ")
}

fn entry(pages: &Pages) -> String {
    // 32 hexadecimal digits, the same for the same issue.
    let id: String = pages.digest.to_string().chars().take(32).collect();
    let (name, version) = crate::CREATOR.split_once(' ').unwrap_or((crate::CREATOR, ""));
    format!(
        r#"<ofd:OFD xmlns:ofd="{NAMESPACE}" Version="1.0" DocType="OFD"><ofd:DocBody><ofd:DocInfo><ofd:DocID>{id}</ofd:DocID><ofd:Title>{}</ofd:Title><ofd:Author>{}</ofd:Author><ofd:CreationDate>{}</ofd:CreationDate><ofd:Creator>{name}</ofd:Creator><ofd:CreatorVersion>{version}</ofd:CreatorVersion></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"#,
        Escaped(&pages.title),
        Escaped(&pages.publisher),
        pages.date,
    )
}

fn document(pages: &str, ids: &Ids) -> String {
    format!(
        r#"<ofd:Document xmlns:ofd="{NAMESPACE}"><ofd:CommonData><ofd:MaxUnitID>{}</ofd:MaxUnitID><ofd:PageArea><ofd:PhysicalBox>0 0 {} {}</ofd:PhysicalBox></ofd:PageArea><ofd:PublicRes>PublicRes.xml</ofd:PublicRes></ofd:CommonData><ofd:Pages>{pages}</ofd:Pages></ofd:Document>"#,
        ids.0,
        Mm(WIDTH_UM),
        Mm(HEIGHT_UM),
    )
}

fn resources(fonts: &[Option<Font>]) -> String {
    let fonts = fonts.iter().flatten().map(|font| {
        let (id, name, file) = (font.id, Escaped(&font.subset.name), font.file());
        format!(
            r#"<ofd:Font ID="{id}" FontName="{name}" FamilyName="{name}"><ofd:FontFile>{file}</ofd:FontFile></ofd:Font>"#
        )
    });
    let fonts: String = fonts.collect();
    format!(
        r#"<ofd:Res xmlns:ofd="{NAMESPACE}" BaseLoc="Res"><ofd:Fonts>{fonts}</ofd:Fonts></ofd:Res>"#
    )
}

fn write_page(xml: &mut String, page: &Page, fonts: &[Option<Font>], ids: &mut Ids) -> fmt::Result {
    let (width, height) = (Mm(WIDTH_UM), Mm(HEIGHT_UM));
    write!(
        xml,
        r#"<ofd:Page xmlns:ofd="{NAMESPACE}"><ofd:Area><ofd:PhysicalBox>0 0 {width} {height}</ofd:PhysicalBox></ofd:Area><ofd:Content><ofd:Layer ID="{}" Type="Body">"#,
        ids.next()
    )?;
    for run in &page.runs {
        let Some(font) = fonts.get(run.face).and_then(Option::as_ref) else { continue };
        let mut rest = run.glyphs.as_slice();
        while let Some(first) = rest.first() {
            let is_plain = font.subset.is_looked_up(first);
            let length = together(rest, |it| font.subset.is_looked_up(it));
            let (glyphs, after) = rest.split_at(length);
            write_text(xml, run, glyphs, is_plain, font, ids.next())?;
            rest = after;
        }
    }
    for rule in &page.rules {
        write_rule(xml, rule, ids.next())?;
    }
    xml.push_str("</ofd:Layer></ofd:Content></ofd:Page>");
    Ok(())
}

/// How many of the first glyphs are one text: those that a reader finds by their characters, or those that are named by
/// number. A group of joined characters is one by itself. So are spaces at either end of a text: readers cut them off,
/// and with them would move what follows.
fn together(glyphs: &[Glyph], is_looked_up: impl Fn(&Glyph) -> bool) -> usize {
    let is_space = |it: &Glyph| it.text == " ";
    let Some(first) = glyphs.first() else { return 0 };
    if is_space(first) {
        return glyphs.iter().take_while(|it| is_space(it)).count();
    }
    if first.text.chars().count() > 1 {
        return 1;
    }
    let is_plain = is_looked_up(first);
    let same = |it: &&Glyph| is_looked_up(it) == is_plain && it.text.chars().count() == 1;
    let length = glyphs.iter().take_while(same).count();
    let inked = glyphs[..length].iter().rposition(|it| !is_space(it));
    inked.map_or(length, |it| it + 1)
}

fn write_text(
    xml: &mut String,
    run: &Run,
    glyphs: &[Glyph],
    is_plain: bool,
    font: &Font,
    id: u32,
) -> fmt::Result {
    // How far characters reach above and below the line: enough for every face.
    let (above, below) = (run.size_um * 88 / 100, run.size_um * 14 / 100);
    // One place a character; where several are one glyph, they share its width.
    let mut places: Vec<i64> = vec![];
    for glyph in glyphs {
        places.extend((0..).zip(glyph.text.chars()).map(|(nth, _)| glyph.x_um + nth * run.size_um));
    }
    let (Some(first), Some(last)) = (places.iter().min(), places.iter().max()) else {
        return Ok(());
    };
    let (left, top) = (*first, run.baseline_um - above);
    let [red, green, blue] = run.colour;
    write!(
        xml,
        r#"<ofd:TextObject ID="{id}" Boundary="{} {} {} {}" Font="{}" Size="{}"><ofd:FillColor Value="{red} {green} {blue}"/>"#,
        Mm(left),
        Mm(top),
        Mm(last + run.size_um - left),
        Mm(above + below),
        font.id,
        Mm(run.size_um),
    )?;
    if !is_plain {
        write!(
            xml,
            r#"<ofd:CGTransform CodePosition="0" CodeCount="{}" GlyphCount="{}"><ofd:Glyphs>{}</ofd:Glyphs></ofd:CGTransform>"#,
            places.len(),
            glyphs.len(),
            joined(glyphs.iter().map(|it| font.subset.id(it))),
        )?;
    }
    let text: String = glyphs.iter().map(|it| it.text.as_str()).collect();
    write!(xml, r#"<ofd:TextCode X="{}" Y="{}""#, Mm(places[0] - left), Mm(above))?;
    if places.len() > 1 {
        // Differences of rounded places: their sum never drifts.
        write!(xml, r#" DeltaX="{}""#, joined(places.windows(2).map(|it| Mm(it[1] - it[0]))))?;
    }
    write!(xml, ">{}</ofd:TextCode></ofd:TextObject>", Escaped(&text))
}

fn write_rule(xml: &mut String, rule: &Rule, id: u32) -> fmt::Result {
    let (from, to) = (rule.from, rule.to);
    let (left, top) = (from.0.min(to.0) - rule.width_um, from.1.min(to.1) - rule.width_um);
    let width = (from.0 - to.0).abs() + 2 * rule.width_um;
    let height = (from.1 - to.1).abs() + 2 * rule.width_um;
    let [red, green, blue] = rule.colour;
    write!(
        xml,
        r#"<ofd:PathObject ID="{id}" Boundary="{} {} {} {}" LineWidth="{}"><ofd:StrokeColor Value="{red} {green} {blue}"/><ofd:AbbreviatedData>M {} {} L {} {}</ofd:AbbreviatedData></ofd:PathObject>"#,
        Mm(left),
        Mm(top),
        Mm(width),
        Mm(height),
        Mm(rule.width_um),
        Mm(from.0 - left),
        Mm(from.1 - top),
        Mm(to.0 - left),
        Mm(to.1 - top),
    )
}

fn too_large(error: impl fmt::Display) -> PagesError {
    PagesError::Refused { reason: error.to_string() }
}
