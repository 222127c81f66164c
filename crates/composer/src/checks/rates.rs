//! Rates of an import that are printed as they came.

use std::collections::BTreeSet;

use zhoubao_domain::code::Code;

use super::placed;
use crate::compose::Problem;
use crate::document::{Document, FigureSource, Inline};

/// Finds columns of imported tables whose cells are rates (`97.50%`) and are printed as they came, each once a place.
pub(super) fn problems(document: &Document) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let mut problems = vec![];
    for (block, place) in placed(document) {
        for inline in block.all_inlines() {
            let Inline::Figure { source: FigureSource::Cell { title, column, value, .. }, .. } =
                inline
            else {
                continue;
            };
            if value.trim_end().ends_with(['%', '％', '‰'])
                && seen.insert((place.clone(), title.as_str(), column.as_str()))
            {
                let text = format!("{title}「{column}」照印导入数 printed as imported");
                problems.push(Problem { code: Code::ImportedRate, place: place.clone(), text });
            }
        }
    }
    problems
}
