//! Exact numbers and the forms in which offices print them.
//!
//! Arithmetic is on fractions of 128-bit integers and never rounds; rounding happens where a template asks for it.

use num_rational::Ratio;
use num_traits::{CheckedMul as _, CheckedSub as _, Signed as _, Zero as _};

/// An exact number.
pub(crate) type Exact = Ratio<i128>;

/// Most decimals that may be asked for.
pub(crate) const DECIMALS_MAX: u32 = 12;

/// Most digits that a figure may have that comes as text.
const DIGITS_MAX: usize = 24;

const WAN: i128 = 10_000;

/// How a number is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// Decimals; negative ones round to tens, hundreds and so on.
    pub(crate) decimals: i32,
    /// Cut off instead of rounding half up.
    pub(crate) cut: bool,
    /// Leave zeros at the end of the decimals out.
    pub(crate) strip: bool,
    /// Write `+` before what is more than zero.
    pub(crate) sign: bool,
    /// In 万 from 10,000 on.
    pub(crate) wan: bool,
    /// Cut off, with 余 behind what is more than printed.
    pub(crate) over: bool,
}

impl Style {
    /// Sets what a word says.
    pub(crate) fn set(&mut self, word: &str) -> bool {
        match word {
            "half-up" => self.cut = false,
            "cut" => self.cut = true,
            "strip" => self.strip = true,
            "sign" => self.sign = true,
            "wan" => self.wan = true,
            "over" => self.over = true,
            _ => return false,
        }
        true
    }

    /// The words that [`Style::set`] knows.
    pub(crate) const WORDS: &str = "half-up, cut, strip, sign, wan, over";
}

/// Reads a number that came as text: `53316`, `-0.5`, `1,024`, `97.53%` (97.53). `None`: it is no number.
pub(crate) fn read(text: &str) -> Option<Exact> {
    let text = text.trim();
    let text = text.strip_suffix(['%', '％']).unwrap_or(text);
    let (negative, text) = match text.strip_prefix(['-', '−']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
        Some(_) => return None,
        None => (text, ""),
    };
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let rest: Vec<_> = groups.collect();
    let grouped = rest.is_empty() || (first.len() <= 3 && rest.iter().all(|it| it.len() == 3));
    let digits: String = std::iter::once(first).chain(rest).chain([decimals]).collect();
    let plain = |it: &str| it.bytes().all(|b| b.is_ascii_digit());
    if first.is_empty() || !grouped || !plain(&digits) || digits.len() > DIGITS_MAX {
        return None;
    }
    let numerator: i128 = digits.parse().ok()?;
    let denominator = power_of_ten(u32::try_from(decimals.len()).ok()?)?;
    Some(Exact::new(if negative { -numerator } else { numerator }, denominator))
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// The opposite. `None`: the smallest number that can be held has none.
pub(crate) fn opposite(value: Exact) -> Option<Exact> {
    Exact::zero().checked_sub(&value)
}

/// Without its sign. `None`: as [`opposite`].
pub(crate) fn size(value: Exact) -> Option<Exact> {
    if value.is_negative() { opposite(value) } else { Some(value) }
}

/// `value` with so many decimals, half up (away from zero) or cut off (towards zero). `None`: too large.
pub(crate) fn rounded(value: Exact, decimals: i32, cut: bool) -> Option<Exact> {
    let power = Exact::from_integer(power_of_ten(decimals.unsigned_abs())?);
    let scale = if decimals < 0 { power.recip() } else { power };
    let size = size(value)?.checked_mul(&scale)?;
    let mut whole = size.to_integer();
    let rest = size.checked_sub(&Exact::from_integer(whole))?;
    if !cut && rest >= Exact::new(1, 2) {
        whole = whole.checked_add(1)?;
    }
    let size = Exact::from_integer(whole).checked_mul(&scale.recip())?;
    Some(if value.is_negative() { -size } else { size })
}

/// `value` as printed, with the number that is printed. `None`: too large.
pub(crate) fn printed(value: Exact, style: Style) -> Option<(String, Exact)> {
    let in_wan = style.wan && size(value)? >= Exact::from_integer(WAN);
    let unit = Exact::from_integer(if in_wan { WAN } else { 1 });
    let scaled = value / unit;
    // Below 10,000 there is nothing to shorten.
    let decimals = if style.wan && !in_wan && value.is_integer() { 0 } else { style.decimals };
    let mut shown = rounded(scaled, decimals, style.cut || style.over)?;
    let mut more = style.over && shown != scaled;
    if more && shown.is_zero() && value.is_integer() {
        // 余 over nothing says nothing: such a number is printed as it is.
        (shown, more) = (scaled, false);
    }
    let mut text = plain(shown, decimals.max(0).unsigned_abs())?;
    if style.strip && text.contains('.') {
        text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    if style.sign && shown.is_positive() {
        text.insert(0, '+');
    }
    if in_wan {
        text.push('万');
    }
    if more {
        text.push('余');
    }
    Some((text, shown.checked_mul(&unit)?))
}

/// Digits of a number that has no more than these decimals.
fn plain(value: Exact, decimals: u32) -> Option<String> {
    let power = power_of_ten(decimals)?;
    let digits = size(value)?.checked_mul(&Exact::from_integer(power))?.to_integer();
    let sign = if value.is_negative() { "-" } else { "" };
    let (whole, rest) = (digits / power, digits % power);
    Some(match usize::try_from(decimals) {
        Ok(0) | Err(_) => format!("{sign}{whole}"),
        Ok(width) => format!("{sign}{whole}.{rest:0width$}"),
    })
}

/// An exact number for a record: `94`, `-7/3`.
pub(crate) fn exactly(value: Exact) -> String {
    value.to_string()
}

/// A whole number from 0 to 999,999,999,999 in Chinese numerals: 零, 十二, 一百零三, 一万二千.
pub(crate) fn chinese(value: i128) -> Option<String> {
    if value == 0 {
        return Some("零".to_owned());
    }
    if !(0..1_000_000_000_000).contains(&value) {
        return None;
    }
    let mut text = String::new();
    for (group, unit) in [(100_000_000, "亿"), (10_000, "万"), (1, "")] {
        let part = value / group % 10_000;
        if part == 0 {
            continue;
        }
        if !text.is_empty() && part < 1_000 {
            text.push('零');
        }
        text.push_str(&below_wan(part)?);
        text.push_str(unit);
    }
    Some(match text.strip_prefix("一十") {
        Some(rest) => format!("十{rest}"),
        None => text,
    })
}

/// 1 to 9999: a zero is said once between digits, and not at the end.
fn below_wan(value: i128) -> Option<String> {
    const DIGITS: [&str; 10] = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    let mut text = String::new();
    let mut zero = false;
    for (place, name) in [(1000, "千"), (100, "百"), (10, "十"), (1, "")] {
        let digit = usize::try_from(value / place % 10).ok()?;
        if digit == 0 {
            zero = !text.is_empty();
            continue;
        }
        if std::mem::take(&mut zero) {
            text.push('零');
        }
        text.push_str(DIGITS.get(digit)?);
        text.push_str(name);
    }
    Some(text)
}

/// Digit by digit: 二〇二三.
pub(crate) fn chinese_digits(value: i128) -> String {
    const DIGITS: [char; 10] = ['〇', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    value
        .to_string()
        .bytes()
        .filter_map(|it| DIGITS.get(usize::from(it.wrapping_sub(b'0'))))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn style(decimals: i32, words: &[&str]) -> Style {
        let mut style = Style { decimals, ..Style::default() };
        for word in words {
            assert!(style.set(word), "{word}");
        }
        style
    }

    #[track_caller]
    fn check(value: (i128, i128), decimals: i32, words: &[&str], text: &str) {
        let printed = printed(Exact::new(value.0, value.1), style(decimals, words)).unwrap();
        assert_eq!(printed.0, text);
    }

    #[test]
    fn decimals_are_rounded_half_up_or_cut_off() {
        check((1, 3), 2, &[], "0.33");
        check((2, 3), 2, &[], "0.67");
        check((2, 3), 2, &["cut"], "0.66");
        check((5, 1000), 2, &[], "0.01");
        check((-5, 1000), 2, &[], "-0.01");
        check((-4, 1000), 2, &[], "0.00");
        check((5, 2), 0, &[], "3");
        check((-5, 2), 0, &[], "-3");
        check((1234, 1), -2, &[], "1200");
        // 1.005 is exactly that here; a binary fraction would give 1.00.
        check((1005, 1000), 2, &[], "1.01");
    }

    #[test]
    fn zeros_are_kept_or_stripped_and_signs_written() {
        check((5, 2), 2, &[], "2.50");
        check((5, 2), 2, &["strip"], "2.5");
        check((2, 1), 2, &["strip"], "2");
        check((0, 1), 2, &["strip", "sign"], "0");
        check((100, 1), 0, &["strip"], "100");
        check((5, 2), 1, &["sign"], "+2.5");
        check((-5, 2), 1, &["sign"], "-2.5");
    }

    #[test]
    fn wan_and_over_as_offices_write_them() {
        check((123_456, 1), 2, &["wan"], "12.35万");
        check((120_000, 1), 2, &["wan", "strip"], "12万");
        check((9_999, 1), 2, &["wan"], "9999");
        check((123_456, 1), 1, &["wan", "over"], "12.3万余");
        check((120_000, 1), 1, &["wan", "over", "strip"], "12万");
        check((10_300, 1), 0, &["wan", "over"], "1万余");
        check((1_234, 1), -2, &["over"], "1200余");
        check((1_200, 1), -2, &["over"], "1200");
        check((45, 1), -2, &["over"], "45");
    }

    #[test]
    fn figures_that_come_as_text_are_read_or_left_alone() {
        let read = |text| read(text).map(exactly);
        assert_eq!(read("53316").as_deref(), Some("53316"));
        assert_eq!(read(" 97.50% ").as_deref(), Some("195/2"));
        assert_eq!(read("-0.5").as_deref(), Some("-1/2"));
        assert_eq!(read("1,024,000").as_deref(), Some("1024000"));
        for no in ["", "/", "—", "1,24", "1.", ".5", "1e3", "１２", "十二", "1 2", "1/2", "--1"]
        {
            assert_eq!(read(no), None, "{no}");
        }
        assert_eq!(read(&"9".repeat(40)), None);
    }

    #[test]
    fn chinese_numerals() {
        let all: Vec<_> = [
            0,
            1,
            10,
            12,
            20,
            100,
            103,
            110,
            111,
            1_005,
            10_000,
            10_010,
            12_000,
            100_005,
            1_000_010,
            20_300_000,
            100_000_000,
            100_010_000,
        ]
        .into_iter()
        .filter_map(chinese)
        .collect();
        assert_eq!(
            all.join(" "),
            "零 一 十 十二 二十 一百 一百零三 一百一十 一百一十一 一千零五 一万 一万零一十 一万二千 \
             十万零五 一百万零一十 二千零三十万 一亿 一亿零一万"
        );
        assert_eq!(chinese(-1), None);
        assert_eq!(chinese(1_000_000_000_000), None);
        assert_eq!(chinese_digits(2023), "二〇二三");
    }

    proptest! {
        /// Rounding is off by at most half a step, cutting by less than one, never away from zero.
        #[test]
        fn rounding_is_as_near_as_it_can_be(n in -10_i128.pow(12)..10_i128.pow(12), d in 1_i128..10_i128.pow(6), k in 0..6_i32) {
            let value = Exact::new(n, d);
            let step = Exact::new(1, 10_i128.pow(k.unsigned_abs()));
            let near = rounded(value, k, false).unwrap();
            prop_assert!((near - value).abs() <= step / Exact::from_integer(2));
            let cut = rounded(value, k, true).unwrap();
            prop_assert!((cut - value).abs() < step && cut.abs() <= value.abs());
            prop_assert_eq!(rounded(near, k, false), Some(near));
        }

        /// What is printed reads back as the number that was printed.
        #[test]
        fn a_printed_number_reads_back(n in -10_i128.pow(12)..10_i128.pow(12), d in 1_i128..10_i128.pow(6), k in 0..6_i32, strip: bool, cut: bool) {
            let style = Style { decimals: k, strip, cut, ..Style::default() };
            let (text, shown) = printed(Exact::new(n, d), style).unwrap();
            prop_assert_eq!(read(&text), Some(shown), "{}", text);
        }

        /// Shares with two decimals miss 100 by no more than half a step each.
        #[test]
        fn shares_miss_the_whole_by_their_roundings_only(parts in prop::collection::vec(0_i128..1_000_000, 1..30)) {
            let whole: i128 = parts.iter().sum();
            prop_assume!(whole > 0);
            let shares = parts.iter().map(|it| rounded(Exact::new(it * 100, whole), 2, false).unwrap());
            let off = (shares.sum::<Exact>() - Exact::from_integer(100)).abs();
            prop_assert!(off <= Exact::new(i128::try_from(parts.len()).unwrap(), 200));
        }
    }
}
