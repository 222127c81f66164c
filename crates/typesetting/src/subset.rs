//! Faces cut down to the glyphs of an issue, complete enough to be looked up by character.
//!
//! A PDF addresses glyphs by number, so the subsetter leaves out what maps characters to them (`cmap`) and the metrics
//! of the system (`OS/2`). Readers of OFD look characters up, and some take an installed font of the same name instead
//! of the embedded one: the three tables are put back, with a name that no installed font has.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use write_fonts::FontBuilder;
use write_fonts::read::{FontRef, TableProvider as _};
use write_fonts::tables::cmap::Cmap;
use write_fonts::tables::name::{Name, NameRecord};
use write_fonts::types::{GlyphId, NameId, Tag};

use crate::fonts::Face;
use crate::page::Glyph;
use crate::typesetter::PagesError;

/// A face with the glyphs that are used.
pub(crate) struct Subset {
    /// Its name: six letters that depend on what is in it, and the name of the face.
    pub(crate) name: String,
    /// Whether the outlines are CFF, which decides the ending of the file.
    pub(crate) is_cff: bool,
    /// The font file.
    pub(crate) bytes: Vec<u8>,
    glyphs: subsetter::GlyphRemapper,
    characters: BTreeMap<char, u16>,
}

impl Subset {
    /// Cuts a face down to these glyphs.
    pub(crate) fn new<'a>(
        face: &Face,
        used: impl Iterator<Item = &'a Glyph>,
    ) -> Result<Self, PagesError> {
        let refused = |reason: &dyn std::fmt::Display| PagesError::Refused {
            reason: format!("the font {} cannot be cut down: {reason}", face.name),
        };
        let parsed = ttf_parser::Face::parse(&face.file, face.index).map_err(|it| refused(&it))?;
        let mut glyphs = subsetter::GlyphRemapper::new();
        let mut characters = BTreeMap::new();
        for glyph in used {
            let id = glyphs.remap(glyph.id);
            let mut each = glyph.text.chars();
            match (each.next(), each.next()) {
                (Some(character), None) => {
                    characters.entry(character).or_insert(id);
                }
                // A reader that does not know joined characters draws them one by one.
                _ => {
                    for character in glyph.text.chars() {
                        if let Some(alone) = parsed.glyph_index(character) {
                            let alone = glyphs.remap(alone.0);
                            characters.entry(character).or_insert(alone);
                        }
                    }
                }
            }
        }
        let mut hash = Sha256::new();
        for (character, id) in &characters {
            hash.update(u32::from(*character).to_be_bytes());
            hash.update(id.to_be_bytes());
        }
        let tag: String =
            hash.finalize()[..6].iter().map(|it| char::from(b'A' + it % 26)).collect();
        let name = format!("{tag}-{}", face.name);

        let cut = subsetter::subset(&face.file, face.index, &glyphs).map_err(|it| refused(&it))?;
        let whole = FontRef::from_index(&face.file, face.index).map_err(|it| refused(&it))?;
        let cut = FontRef::new(&cut).map_err(|it| refused(&it))?;
        let is_cff = cut.data_for_tag(Tag::new(b"CFF ")).is_some();
        let mut font = FontBuilder::new();
        let mapped = characters.iter().map(|(it, id)| (*it, GlyphId::new(u32::from(*id))));
        let cmap = Cmap::from_mappings(mapped).map_err(|it| refused(&it))?;
        font.add_table(&cmap).map_err(|it| refused(&it))?;
        font.add_table(&names(&whole, &name)).map_err(|it| refused(&it))?;
        if let Some(metrics) = whole.data_for_tag(Tag::new(b"OS/2")) {
            font.add_raw(Tag::new(b"OS/2"), metrics.as_bytes());
        }
        let bytes = font.copy_missing_tables(cut).build();
        Ok(Self { name, is_cff, bytes, glyphs, characters })
    }

    /// The number of a glyph in the subset.
    pub(crate) fn id(&self, glyph: &Glyph) -> u16 {
        self.glyphs.get(glyph.id).unwrap_or_default()
    }

    /// Whether a reader that looks the character up finds this glyph.
    pub(crate) fn is_looked_up(&self, glyph: &Glyph) -> bool {
        let mut each = glyph.text.chars();
        match (each.next(), each.next()) {
            (Some(character), None) => {
                self.characters.get(&character).copied() == self.glyphs.get(glyph.id)
            }
            _ => false,
        }
    }
}

/// Names of the subset; copyright and licence stay those of the face.
fn names(whole: &FontRef<'_>, name: &str) -> Name {
    let kept = [NameId::COPYRIGHT_NOTICE, NameId::LICENSE_DESCRIPTION, NameId::LICENSE_URL];
    let old = |id: NameId| {
        let table = whole.name().ok()?;
        let mut records =
            table.name_record().iter().filter(|it| it.name_id() == id && it.is_unicode());
        let text = records.next()?.string(table.string_data()).ok()?;
        Some((id, text.chars().collect::<String>()))
    };
    let own = [NameId::FAMILY_NAME, NameId::UNIQUE_ID, NameId::FULL_NAME, NameId::POSTSCRIPT_NAME];
    let mut all: Vec<(NameId, String)> = own.map(|id| (id, name.to_owned())).into();
    all.push((NameId::SUBFAMILY_NAME, "Regular".to_owned()));
    all.extend(kept.into_iter().filter_map(old));
    all.sort();
    // Windows, Unicode, English of the United States.
    Name::new(
        all.into_iter().map(|(id, text)| NameRecord::new(3, 1, 0x409, id, text.into())).collect(),
    )
}
