//! Dates of print: no leading zeros, Arabic digits.

use jiff::civil::Date;
use zhoubao_domain::calendar::Period;

use crate::language::number::{chinese, chinese_digits};

/// `2023年2月20日`.
#[must_use]
pub fn full(date: Date) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

/// `2月20日`.
#[must_use]
pub fn short(date: Date) -> String {
    format!("{}月{}日", date.month(), date.day())
}

/// `2月20日`, with its year where that is not `year`.
#[must_use]
pub fn short_in(date: Date, year: i16) -> String {
    if date.year() == year { short(date) } else { full(date) }
}

/// `2月6日—2月10日`, with one U+2014; a period that crosses New Year prints the years of both ends, and a period
/// of one day that day once.
#[must_use]
pub fn period(period: Period) -> String {
    let (first, last) = (period.first(), period.last());
    if first == last {
        short(first)
    } else if first.year() == last.year() {
        format!("{}—{}", short(first), short(last))
    } else {
        format!("{}—{}", full(first), full(last))
    }
}

/// A date in a form of offices; none for a form that dates do not have.
///
/// | form | prints |
/// |--|--|
/// | `full` | 2023年2月6日 |
/// | `short` | 2月6日 |
/// | `month` | 2023年2月 |
/// | `dotted` | 2023.02.06 |
/// | `iso` | 2023-02-06 |
/// | `week` | 2023年第6周 (ISO 8601) |
/// | `chinese` | 二〇二三年二月六日 |
/// | `numeral` | 二月六日 |
#[must_use]
pub(crate) fn date_as(date: Date, form: &str) -> Option<String> {
    let (year, month, day) = (date.year(), date.month(), date.day());
    let numeral = |it: i8| chinese(it.into());
    Some(match form {
        "full" => full(date),
        "short" => short(date),
        "month" => format!("{year}年{month}月"),
        "dotted" => format!("{year}.{month:02}.{day:02}"),
        "iso" => date.to_string(),
        "week" => {
            let week = date.iso_week_date();
            format!("{}年第{}周", week.year(), week.week())
        }
        "chinese" => {
            format!("{}年{}月{}日", chinese_digits(year.into()), numeral(month)?, numeral(day)?)
        }
        "numeral" => format!("{}月{}日", numeral(month)?, numeral(day)?),
        _ => return None,
    })
}

/// A period in a form of offices; none for a form that it does not have.
///
/// | form | prints |
/// |--|--|
/// | `short` | 2月6日—2月10日, as [`period`] |
/// | `full` | 2023年2月6日—2023年2月10日 |
/// | `range` | 2023年2月6日至10日, 2023年2月27日至3月3日 |
/// | `month` | 2023年2月, 2023年1月至2月 |
/// | `week` | 2023年第6周, of its last day |
/// | `dotted` | 2023.02.06—2023.02.10 |
/// | `iso` | 2023-02-06/2023-02-10 |
#[must_use]
pub(crate) fn period_as(of: Period, form: &str) -> Option<String> {
    let (first, last) = (of.first(), of.last());
    let both = |form, between| {
        let (from, to) = (date_as(first, form)?, date_as(last, form)?);
        Some(if from == to { from } else { format!("{from}{between}{to}") })
    };
    match form {
        "short" => Some(period(of)),
        "full" | "dotted" => both(form, "—"),
        "iso" => Some(format!("{first}/{last}")),
        "week" => date_as(last, form),
        "month" if first.year() == last.year() && first.month() != last.month() => {
            Some(format!("{}年{}月至{}月", first.year(), first.month(), last.month()))
        }
        "month" => both(form, "至"),
        "range" => Some(if first == last {
            full(first)
        } else if (first.year(), first.month()) == (last.year(), last.month()) {
            format!("{}至{}日", full(first), last.day())
        } else if first.year() == last.year() {
            format!("{}至{}", full(first), short(last))
        } else {
            format!("{}至{}", full(first), full(last))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_period_prints_years_only_across_new_year() {
        let text = |first, last| period(Period::new(first, last).unwrap());
        assert_eq!(text(date(2023, 2, 6), date(2023, 2, 10)), "2月6日—2月10日");
        assert_eq!(text(date(2022, 12, 26), date(2023, 1, 6)), "2022年12月26日—2023年1月6日");
        assert_eq!(text(date(2023, 2, 6), date(2023, 2, 6)), "2月6日");
    }

    #[test]
    fn dates_and_periods_in_the_forms_of_offices() {
        let day = date(2023, 2, 6);
        let forms = ["full", "short", "month", "dotted", "iso", "week", "chinese", "numeral"];
        let texts: Vec<_> = forms.iter().filter_map(|it| date_as(day, it)).collect();
        assert_eq!(
            texts.join(" "),
            "2023年2月6日 2月6日 2023年2月 2023.02.06 2023-02-06 2023年第6周 二〇二三年二月六日 二月六日"
        );
        // The first days of a year may lie in the last week of the one before.
        assert_eq!(date_as(date(2023, 1, 1), "week").as_deref(), Some("2022年第52周"));
        let text = |first, last, form| period_as(Period::new(first, last).unwrap(), form).unwrap();
        assert_eq!(text(day, date(2023, 2, 10), "range"), "2023年2月6日至10日");
        assert_eq!(text(date(2023, 2, 27), date(2023, 3, 3), "range"), "2023年2月27日至3月3日");
        assert_eq!(
            text(date(2022, 12, 26), date(2023, 1, 6), "range"),
            "2022年12月26日至2023年1月6日"
        );
        assert_eq!(text(day, day, "range"), "2023年2月6日");
        assert_eq!(text(date(2023, 2, 1), date(2023, 2, 28), "month"), "2023年2月");
        assert_eq!(text(date(2023, 1, 1), date(2023, 2, 28), "month"), "2023年1月至2月");
        assert_eq!(text(day, date(2023, 2, 12), "week"), "2023年第6周");
        assert_eq!(text(day, date(2023, 2, 12), "dotted"), "2023.02.06—2023.02.12");
        assert_eq!(date_as(day, "range"), None);
        assert_eq!(period_as(Period::new(day, day).unwrap(), "chinese"), None);
    }

    #[test]
    fn dates_have_no_leading_zeros() {
        assert_eq!(full(date(2023, 2, 3)), "2023年2月3日");
        assert_eq!(short_in(date(2022, 12, 31), 2023), "2022年12月31日");
    }
}
