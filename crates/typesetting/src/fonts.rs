//! Faces for the roles that a page has, chosen from given font files.
//!
//! The hall's own faces (仿宋_GB2312, 方正小标宋) come first in each role and are never shipped; behind them stand free
//! ones that Debian packages.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use ttf_parser::name_id;
use zhoubao_domain::id::Digest;

use crate::typesetter::Typesetter;

/// Debian packages that together have a face for every role.
pub const DEBIAN_PACKAGES: [&str; 3] = ["fonts-noto-cjk", "fonts-lxgw-wenkai", "fonts-liberation"];

/// What a face is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// 小标宋: name of the series and titles of parts.
    Title,
    /// 宋体: page numbers, quotation marks and dashes.
    Song,
    /// 仿宋: text.
    FangSong,
    /// 黑体: headings 一、.
    Hei,
    /// 楷体: headings （一）.
    Kai,
    /// Letters and digits, two of them as wide as one character.
    Latin,
    /// 补字: what the face of the role does not have.
    Rare,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] =
        [Self::Title, Self::Song, Self::FangSong, Self::Hei, Self::Kai, Self::Latin, Self::Rare];

    /// Its name in print.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Title => "小标宋",
            Self::Song => "宋体",
            Self::FangSong => "仿宋",
            Self::Hei => "黑体",
            Self::Kai => "楷体",
            Self::Latin => "西文",
            Self::Rare => "补字",
        }
    }

    /// Its name in `issue.typ`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Song => "song",
            Self::FangSong => "fangsong",
            Self::Hei => "hei",
            Self::Kai => "kai",
            Self::Latin => "latin",
            Self::Rare => "rare",
        }
    }

    /// Families in order of preference, as font files name themselves.
    #[must_use]
    pub fn families(self) -> &'static [&'static str] {
        match self {
            Self::Title => &[
                "FZXiaoBiaoSong-B05S",
                "方正小标宋简体",
                "FZXiaoBiaoSong-B05",
                "方正小标宋_GBK",
                "Noto Serif CJK SC",
                "Source Han Serif SC",
                "Source Han Serif CN",
                "Noto Serif SC",
                "STZhongsong",
                "华文中宋",
            ],
            Self::Song => &[
                "SimSun",
                "宋体",
                "Noto Serif CJK SC",
                "Source Han Serif SC",
                "Source Han Serif CN",
                "Noto Serif SC",
            ],
            Self::FangSong => &[
                "FangSong_GB2312",
                "仿宋_GB2312",
                "FangSong",
                "仿宋",
                "FZFangSong-Z02S",
                "方正仿宋简体",
                "FZFangSong-Z02",
                "方正仿宋_GBK",
                "STFangsong",
                "华文仿宋",
                "Zhuque Fangsong",
                "朱雀仿宋",
                "Noto Serif CJK SC",
                "Source Han Serif SC",
                "Source Han Serif CN",
                "Noto Serif SC",
            ],
            Self::Hei => &[
                "SimHei",
                "黑体",
                "FZHei-B01S",
                "方正黑体简体",
                "FZHei-B01",
                "方正黑体_GBK",
                "Noto Sans CJK SC",
                "Source Han Sans SC",
                "Source Han Sans CN",
                "Noto Sans SC",
                "WenQuanYi Zen Hei",
            ],
            Self::Kai => &[
                "KaiTi_GB2312",
                "楷体_GB2312",
                "KaiTi",
                "楷体",
                "FZKai-Z03S",
                "方正楷体简体",
                "FZKai-Z03",
                "方正楷体_GBK",
                "STKaiti",
                "华文楷体",
                "LXGW WenKai",
                "霞鹜文楷",
                "AR PL UKai CN",
            ],
            Self::Latin => &["Times New Roman", "Liberation Serif", "Tinos", "TeX Gyre Termes"],
            Self::Rare => &[
                "Noto Serif CJK SC",
                "Source Han Serif SC",
                "Source Han Serif CN",
                "Noto Serif SC",
                "SimSun-ExtB",
                "Noto Sans CJK SC",
                "Source Han Sans SC",
                "LXGW WenKai",
                "SimSun",
            ],
        }
    }

    /// The weight that is looked for, as CSS counts it.
    fn weight(self) -> u16 {
        match self {
            Self::Title => 700,
            _ => 400,
        }
    }

    /// Whether a family serves some role, for telling which files are worth reading.
    #[must_use]
    pub fn is_used(family: &str) -> bool {
        Self::ALL.iter().any(|role| role.families().iter().any(|it| same(it, family)))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// Families are compared without regard to the case of Latin letters.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// A face of a font file.
#[derive(Clone)]
pub struct Face {
    /// PostScript name, such as `NotoSerifCJKsc-Regular`.
    pub name: String,
    /// SHA-256 of its file.
    pub digest: Digest,
    /// The file.
    pub(crate) file: Arc<Vec<u8>>,
    /// Which face of the file.
    pub(crate) index: u32,
}

impl Face {
    /// Its file, and which face of the file it is.
    #[must_use]
    pub fn file(&self) -> (&[u8], u32) {
        (&self.file, self.index)
    }
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").field("name", &self.name).field("digest", &self.digest).finish()
    }
}

/// A face for every role.
pub struct Fonts {
    faces: Vec<Face>,
    roles: BTreeMap<Role, usize>,
    pub(crate) typesetter: Typesetter,
}

impl fmt::Debug for Fonts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles = self.roles.keys().map(|role| (role, self.face(*role)));
        f.debug_map().entries(roles).finish()
    }
}

/// What a font file says of its faces, with the key by which the file is read.
#[derive(Debug, Clone)]
pub struct Described<K> {
    key: K,
    faces: Vec<Description>,
}

#[derive(Debug, Clone)]
struct Description {
    index: u32,
    families: Vec<String>,
    weight: u16,
    name: String,
}

/// Reads what a font file says of its usable faces; a file that is no font has none.
///
/// Passed over are slanted faces, variable ones, and those whose makers do not allow a subset in a document.
#[must_use]
pub fn describe<K>(key: K, file: &[u8]) -> Described<K> {
    let count = ttf_parser::fonts_in_collection(file).unwrap_or(1);
    let faces = (0..count).filter_map(|index| {
        let face = ttf_parser::Face::parse(file, index).ok()?;
        let may_be_embedded = face.permissions() != Some(ttf_parser::Permissions::Restricted)
            && face.is_subsetting_allowed();
        if face.is_variable() || !may_be_embedded || face.style() != ttf_parser::Style::Normal {
            return None;
        }
        let of = |id: u16| {
            let names = face.names().into_iter().filter(move |it| it.name_id == id);
            names.filter_map(|it| it.to_string())
        };
        let families = of(name_id::FAMILY).chain(of(name_id::TYPOGRAPHIC_FAMILY)).collect();
        let name = of(name_id::POST_SCRIPT_NAME).next()?;
        Some(Description { index, families, weight: face.weight().to_number(), name })
    });
    Described { key, faces: faces.collect() }
}

/// No face for a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no face for {role}, looked for {}", role.families().join(", "))]
pub struct NoFace {
    /// The role.
    pub role: Role,
}

/// Fonts that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("the font {name} cannot be read")]
    Unreadable {
        /// PostScript name of the face.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not the one that was described.
    #[error("the font {name} is damaged or was changed meanwhile")]
    Damaged {
        /// PostScript name of the face.
        name: String,
    },
}

/// A face for every role, not yet loaded.
#[derive(Debug)]
pub struct Choice<'a, K> {
    /// In the order of [`Role::ALL`]: which file and which of its faces.
    chosen: Vec<(Role, &'a Described<K>, &'a Description)>,
}

/// Chooses a face for every role: the family that stands first in [`Role::families`], in the weight that is nearest to
/// the role's, of the file that comes first.
///
/// # Errors
///
/// The first role without a face.
pub fn choose<K>(files: &[Described<K>]) -> Result<Choice<'_, K>, NoFace> {
    let chosen = Role::ALL.into_iter().map(|role| {
        let found = role.families().iter().find_map(|family| {
            let faces = files.iter().flat_map(|file| file.faces.iter().map(move |it| (file, it)));
            let named = |it: &Description| it.families.iter().any(|it| same(it, family));
            let of_family = faces.filter(|(_, it)| named(it));
            of_family.min_by_key(|(_, it)| it.weight.abs_diff(role.weight()))
        });
        found.map(|(file, it)| (role, file, it)).ok_or(NoFace { role })
    });
    Ok(Choice { chosen: chosen.collect::<Result<_, _>>()? })
}

/// A font file that was read.
struct Loaded<'a, K> {
    described: &'a Described<K>,
    bytes: Arc<Vec<u8>>,
    digest: Digest,
}

impl<K> Choice<'_, K> {
    /// The PostScript name of each role's face.
    pub fn names(&self) -> impl Iterator<Item = (Role, &str)> {
        self.chosen.iter().map(|(role, _, it)| (*role, it.name.as_str()))
    }

    /// Loads the faces; each file is read once.
    ///
    /// # Errors
    ///
    /// [`LoadError`] with the face.
    pub fn load(&self, read: impl Fn(&K) -> std::io::Result<Vec<u8>>) -> Result<Fonts, LoadError> {
        let mut files: Vec<Loaded<'_, K>> = vec![];
        let mut faces: Vec<Face> = vec![];
        let mut roles = BTreeMap::new();
        for (role, described, it) in &self.chosen {
            let known = files.iter().position(|file| std::ptr::eq(file.described, *described));
            let place = match known {
                Some(place) => place,
                None => {
                    let bytes = read(&described.key).map_err(|source| LoadError::Unreadable {
                        name: it.name.clone(),
                        source,
                    })?;
                    let digest = Digest::new(Sha256::digest(&bytes).into());
                    files.push(Loaded { described, bytes: Arc::new(bytes), digest });
                    files.len() - 1
                }
            };
            let Loaded { bytes, digest, .. } = &files[place];
            let same = |face: &Face| Arc::ptr_eq(&face.file, bytes) && face.index == it.index;
            let place = faces.iter().position(same).unwrap_or_else(|| {
                let (name, file) = (it.name.clone(), bytes.clone());
                faces.push(Face { name, digest: *digest, file, index: it.index });
                faces.len() - 1
            });
            roles.insert(*role, place);
        }
        let typesetter = Typesetter::new(&faces, &roles)?;
        Ok(Fonts { faces, roles, typesetter })
    }
}

impl Fonts {
    /// The different faces.
    #[must_use]
    pub fn faces(&self) -> &[Face] {
        &self.faces
    }

    /// The face of a role.
    #[must_use]
    pub fn face(&self, role: Role) -> &Face {
        &self.faces[self.place(role)]
    }

    /// The place of a role's face in [`Fonts::faces`].
    pub(crate) fn place(&self, role: Role) -> usize {
        // Every role has one: `Choice` is the only way in.
        self.roles.get(&role).copied().unwrap_or_default()
    }
}
