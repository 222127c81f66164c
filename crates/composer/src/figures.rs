//! Figures of the material as bound text.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use zhoubao_domain::figure::{Cause, Definition, Figure, FigureKey, Partition, Span};

use crate::compose::joined;
use crate::dates;
use crate::describe;
use crate::document::{Field, FigureSource, Inline, Measure};
use crate::material::{EarlierIssue, Material};

/// The word between a cause and its amount; none where the cause itself says it.
fn direction(cause: Option<Cause>, amount: i64) -> &'static str {
    match (cause, amount >= 0) {
        (Some(Cause::Late | Cause::Release), true) | (Some(Cause::Voiding), false) => "",
        (_, true) => "增",
        (_, false) => "减",
    }
}

/// A figure as printed: an adjustment without its sign, which is printed as a word.
pub(crate) fn counted(
    material: &Material,
    definition: &Definition,
    span: Span,
    partition: Partition,
    part: &str,
    figure: Figure,
    cause: Option<Cause>,
) -> Inline {
    let day = (partition == Partition::Day).then(|| part.parse::<Date>().ok()).flatten();
    let days = day.map(|it| (it, it)).or_else(|| material.days(span));
    let text = match span {
        Span::Adjustment => figure.amount.unsigned_abs().to_string(),
        _ => figure.amount.to_string(),
    };
    let source = FigureSource::Counted {
        definition: definition.key.clone(),
        title: definition.title.clone(),
        meaning: definition.meaning.clone(),
        span,
        partition,
        part: part.to_owned(),
        cause: cause.map(|it| it.word().to_owned()),
        first_day: days.map(|it| it.0),
        last_day: days.map(|it| it.1),
        position: material.position,
        events: figure.events,
        value: figure.amount,
        unit: definition.unit.clone(),
    };
    Inline::Figure { text, source }
}

/// A total of an earlier issue, with its amount.
pub(crate) fn counted_earlier(
    issue: &EarlierIssue,
    definition: &Definition,
    span: Span,
) -> Option<(i64, Inline)> {
    let key = FigureKey {
        definition: definition.key.clone(),
        span,
        partition: Partition::Total,
        part: String::new(),
    };
    let figure = issue.figures.get(&key)?;
    let of_period = (issue.period.first(), issue.period.last());
    let days = match span {
        Span::Week => Some(of_period),
        Span::Year => Some((Date::constant(issue.period.year(), 1, 1), of_period.1)),
        _ => None,
    };
    let source = FigureSource::Counted {
        definition: definition.key.clone(),
        title: definition.title.clone(),
        meaning: definition.meaning.clone(),
        span,
        partition: Partition::Total,
        part: String::new(),
        cause: None,
        first_day: days.map(|it| it.0),
        last_day: days.map(|it| it.1),
        position: issue.position,
        events: figure.events,
        value: figure.amount,
        unit: definition.unit.clone(),
    };
    Some((figure.amount, Inline::Figure { text: figure.amount.to_string(), source }))
}

/// Number of departments authorised.
pub(crate) fn register(material: &Material) -> Inline {
    let value = material.authorised_departments;
    let source = FigureSource::Register {
        as_of: material.authorised_as_of,
        position: material.position,
        value,
    };
    Inline::Figure { text: value.to_string(), source }
}

/// `咨询12人次、受理3件`: every figure that is not 0, or all of them if all are.
pub(crate) fn amounts(
    material: &Material,
    span: Span,
    partition: Partition,
    part: &str,
) -> Vec<Inline> {
    let amount =
        |it: &Definition| material.figure(&it.key, span, partition, part).unwrap_or_default();
    let definitions = &material.definitions;
    let nothing = definitions.iter().all(|it| amount(it).amount == 0);
    let printed = definitions.iter().filter(|it| nothing || amount(it).amount != 0).map(|it| {
        vec![
            Inline::words(&it.title),
            counted(material, it, span, partition, part, amount(it), None),
            Inline::words(&it.unit),
        ]
    });
    joined(printed.collect(), "、")
}

/// The days of a span on which a figure is not 0.
pub(crate) fn days_with_amounts(material: &Material, span: Span) -> BTreeSet<&str> {
    let figures = material.figures.iter();
    figures
        .filter(|(key, figure)| {
            key.span == span && key.partition == Partition::Day && figure.amount != 0
        })
        .map(|(key, _)| key.part.as_str())
        .collect()
}

/// `1月28日咨询12人次、受理3件；1月29日受理1件`.
pub(crate) fn by_day(material: &Material, span: Span) -> Vec<Inline> {
    let days = days_with_amounts(material, span).into_iter().map(|part| {
        let day = match part.parse::<Date>() {
            Ok(day) => {
                Inline::Field { field: Field::Date, text: dates::short_in(day, material.year) }
            }
            Err(_) => Inline::words("期初"),
        };
        std::iter::once(day).chain(amounts(material, span, Partition::Day, part)).collect()
    });
    let days: Vec<_> = days.collect();
    if days.is_empty() { vec![Inline::words("无")] } else { joined(days, "；") }
}

/// `补计受理3件、更正咨询减2人次`; empty without adjustments.
pub(crate) fn adjustments(material: &Material) -> Vec<Inline> {
    let mut sums: BTreeMap<(Cause, usize), Figure> = BTreeMap::new();
    for (index, definition) in material.definitions.iter().enumerate() {
        for it in material.adjustments.iter().filter(|it| definition.kinds.contains(&it.kind)) {
            let sum = sums.entry((it.cause, index)).or_default();
            sum.amount += it.amount;
            sum.events += it.events;
        }
    }
    let whole = |it: &Definition| {
        material.figure(&it.key, Span::Adjustment, Partition::Total, "").unwrap_or_default()
    };
    let agrees = material.definitions.iter().enumerate().all(|(index, definition)| {
        let causes = sums.iter().filter(|((_, it), _)| *it == index);
        causes.map(|(_, sum)| sum.amount).sum::<i64>() == whole(definition).amount
    });
    let by_cause: Vec<(Option<Cause>, &Definition, Figure)> = if agrees {
        sums.iter()
            .filter_map(|((cause, index), sum)| {
                Some((Some(*cause), material.definitions.get(*index)?, *sum))
            })
            .collect()
    } else {
        material.definitions.iter().map(|it| (None, it, whole(it))).collect()
    };
    let printed = by_cause.into_iter().filter(|(_, _, sum)| sum.amount != 0).map(
        |(cause, definition, sum)| {
            let (span, partition) = (Span::Adjustment, Partition::Total);
            vec![
                Inline::words(cause.map_or("", describe::cause)),
                Inline::words(&definition.title),
                Inline::words(direction(cause, sum.amount)),
                counted(material, definition, span, partition, "", sum, cause),
                Inline::words(&definition.unit),
            ]
        },
    );
    joined(printed.collect(), "、")
}

/// A number of the platform's import, if there is one for the class.
pub(crate) fn statistic(
    material: &Material,
    class: &str,
    measure: Measure,
) -> Option<(u64, Inline)> {
    let statistics = material.statistics.as_ref()?;
    let figures = statistics.classes.iter().find(|it| it.class == class)?;
    let value = match measure {
        Measure::Accepted => figures.accepted,
        Measure::Finished => figures.finished,
    };
    let source = FigureSource::Imported {
        platform: statistics.source.clone(),
        level: statistics.level.clone(),
        class: class.to_owned(),
        measure,
        first_day: statistics.period.first(),
        last_day: statistics.period.last(),
        value,
    };
    Some((value, Inline::Figure { text: value.to_string(), source }))
}
