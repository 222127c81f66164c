//! Numbers of headings and items: 一、 （一） 1. （1）.

use serde::Deserialize;

/// Largest number that can be written in Chinese numerals here; no issue has more sections or items.
pub const NUMBER_MAX: usize = 99;

/// A style of numbering. In a template it is written as its first number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Numbering {
    /// 一、二、三、
    #[serde(rename = "一、")]
    Chinese,
    /// （一）（二）（三）
    #[serde(rename = "（一）")]
    ChineseBracketed,
    /// 1.2.3.
    #[serde(rename = "1.")]
    Arabic,
    /// （1）（2）（3）
    #[serde(rename = "（1）")]
    ArabicBracketed,
}

impl Numbering {
    /// The styles of heading levels 1 to 4 (GB/T 9704).
    pub const LEVELS: [Self; 4] =
        [Self::Chinese, Self::ChineseBracketed, Self::Arabic, Self::ArabicBracketed];

    /// The style that a template writes as its first number.
    pub(crate) fn from_first(text: &str) -> Option<Self> {
        Self::LEVELS.into_iter().find(|it| it.marker(1).as_deref() == Some(text))
    }

    /// The marker of `number`, from 1 to [`NUMBER_MAX`].
    #[must_use]
    pub fn marker(self, number: usize) -> Option<String> {
        let chinese = chinese_numeral(number)?;
        Some(match self {
            Self::Chinese => format!("{chinese}、"),
            Self::ChineseBracketed => format!("（{chinese}）"),
            Self::Arabic => format!("{number}."),
            Self::ArabicBracketed => format!("（{number}）"),
        })
    }
}

/// `number` in Chinese numerals, from 1 to [`NUMBER_MAX`]: 一, 十, 十一, 二十, 九十九.
#[must_use]
pub fn chinese_numeral(number: usize) -> Option<String> {
    const DIGITS: [&str; 10] = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    if !(1..=NUMBER_MAX).contains(&number) {
        return None;
    }
    let (tens, units) = (number / 10, number % 10);
    Some(match tens {
        0 => DIGITS[units].to_owned(),
        1 => format!("十{}", DIGITS[units]),
        _ => format!("{}十{}", DIGITS[tens], DIGITS[units]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_numerals_go_from_1_to_99() {
        let numerals = |numbers: &[usize]| {
            numbers.iter().filter_map(|it| chinese_numeral(*it)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            numerals(&[1, 2, 9, 10, 11, 19, 20, 21, 30, 99]),
            "一 二 九 十 十一 十九 二十 二十一 三十 九十九"
        );
        assert_eq!(chinese_numeral(0), None);
        assert_eq!(chinese_numeral(100), None);
        let all: std::collections::BTreeSet<_> = (1..=99).filter_map(chinese_numeral).collect();
        assert_eq!(all.len(), 99);
    }

    #[test]
    fn every_style_has_its_punctuation() {
        let markers: Vec<_> = Numbering::LEVELS.iter().filter_map(|it| it.marker(12)).collect();
        assert_eq!(markers, ["十二、", "（十二）", "12.", "（12）"]);
        assert_eq!(Numbering::Arabic.marker(0), None);
    }
}
