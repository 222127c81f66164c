//! What differs between two versions of an issue: figures by what they mean, and paragraphs.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::document::{Block, Document, FigureSource};

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Figures of which the printed number differs, or which only one version has.
    pub figures: Vec<FigureChange>,
    /// Paragraphs that only the earlier version has, in order of print.
    pub removed: Vec<String>,
    /// Paragraphs that only the later version has.
    pub added: Vec<String>,
}

/// A figure that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FigureChange {
    /// Key of the section.
    pub section: String,
    /// What it means: its source without what was counted, as in the canonical issue.
    pub figure: Value,
    /// As printed before; null: it was not there.
    pub before: Option<String>,
    /// As printed now; null: it is not there any more.
    pub after: Option<String>,
}

/// Keys of a source that say how much and as of when, not what.
const AMOUNTS: &[&str] = &["value", "events", "position", "as_of", "cells", "inputs"];

/// Compares two versions.
#[must_use]
pub fn between(before: &Document, after: &Document) -> Changes {
    let (old, new) = (figures(before), figures(after));
    let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let figures = keys.into_iter().filter(|it| old.get(*it) != new.get(*it)).map(|key| {
        let (section, figure, _) = key;
        FigureChange {
            section: section.clone(),
            figure: serde_json::from_str(figure).unwrap_or_default(),
            before: old.get(key).cloned(),
            after: new.get(key).cloned(),
        }
    });
    let (old, new) = (paragraphs(before), paragraphs(after));
    Changes { figures: figures.collect(), removed: only(&old, &new), added: only(&new, &old) }
}

/// Section, meaning, and which of several with the same meaning: the printed number.
fn figures(document: &Document) -> BTreeMap<(String, String, usize), String> {
    let mut found = BTreeMap::new();
    for (block, text, source) in document.figures() {
        let section = document.blocks.get(block).map_or("", |it| it.section.as_str());
        let mut key = (section.to_owned(), meaning(source), 0);
        while found.contains_key(&key) {
            key.2 += 1;
        }
        found.insert(key, text.to_owned());
    }
    found
}

fn meaning(source: &FigureSource) -> String {
    let mut value = serde_json::to_value(source).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.retain(|key, _| !AMOUNTS.contains(&key.as_str()));
    }
    value.to_string()
}

fn paragraphs(document: &Document) -> Vec<String> {
    document.blocks.iter().map(Block::text).collect()
}

/// Those of one that the other does not have, each as often as it is missing.
fn only(one: &[String], other: &[String]) -> Vec<String> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for it in other {
        *left.entry(it).or_default() += 1;
    }
    let missing = one.iter().filter(|it| match left.get_mut(it.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    missing.cloned().collect()
}
