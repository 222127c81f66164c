//! Finds the fonts of the pages: in the folder of the setting `fonts`, else among those of the system.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fontdb::{Database, FaceInfo, Source};
use zhoubao_domain::code::Code;
use zhoubao_typesetting::fonts::{Described, NoFace, Role, choose, describe};

use crate::config::Config;
use crate::failure::{Failure, chain};

/// Loads a face for every role: E.331 for a role without one, E.705 for a file that cannot be read.
fn load(config: &Config) -> Loaded {
    let files = found(config)?;
    choose(&files)?.load(|path| std::fs::read(path)).map_err(|error| {
        Failure::unavailable(chain(&error))
            .with_next("look at the font's file, or install the font again")
    })
}

/// Fonts that are loaded when a page is first asked for: texts need none.
pub type Fonts = LazyLock<Loaded, Box<dyn FnOnce() -> Loaded + Send>>;

/// Fonts, or why there are none.
pub type Loaded = Result<zhoubao_typesetting::Fonts, Failure>;

/// The fonts of these settings.
#[must_use]
pub fn of(config: &Config) -> Fonts {
    let config = config.clone();
    LazyLock::new(Box::new(move || load(&config)))
}

/// The name of each role's face, found without loading it.
///
/// # Errors
///
/// E.331 for a role without a face.
pub fn names(config: &Config) -> Result<Vec<(Role, String)>, Failure> {
    let files = found(config)?;
    Ok(choose(&files)?.names().map(|(role, name)| (role, name.to_owned())).collect())
}

/// The font files that may serve a role, in the order of their paths, which no locale changes.
fn found(config: &Config) -> Result<Vec<Described<PathBuf>>, Failure> {
    let mut database = Database::new();
    match &config.fonts {
        Some(folder) if !folder.is_dir() => {
            let detail = format!("`fonts`: `{}` is no folder", folder.display());
            return Err(Failure::configuration(detail).with_next("name the folder of the fonts"));
        }
        Some(folder) => database.load_fonts_dir(folder),
        None => database.load_system_fonts(),
    }
    let is_used = |face: &&FaceInfo| face.families.iter().any(|(name, _)| Role::is_used(name));
    let mut seen = BTreeSet::new();
    let mut files = vec![];
    for face in database.faces().filter(is_used) {
        let Some(path) = path(&face.source).filter(|path| seen.insert(path.to_path_buf())) else {
            continue;
        };
        let described =
            database.with_face_data(face.id, |bytes, _| describe(path.to_path_buf(), bytes));
        files.extend(described.map(|it| (path.to_path_buf(), it)));
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(files.into_iter().map(|(_, it)| it).collect())
}

fn path(source: &Source) -> Option<&Path> {
    match source {
        Source::File(path) | Source::SharedFile(path, _) => Some(path),
        Source::Binary(_) => None,
    }
}

impl From<NoFace> for Failure {
    fn from(error: NoFace) -> Self {
        Self::coded(Code::MissingFont, error.to_string())
    }
}
