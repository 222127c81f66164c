//! Dates of print: no leading zeros, Arabic digits.

use jiff::civil::Date;
use zhoubao_domain::calendar::Period;

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
    fn dates_have_no_leading_zeros() {
        assert_eq!(full(date(2023, 2, 3)), "2023年2月3日");
        assert_eq!(short_in(date(2022, 12, 31), 2023), "2022年12月31日");
    }
}
