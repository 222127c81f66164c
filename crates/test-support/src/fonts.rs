use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The fonts that `cargo xtask setup fonts` finds or installs; with them, lines break where tests say.
pub const FONTS: [&str; 5] = [
    "NotoSerifCJK-Regular.ttc",
    "NotoSerifCJK-Bold.ttc",
    "NotoSansCJK-Regular.ttc",
    "LXGWWenKai-Regular.ttf",
    "LiberationSerif-Regular.ttf",
];

/// Folders within folders that are searched; a link that leads back would never end.
const FOLDERS_DEEP: usize = 6;

/// The files of [`FONTS`], in the folder that `ZHOUBAO_FONTS` names, else where Linux keeps fonts.
///
/// # Errors
///
/// When one is missing.
pub fn fonts() -> anyhow::Result<Vec<PathBuf>> {
    let folders = match std::env::var_os("ZHOUBAO_FONTS") {
        Some(named) => vec![PathBuf::from(named)],
        None => ["/usr/share/fonts", "/usr/local/share/fonts"].map(PathBuf::from).to_vec(),
    };
    let found = |name: &&str| {
        let file = folders.iter().find_map(|folder| file(folder, name, FOLDERS_DEEP));
        file.with_context(|| format!("the font `{name}` is missing, run `cargo xtask setup fonts`"))
    };
    FONTS.iter().map(found).collect()
}

fn file(folder: &Path, name: &str, deep: usize) -> Option<PathBuf> {
    let here = folder.join(name);
    if here.is_file() {
        return Some(here);
    }
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|it| it.path());
    entries.filter(|it| deep > 0 && it.is_dir()).find_map(|it| file(&it, name, deep - 1))
}
