//! What the compiler knows about checked queries when there is no database.
//!
//! `cargo xtask sqlx` writes it into `.sqlx`, a file a query. A changed query does not compile against old data, but
//! changed migrations and left-over files go unnoticed: a store's own test asks a database again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// What tells how to mend it.
const NEXT: &str = "run `cargo xtask sqlx`";

/// The files below a directory that end so, in the order of their paths.
///
/// # Errors
///
/// When a directory cannot be read.
pub fn files_below(dir: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path, ending)?);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Compares a crate's `.sqlx` with its queries and with what a database says of each; answers with their number. A query
/// without data would not compile.
///
/// # Errors
///
/// When data have no query, or the database says something else of it.
pub async fn queries_are_as_described(
    crate_dir: &Path,
    mut describe: impl AsyncFnMut(String) -> anyhow::Result<Value>,
) -> anyhow::Result<usize> {
    let read = |path: PathBuf| std::fs::read_to_string(&path).context(path.display().to_string());
    let files = files_below(&crate_dir.join("queries"), ".sql")?.into_iter().map(read);
    let files: BTreeSet<_> = files.collect::<anyhow::Result<_>>()?;
    let sources = files_below(&crate_dir.join("src"), ".rs")?.into_iter().map(read);
    let sources: Vec<_> = sources.collect::<anyhow::Result<_>>()?;
    let mut count = 0;
    for path in files_below(&crate_dir.join(".sqlx"), ".json")? {
        let data: Value = serde_json::from_str(&read(path.clone())?)?;
        let query = data["query"].as_str().context("no query")?;
        let named = format!("{}: {query}", path.display());
        let is_there = files.contains(query) || sources.iter().any(|it| it.contains(query));
        ensure!(is_there, "{named}\nis no longer used; {NEXT}");
        let now = describe(query.to_owned()).await.context(named.clone())?;
        ensure!(data["describe"] == now, "{named}\nis now {now:#}; {NEXT}");
        count += 1;
    }
    Ok(count)
}
