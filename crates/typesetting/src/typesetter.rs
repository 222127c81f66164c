//! The only module that knows typst: sets a document and turns what typst laid out into [`Page`]s.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::layout::{Abs, Em, Frame, FrameItem, Point, Ratio, Transform};
use typst::syntax::{FileId, Source};
use typst::text::{Font, FontBook, FontInfo, FontVariant, TextItem};
use typst::utils::LazyHash;
use typst::visualize::{FixedStroke, Geometry, Paint, Shape};
use typst::{Library, LibraryExt as _, World};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};
use zhoubao_composer::document::{BlockKind, Document, Inline, Table, TreeRoot};

use crate::fonts::{Face, Fonts, LoadError, Role};
use crate::glyphs::{self, Missing};
use crate::page::{Glyph, HEIGHT_UM, Page, Pages, Rule, Run, WIDTH_UM};

/// The page, as typst reads it.
const SOURCE: &str = include_str!("issue.typ");

/// The path under which the page reads the document; it is on no disk.
const INPUT: &str = "/issue.json";

/// Typst's memory of earlier issues, by how many issues ago a result was last used.
const REMEMBERED_ISSUES: usize = 3;

/// Why a document has no pages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PagesError {
    /// Characters that no face has or that are not printed; never empty.
    #[error("{}", missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Missing {
        /// Each once a role.
        missing: Vec<Missing>,
    },
    /// A letter with a mark that its face does not have as one.
    #[error("「{text}」 is no glyph of its face: write it without the mark")]
    Composed {
        /// The characters.
        text: String,
    },
    /// The typesetter refused the document or laid out what cannot be written.
    #[error("the typesetter refused: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
}

/// The program part of typesetting: faces as typst knows them, under the names of their roles.
pub(crate) struct Typesetter {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    /// In the order of the book.
    fonts: Vec<Font>,
    /// The same faces by their place in [`Fonts::faces`].
    faces: Vec<Font>,
    source: Source,
}

/// A font file whose bytes typst shares with us.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Typesetter {
    /// Knows these faces.
    pub(crate) fn new(faces: &[Face], roles: &BTreeMap<Role, usize>) -> Result<Self, LoadError> {
        let faces = faces.iter().map(|it| {
            let font = Font::new(Bytes::new(Shared(it.file.clone())), it.index);
            font.ok_or_else(|| LoadError::Damaged { name: it.name.clone() })
        });
        let faces: Vec<Font> = faces.collect::<Result<_, _>>()?;
        let (mut book, mut fonts) = (FontBook::new(), vec![]);
        for (role, place) in roles {
            let font = faces[*place].clone();
            // One face a name, so that neither weight nor style is ever chosen by the typesetter.
            let (family, variant) = (role.word().to_owned(), FontVariant::default());
            book.push(FontInfo { family, variant, ..font.info().clone() });
            fonts.push(font);
        }
        Ok(Self {
            library: LazyHash::new(Library::default()),
            book: LazyHash::new(book),
            fonts,
            faces,
            source: Source::detached(SOURCE),
        })
    }
}

/// One document before the typesetter.
struct Desk<'a> {
    typesetter: &'a Typesetter,
    input: Bytes,
}

impl World for Desk<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.typesetter.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.typesetter.book
    }

    fn main(&self) -> FileId {
        self.typesetter.source.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.main() {
            Ok(self.typesetter.source.clone())
        } else {
            Err(FileError::AccessDenied)
        }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id.vpath().get_with_slash() == INPUT {
            Ok(self.input.clone())
        } else {
            Err(FileError::AccessDenied)
        }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.typesetter.fonts.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

/// Forgets what earlier issues left in typst's memory, so that the next one is laid out in full: for measurements.
pub fn forget() {
    comemo::evict(0);
}

/// Sets a document on pages.
///
/// # Errors
///
/// [`PagesError::Missing`] with every character that cannot be printed.
pub fn lay_out(document: &Document, fonts: &Fonts) -> Result<Pages, PagesError> {
    // Of a table the text without what stands between its cells, which is not printed.
    let texts = document.blocks.iter().map(|it| match &it.table {
        None => it.text(),
        Some(_) => printed(it.all_inlines()),
    });
    let texts: Vec<String> = texts.collect();
    let roles = document.blocks.iter().map(|it| role(it.kind));
    let found = glyphs::check(
        roles.zip(&texts).enumerate().map(|(block, (role, text))| (block, role, text.as_str())),
        fonts,
    );
    if !found.missing.is_empty() {
        return Err(PagesError::Missing { missing: found.missing });
    }
    let of = |kind: BlockKind| {
        let blocks = document.blocks.iter().zip(&texts).filter(|(it, _)| it.kind == kind);
        blocks.map(|(_, text)| text.as_str()).collect::<String>()
    };
    let metadata = &document.metadata;
    let title = format!("{} {}", metadata.title, of(BlockKind::IssueNumber)).trim().to_owned();
    // A draft has no date of its own yet; the pages need one that does not come from a clock.
    let date = metadata.issued_on.unwrap_or(metadata.last_day);
    let publisher = metadata.publisher.clone();
    let digest = zhoubao_composer::json::digest(document);
    let mut input = input(document, &texts);
    input["title"] = title.clone().into();
    input["author"] = publisher.clone().into();
    input["date"] = json!([date.year(), date.month(), date.day()]);
    let desk = Desk { typesetter: &fonts.typesetter, input: Bytes::from_string(input.to_string()) };
    let typeset = typst::compile::<PagedDocument>(&desk).output.map_err(refused);
    comemo::evict(REMEMBERED_ISSUES);
    let typeset = typeset?;
    let pages =
        typeset.pages().iter().map(|it| page(&it.frame, fonts)).collect::<Result<_, _>>()?;
    Ok(Pages {
        title,
        publisher,
        date,
        digest,
        faces: fonts.faces().to_vec(),
        pages,
        substitutions: found.substitutions,
        typeset: Typeset { document: typeset, ident: digest.to_string() },
    })
}

/// The face that GB/T 9704 has for a kind of paragraph.
fn role(kind: BlockKind) -> Role {
    match kind {
        BlockKind::Title | BlockKind::PartTitle => Role::Title,
        BlockKind::Period | BlockKind::Heading { level: 2 } => Role::Kai,
        BlockKind::Heading { level: 0 | 1 } => Role::Hei,
        _ => Role::FangSong,
    }
}

/// What `issue.typ` reads.
fn input(document: &Document, texts: &[String]) -> Value {
    let of = |kind: BlockKind| {
        let blocks = document.blocks.iter().zip(texts).filter(move |(it, _)| it.kind == kind);
        blocks.map(|(_, text)| text.as_str()).collect::<Vec<_>>()
    };
    // Where there are parts, they are the first rank; a rank is never skipped, whatever levels the text has
    // (ISO 14289-1, 7.4.2).
    let parts = u8::from(!of(BlockKind::PartTitle).is_empty());
    let mut rank = 0;
    let mut blocks = vec![];
    for (block, text) in document.blocks.iter().zip(texts) {
        blocks.push(match block.kind {
            BlockKind::PartTitle => {
                rank = 1;
                json!({ "kind": "part", "text": text, "rank": 1 })
            }
            BlockKind::Period => json!({ "kind": "period", "text": text }),
            BlockKind::Heading { level } => {
                rank = (level.max(1) + parts).min(rank + 1);
                let face = role(block.kind).word();
                json!({ "kind": "heading", "text": text, "rank": rank, "face": face })
            }
            BlockKind::Paragraph | BlockKind::Item => json!({ "kind": "paragraph", "text": text }),
            BlockKind::Table => match &block.table {
                Some(it) => table(it),
                None => continue,
            },
            BlockKind::Title
            | BlockKind::IssueNumber
            | BlockKind::Publisher
            | BlockKind::IssueDate
            | BlockKind::DistributionLine
            | BlockKind::PrintRun => continue,
        });
    }
    let imprint = document.blocks.iter().zip(texts).filter_map(|(block, text)| {
        let marker = block.marker.chars().count();
        (block.kind == BlockKind::DistributionLine)
            .then(|| json!({ "text": text, "marker": marker }))
    });
    json!({
        "notice": document.metadata.notice(),
        "root": document.metadata.tree.as_ref().map(TreeRoot::line),
        "name": of(BlockKind::Title).concat(),
        "number": of(BlockKind::IssueNumber).concat(),
        "publisher": of(BlockKind::Publisher).concat(),
        "issued": of(BlockKind::IssueDate).concat(),
        "blocks": blocks,
        "imprint": imprint.collect::<Vec<_>>(),
        "print-run": of(BlockKind::PrintRun),
    })
}

fn printed<'a>(inlines: impl IntoIterator<Item = &'a Inline>) -> String {
    inlines.into_iter().map(Inline::text).collect()
}

fn table(table: &Table) -> Value {
    let rows = table.rows.iter().map(|row| {
        let cells = row.iter().map(|it| {
            json!({ "text": printed(&it.inlines), "columns": it.columns.max(1), "rows": it.rows.max(1) })
        });
        cells.collect::<Vec<_>>()
    });
    json!({
        "kind": "table",
        "caption": printed(&table.caption),
        "head": table.head,
        "width": table.width(),
        "rows": rows.collect::<Vec<_>>(),
    })
}

fn refused(errors: impl IntoIterator<Item = SourceDiagnostic>) -> PagesError {
    let reasons: Vec<_> = errors.into_iter().map(|it| it.message.to_string()).collect();
    PagesError::Refused { reason: reasons.join("; ") }
}

/// What typst laid out.
pub(crate) struct Typeset {
    document: PagedDocument,
    ident: String,
}

impl Typeset {
    pub(crate) fn pdf(&self) -> Result<Vec<u8>, PagesError> {
        let standards = PdfStandards::new(&[PdfStandard::A_2a, PdfStandard::Ua_1]);
        let standards =
            standards.map_err(|it| PagesError::Refused { reason: it.message().to_string() })?;
        let options = PdfOptions {
            ident: Smart::Custom(self.ident.clone()),
            creator: Smart::Custom(Some(crate::CREATOR.into())),
            standards,
            ..PdfOptions::default()
        };
        typst_pdf::pdf(&self.document, &options).map_err(refused)
    }
}

/// Rounded once, from the exact place.
#[expect(clippy::cast_possible_truncation, reason = "a place on a page is far within the range")]
fn um(length: Abs) -> i64 {
    (length.to_mm() * 1000.0).round() as i64
}

fn colour(paint: &Paint) -> Option<[u8; 3]> {
    let Paint::Solid(colour) = paint else { return None };
    let [red, green, blue, _] = typst::visualize::Color::from(colour.to_rgb()).to_vec4_u8();
    Some([red, green, blue])
}

fn unexpected(what: &str) -> PagesError {
    PagesError::Refused { reason: format!("unexpected {what} on the page") }
}

fn page(frame: &Frame, fonts: &Fonts) -> Result<Page, PagesError> {
    if (um(frame.width()), um(frame.height())) != (WIDTH_UM, HEIGHT_UM) {
        return Err(unexpected("size"));
    }
    let mut page = Page::default();
    walk(frame, Point::zero(), fonts, &mut page)?;
    Ok(page)
}

fn walk(frame: &Frame, origin: Point, fonts: &Fonts, page: &mut Page) -> Result<(), PagesError> {
    for (place, item) in frame.items() {
        let at = origin + *place;
        match item {
            FrameItem::Group(group) => {
                let Transform { sx, ky, kx, sy, tx, ty } = group.transform;
                let (one, zero) = (Ratio::one(), Ratio::zero());
                if (sx, ky, kx, sy) != (one, zero, zero, one) || group.clip.is_some() {
                    return Err(unexpected("turned or clipped text"));
                }
                walk(&group.frame, at + Point::new(tx, ty), fonts, page)?;
            }
            FrameItem::Text(text) => page.runs.push(run(text, at, fonts)?),
            FrameItem::Shape(shape, _) => page.rules.push(rule(shape, at)?),
            FrameItem::Image(..) => return Err(unexpected("picture")),
            FrameItem::Link(..) | FrameItem::Tag(_) => {}
        }
    }
    Ok(())
}

fn run(text: &TextItem, at: Point, fonts: &Fonts) -> Result<Run, PagesError> {
    let face = fonts.typesetter.faces.iter().position(|it| it == text.font.font());
    let face = face.ok_or_else(|| unexpected("face"))?;
    let mut pen = at.x;
    let mut glyphs = vec![];
    let mut before = None;
    for glyph in &text.glyphs {
        let range = glyph.range();
        // Several glyphs of one cluster, or one that was moved: a letter with a mark that the face does not join.
        let is_moved = glyph.y_offset != Em::zero() || glyph.y_advance != Em::zero();
        if glyph.id == 0 || is_moved || before.as_ref() == Some(&range) {
            return Err(PagesError::Composed { text: text.text[range].to_owned() });
        }
        let x = pen + glyph.x_offset.at(text.size);
        pen += glyph.x_advance.at(text.size);
        let (id, text) = (glyph.id, text.text[range.clone()].to_owned());
        glyphs.push(Glyph { id, text, x_um: um(x) });
        before = Some(range);
    }
    let colour = colour(&text.fill).ok_or_else(|| unexpected("colour"))?;
    Ok(Run { face, size_um: um(text.size), colour, baseline_um: um(at.y), glyphs })
}

fn rule(shape: &Shape, at: Point) -> Result<Rule, PagesError> {
    let (Geometry::Line(to), Some(FixedStroke { paint, thickness, .. })) =
        (&shape.geometry, &shape.stroke)
    else {
        return Err(unexpected("shape"));
    };
    let end = at + *to;
    Ok(Rule {
        from: (um(at.x), um(at.y)),
        to: (um(end.x), um(end.y)),
        width_um: um(*thickness),
        colour: colour(paint).ok_or_else(|| unexpected("colour"))?,
    })
}

/// Whether a character is invisible by itself and changes how others are set (Unicode `Default_Ignorable_Code_Point`).
pub(crate) fn is_ignorable(character: char) -> bool {
    typst::text::is_default_ignorable(character)
}
