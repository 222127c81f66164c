//! 勾稽: the sums that must agree before anything is printed.
//!
//! 办结 > 受理 and 流转 > 受理 are legal (cases carry over) and are not looked at here.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::figure::{Definition, Figure, FigureKey, Figures, Partition, Span, TallyValue};

/// A sum that does not come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// E.302 or E.303.
    pub code: Code,
    /// The sum, with both sides.
    pub text: String,
}

fn total(figures: &Figures, definition: &str, span: Span) -> Option<Figure> {
    let key = FigureKey {
        definition: definition.to_owned(),
        span,
        partition: Partition::Total,
        part: String::new(),
    };
    figures.get(&key).copied()
}

/// Every partition of every figure sums to its total.
#[must_use]
pub fn partitions(definitions: &[Definition], figures: &Figures) -> Vec<Mismatch> {
    let mut sums: BTreeMap<(&str, Span, Partition), Figure> = BTreeMap::new();
    for (key, figure) in figures.iter().filter(|(key, _)| key.partition != Partition::Total) {
        let sum = sums.entry((&key.definition, key.span, key.partition)).or_default();
        sum.amount += figure.amount;
        sum.events += figure.events;
    }
    let mut mismatches = vec![];
    for definition in definitions {
        for span in Span::ALL {
            let Some(whole) = total(figures, &definition.key, span) else {
                mismatches.push(Mismatch {
                    code: Code::SumsDiffer,
                    text: format!("{} {} 缺少合计 has no total", definition.title, span.word()),
                });
                continue;
            };
            let partitions: &[Partition] = match span {
                Span::Week | Span::Year => {
                    &[Partition::Day, Partition::Window, Partition::Department]
                }
                Span::WeekOfYear | Span::Outside | Span::OutsideEarlier | Span::Adjustment => {
                    &[Partition::Day]
                }
                Span::Carried => &[],
            };
            for partition in partitions {
                let sum = sums.get(&(definition.key.as_str(), span, *partition)).copied();
                let sum = sum.unwrap_or_default();
                if sum != whole {
                    mismatches.push(Mismatch {
                        code: Code::SumsDiffer,
                        text: format!(
                            "{} {}: 合计 {}（{} 件事件）≠ Σ{} {}（{} 件事件），差 {}",
                            definition.title,
                            span.word(),
                            whole.amount,
                            whole.events,
                            partition.word(),
                            sum.amount,
                            sum.events,
                            whole.amount - sum.amount,
                        ),
                    });
                }
            }
        }
    }
    mismatches
}

/// 累计 = 上期累计 + 期间外 + 本周 ± 调整, and 上期累计 is what the previous issue carried.
///
/// `previous`: the previous issue's frozen figures when it is of the same year.
#[must_use]
pub fn chain(
    definitions: &[Definition],
    figures: &Figures,
    previous: Option<&Figures>,
) -> Vec<Mismatch> {
    let mut mismatches = vec![];
    for definition in definitions {
        let amount = |span| total(figures, &definition.key, span).map_or(0, |it| it.amount);
        let (year, carried) = (amount(Span::Year), amount(Span::Carried));
        let (outside, week, adjustment) =
            (amount(Span::Outside), amount(Span::WeekOfYear), amount(Span::Adjustment));
        if year != carried + outside + week + adjustment {
            mismatches.push(Mismatch {
                code: Code::ChainBroken,
                text: format!(
                    "{}: 累计 {year} ≠ 上期累计 {carried} + 期间外 {outside} + 本周 {week} + 调整 {adjustment} = {}",
                    definition.title,
                    carried + outside + week + adjustment,
                ),
            });
        }
        if let Some(previous) = previous {
            let before = total(previous, &definition.key, Span::Year).map_or(0, |it| it.amount);
            if before != carried {
                mismatches.push(Mismatch {
                    code: Code::ChainBroken,
                    text: format!("{}: 上期累计 {carried} ≠ 上期所载 {before}", definition.title),
                });
            }
        }
        if year < week {
            mismatches.push(Mismatch {
                code: Code::ChainBroken,
                text: format!("{}: 累计 {year} < 本周 {week}", definition.title),
            });
        }
    }
    mismatches
}

/// Two independently kept sums of the same thing agree, such as the live tallies and the recount of the record.
#[must_use]
pub fn same<K: Ord + std::fmt::Debug>(
    what: &str,
    left: &BTreeMap<K, TallyValue>,
    right: &BTreeMap<K, TallyValue>,
) -> Vec<Mismatch> {
    let zero = TallyValue::default();
    left.keys()
        .chain(right.keys().filter(|it| !left.contains_key(it)))
        .filter_map(|key| {
            let (a, b) = (left.get(key).unwrap_or(&zero), right.get(key).unwrap_or(&zero));
            (a != b).then(|| Mismatch {
                code: Code::SumsDiffer,
                text: format!("{what} {key:?}: {} ≠ {}", a.amount, b.amount),
            })
        })
        .collect()
}
