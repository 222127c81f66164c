//! Personal data in a submission: numbers of identity cards and of mobile telephones.

use jiff::civil::Date;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Refusal;

use crate::compose::{Problem, place_of};
use crate::material::Material;

/// What a number is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 公民身份号码 of 18 places (GB 11643): a date of birth that exists, and the right check digit.
    Identity,
    /// 手机号码: 1, a digit from 3 to 9, nine more; also written 138-0000-0000 or with +86 before it.
    Mobile,
}

impl Kind {
    fn title(self) -> &'static str {
        match self {
            Self::Identity => "身份证号码 identity number",
            Self::Mobile => "手机号码 mobile number",
        }
    }
}

/// A number that belongs to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// What it is.
    pub kind: Kind,
    /// The first three places and the last two, the others as `*`: it is told to people and stored nowhere.
    pub masked: String,
}

/// Weights of the first 17 places (GB 11643, after ISO 7064 MOD 11-2).
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// Check digits by the weighted sum's remainder.
const CHECK_DIGITS: [u8; 11] = *b"10X98765432";

/// A digit, also a full-width one.
fn digit(c: char) -> Option<char> {
    match c {
        '0'..='9' => Some(c),
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10),
        _ => None,
    }
}

/// Finds the numbers of persons in a text. Full-width digits count as digits; a number within a longer one is none.
#[must_use]
pub fn find(text: &str) -> Vec<Personal> {
    let mut found = vec![];
    let mut rest = text;
    let mut before = None;
    while let Some(start) = rest.find(|c| digit(c).is_some()) {
        before = rest[..start].chars().next_back().or(before);
        let from = &rest[start..];
        let (run, after) = run_of_digits(from);
        let (kind, digits, after) = match after.strip_prefix(['X', 'x', 'Ｘ', 'ｘ']) {
            Some(after) if run.len() == 17 => (identity(&format!("{run}X")), run + "X", after),
            _ => match grouped(&run, after) {
                Some((digits, after)) => (mobile(&digits, before), digits, after),
                None => (identity(&run).or_else(|| mobile(&run, before)), run, after),
            },
        };
        // A run of digits ends where they end; behind an X more may follow.
        if let Some(kind) = kind.filter(|_| !after.starts_with(|c| digit(c).is_some())) {
            found.push(Personal { kind, masked: masked(&digits) });
        }
        before = digits.chars().next_back();
        rest = after;
    }
    found
}

fn run_of_digits(text: &str) -> (String, &str) {
    let end = text.find(|c| digit(c).is_none()).unwrap_or(text.len());
    (text[..end].chars().filter_map(digit).collect(), &text[end..])
}

/// A mobile number in groups of 3, 4 and 4 with one blank or hyphen between: its digits and what follows.
fn grouped<'a>(run: &str, after: &'a str) -> Option<(String, &'a str)> {
    let mut digits = run.to_owned();
    let mut rest = after;
    if run.len() != 3 {
        return None;
    }
    for _ in 0..2 {
        let (group, after) = run_of_digits(rest.strip_prefix(['-', ' ', '－'])?);
        if group.len() != 4 {
            return None;
        }
        digits.push_str(&group);
        rest = after;
    }
    Some((digits, rest))
}

fn identity(number: &str) -> Option<Kind> {
    let places = number.as_bytes();
    let (first, last) = (places.get(..17)?, places.get(17)?);
    if places.len() != 18 || first[0] == b'0' {
        return None;
    }
    let sum: u32 =
        first.iter().zip(WEIGHTS).map(|(it, weight)| u32::from(it - b'0') * weight).sum();
    let part = |from: usize, to: usize| number.get(from..to)?.parse::<i16>().ok();
    let (year, month, day) = (part(6, 10)?, part(10, 12)?, part(12, 14)?);
    let born = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let right = CHECK_DIGITS[(sum % 11) as usize] == *last;
    (right && (1850..2200).contains(&born.year())).then_some(Kind::Identity)
}

fn mobile(number: &str, before: Option<char>) -> Option<Kind> {
    // `+86` is written together with the number.
    let number = match number.strip_prefix("86") {
        Some(rest) if before == Some('+') => rest,
        _ => number,
    };
    let places = number.as_bytes();
    let mobile = places.len() == 11 && places[0] == b'1' && (b'3'..=b'9').contains(&places[1]);
    mobile.then_some(Kind::Mobile)
}

fn masked(digits: &str) -> String {
    let places = digits.chars().count();
    let shown = |index: usize| index < 3 || index + 2 >= places;
    digits.chars().enumerate().map(|(index, it)| if shown(index) { it } else { '*' }).collect()
}

fn sentence(found: &[Personal]) -> String {
    let texts: Vec<_> =
        found.iter().map(|it| format!("{} {}", it.kind.title(), it.masked)).collect();
    texts.join("、")
}

/// Refuses a text with personal data before it becomes a fact that nobody can delete.
///
/// # Errors
///
/// E.122 with the numbers, masked.
pub fn check(text: &str) -> Result<(), Refusal> {
    match find(text).as_slice() {
        [] => Ok(()),
        found => Err(Refusal::new(Code::PersonalData, sentence(found))),
    }
}

/// Submissions with personal data, filed before they were refused.
pub(super) fn problems(material: &Material) -> Vec<Problem> {
    let problem = |it: &crate::material::Submission| {
        let found = find(&it.text);
        let place = place_of(it.id.as_str(), &it.department);
        (!found.is_empty()).then(|| Problem {
            code: Code::PersonalData,
            place,
            text: sentence(&found),
        })
    };
    material.submissions.iter().filter_map(problem).collect()
}
