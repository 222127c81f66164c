//! 勾稽: the sums that must agree before anything is printed.
//!
//! 办结 > 受理 and 流转 > 受理 are legal (cases carry over) and are not looked at here.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::figure::{Definition, Figure, FigureKey, Figures, Partition, Span, TallyValue, is_new};

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

fn plus(a: Figure, b: Figure) -> Figure {
    Figure { amount: a.amount.saturating_add(b.amount), events: a.events.saturating_add(b.events) }
}

/// Every partition of every figure sums to its total.
#[must_use]
pub fn partitions(definitions: &[Definition], figures: &Figures) -> Vec<Mismatch> {
    let mut sums: BTreeMap<(&str, Span, Partition), Figure> = BTreeMap::new();
    for (key, figure) in figures.iter().filter(|(key, _)| key.partition != Partition::Total) {
        let sum = sums.entry((&key.definition, key.span, key.partition)).or_default();
        sum.amount = sum.amount.saturating_add(figure.amount);
        sum.events = sum.events.saturating_add(figure.events);
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
                            whole.amount.saturating_sub(sum.amount),
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
/// The numbers of events agree in the same way, so that no carried figure can change unseen.
///
/// `previous`: the previous issue's frozen figures when it is of the same year. A definition that it did not
/// have yet carries nothing that could be compared.
#[must_use]
pub fn chain(
    definitions: &[Definition],
    figures: &Figures,
    previous: Option<&Figures>,
) -> Vec<Mismatch> {
    let mut mismatches = vec![];
    for definition in definitions {
        let figure = |span| total(figures, &definition.key, span).unwrap_or_default();
        let (year, carried) = (figure(Span::Year), figure(Span::Carried));
        let (outside, week, adjustment) =
            (figure(Span::Outside), figure(Span::WeekOfYear), figure(Span::Adjustment));
        let sum = [carried, outside, week, adjustment].into_iter().fold(Figure::default(), plus);
        if year != sum {
            mismatches.push(Mismatch {
                code: Code::ChainBroken,
                text: format!(
                    "{}: 累计 {} ≠ 上期累计 {} + 期间外 {} + 本周 {} + 调整 {} = {}（{} 件事件 ≠ {}）",
                    definition.title,
                    year.amount,
                    carried.amount,
                    outside.amount,
                    week.amount,
                    adjustment.amount,
                    sum.amount,
                    year.events,
                    sum.events,
                ),
            });
        }
        if let Some(previous) = previous.filter(|it| !is_new(definition, it)) {
            let before = total(previous, &definition.key, Span::Year).unwrap_or_default();
            if before != carried {
                mismatches.push(Mismatch {
                    code: Code::ChainBroken,
                    text: format!(
                        "{}: 上期累计 {}（{} 件事件）≠ 上期所载 {}（{} 件事件）",
                        definition.title,
                        carried.amount,
                        carried.events,
                        before.amount,
                        before.events,
                    ),
                });
            }
        }
        if year.amount < week.amount {
            mismatches.push(Mismatch {
                code: Code::ChainBroken,
                text: format!("{}: 累计 {} < 本周 {}", definition.title, year.amount, week.amount),
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
                text: format!(
                    "{what} {key:?}: {}（{} 件事件）≠ {}（{} 件事件）",
                    a.amount, a.events, b.amount, b.events
                ),
            })
        })
        .collect()
}
