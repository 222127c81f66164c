//! What somebody has to look at in a composed issue before it is signed.
//!
//! Most checks are made while the issue is composed, where the offending value is at hand ([`crate::compose()`]); these
//! here read the finished document and its material. Each answers with problems and changes nothing: what a department
//! submitted is printed as submitted. Each takes time linear in the text, or n log n.

pub mod personal;

mod duplicates;
mod headings;
mod outliers;
mod previous;
mod rates;
mod terms;

use crate::compose::{Problem, place_of};
use crate::document::{Block, BlockKind, Document, FigureSource, Inline, Origin};
use crate::material::Material;
use crate::template::Template;

/// Everything that these checks find, check by check, within one in order of print.
pub(crate) fn all(document: &Document, material: &Material, template: &Template) -> Vec<Problem> {
    [
        personal::problems(material),
        headings::problems(document),
        outliers::problems(document, material),
        previous::problems(document, material),
        rates::problems(document),
        duplicates::problems(material),
        terms::problems(document, template),
    ]
    .concat()
}

/// Every block with its place: the submission that it comes from, else the heading above it.
fn placed(document: &Document) -> impl Iterator<Item = (&Block, String)> {
    let mut heading = "报头 masthead".to_owned();
    document.blocks.iter().map(move |block| {
        if let BlockKind::Heading { .. } = block.kind {
            heading = block.inlines.iter().map(Inline::text).collect();
        }
        let place = match (&block.origin, block.kind) {
            (Origin::Submitted { id, department }, _) => place_of(id, department),
            (_, BlockKind::DistributionLine | BlockKind::PrintRun) => "版记 imprint".to_owned(),
            _ => heading.clone(),
        };
        (block, place)
    })
}

/// Every source that went into a printed number, with the place where it is printed first.
fn sources(document: &Document) -> Vec<(&FigureSource, String)> {
    fn with_inputs<'a>(source: &'a FigureSource, found: &mut Vec<&'a FigureSource>) {
        match source {
            FigureSource::Derived { inputs, .. } => {
                inputs.iter().for_each(|it| with_inputs(it, found));
            }
            _ => found.push(source),
        }
    }
    let mut all = vec![];
    for (block, place) in placed(document) {
        for inline in block.all_inlines() {
            let Inline::Figure { source, .. } = inline else { continue };
            let mut found = vec![];
            with_inputs(source, &mut found);
            all.extend(found.into_iter().map(|it| (it, place.clone())));
        }
    }
    all
}
