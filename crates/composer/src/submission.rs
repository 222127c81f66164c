//! The text of a submission: printed as submitted, with a few tokens that are replaced by bound figures.
//!
//! | token | prints |
//! |--|--|
//! | `{{ authorised_departments }}`, `{{ 授权部门数 }}` | number of departments authorised |
//! | `{{ figure:accepted:week }}` | a figure: key of its definition and span |
//! | `{{ figure:accepted:week:window:w01 }}` | one part of it |
//! | `{{ 受理.本周 }}`, `{{ 受理.累计 }}` | a figure by its words of print |
//!
//! Each line is a paragraph. Indents and empty lines are layout and are left out, and so are characters that
//! cannot be printed (control characters, reversals of the writing direction): nobody files them any more, and what
//! was filed before stays printable. Nothing else is changed.

use zhoubao_domain::code::Code;
use zhoubao_domain::event::Refusal;
use zhoubao_domain::figure::{Definition, Partition, Span};

use crate::checks::personal;

/// Something that a submission asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Figure { definition: String, span: Span, partition: Partition, part: String },
    AuthorisedDepartments,
}

/// A part of a paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Call(Call),
}

/// Checks a submission when it is filed: its tokens, and that it tells nothing of private persons.
///
/// # Errors
///
/// E.220 with the first token that is not known; E.122 with numbers of persons, masked.
pub fn check(text: &str, definitions: &[Definition]) -> Result<(), Refusal> {
    check_characters(text)?;
    personal::check(text)?;
    match paragraphs(text, definitions) {
        Ok(_) => Ok(()),
        Err(detail) => Err(Refusal::new(Code::Template, detail)),
    }
}

/// Refuses, in a text of a person, characters that nobody sees and that change what he does see.
///
/// # Errors
///
/// E.102 with the first control character that is no layout, or mark of the writing direction, and its line.
pub fn check_characters(text: &str) -> Result<(), Refusal> {
    let is_wrong =
        |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || is_direction(c);
    let Some((at, wrong)) = text.char_indices().find(|(_, it)| is_wrong(*it)) else {
        return Ok(());
    };
    let what = if is_direction(wrong) {
        "书写方向符 a mark of the writing direction"
    } else {
        "控制字符 a control character"
    };
    let line = text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let code = u32::from(wrong);
    let detail = format!("第{line}行含{what} U+{code:04X} in line {line} of the text");
    Err(Refusal::new(Code::Malformed, detail))
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_unprintable(c: char) -> bool {
    (c.is_control() && c != '\t') || c == '\u{FEFF}' || is_direction(c)
}

/// The paragraphs of a text of people, without indents, empty lines and characters that cannot be printed.
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.split(is_line_break)
        .map(|line| line.replace(is_unprintable, "").trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// A text of people on one line.
pub(crate) fn one_line(text: &str) -> String {
    lines(text).concat()
}

pub(crate) fn paragraphs(
    text: &str,
    definitions: &[Definition],
) -> Result<Vec<Vec<Piece>>, String> {
    lines(text).iter().map(|line| pieces(line, definitions)).collect()
}

fn pieces(line: &str, definitions: &[Definition]) -> Result<Vec<Piece>, String> {
    let mut pieces = vec![];
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((token, after)) = after.split_once("}}") else {
            return Err("有 {{ 而无 }} a `{{` without `}}`".to_owned());
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let call = call(token.trim(), definitions).ok_or_else(|| {
            format!(
                "未知引用 unknown token `{{{{ {} }}}}`, see the known ones with a submission",
                token.trim()
            )
        })?;
        pieces.push(Piece::Call(call));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

fn call(token: &str, definitions: &[Definition]) -> Option<Call> {
    if token == "authorised_departments" || token == "授权部门数" {
        return Some(Call::AuthorisedDepartments);
    }
    if let Some((title, span)) = token.split_once('.') {
        let definition = definitions.iter().find(|it| it.title == title)?;
        let span = match span {
            "本周" => Span::Week,
            "累计" | "今年以来" => Span::Year,
            _ => return None,
        };
        let (partition, part) = (Partition::Total, String::new());
        return Some(Call::Figure { definition: definition.key.clone(), span, partition, part });
    }
    let mut words = token.split(':').map(str::trim);
    let (function, key, span) = (words.next()?, words.next()?, words.next()?);
    let (partition, part) = (words.next(), words.next());
    if function != "figure" || words.next().is_some() {
        return None;
    }
    let definition = definitions.iter().find(|it| it.key == key)?.key.clone();
    let span = Span::from_word(span)?;
    let (partition, part) = match (partition, part) {
        (None, None) => (Partition::Total, String::new()),
        (Some(partition), Some(part)) if !part.is_empty() => {
            let partition = Partition::from_word(partition).filter(|it| *it != Partition::Total)?;
            (partition, part.to_owned())
        }
        _ => return None,
    };
    Some(Call::Figure { definition, span, partition, part })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definitions() -> Vec<Definition> {
        vec![Definition {
            key: "accepted".into(),
            title: "受理".into(),
            unit: "件".into(),
            meaning: String::new(),
            kinds: vec![],
        }]
    }

    #[test]
    fn known_tokens_are_taken_and_unknown_ones_refused() {
        for (token, known) in [
            ("{{ authorised_departments }}", true),
            ("{{authorised_departments}}", true),
            ("{{ 授权部门数 }}", true),
            ("{{ figure:accepted:week }}", true),
            ("{{ figure:accepted:year:window:w01 }}", true),
            ("{{ 受理.本周 }}", true),
            ("{{ 受理.上月 }}", false),
            ("{{ figure:accepted }}", false),
            ("{{ figure:accepted:month }}", false),
            ("{{ figure:handled:week }}", false),
            ("{{ figure:accepted:week:window }}", false),
            ("{{ figure:accepted:week:window: }}", false),
            ("{{ figure:accepted:week:total:x }}", false),
            ("{{ figure:accepted:week:window:w01:x }}", false),
            ("{{ figure('accepted', 'week') }}", false),
            ("{{ 7 * 7 }}", false),
            ("{{ }}", false),
            ("{{ authorised_departments", false),
            ("}} { { {%", true),
        ] {
            assert_eq!(check(&format!("共{token}个"), &definitions()).is_ok(), known, "{token}");
        }
        let refusal = check("{{ x }}", &definitions()).unwrap_err();
        assert_eq!(refusal.code, Code::Template);
    }

    #[test]
    fn lines_lose_indents_and_unprintable_characters_only() {
        let text =
            "\u{FEFF}　　一、“甲”  乙。\r\n\r\n  二、\u{202E}丙\u{0007}丁；签定\t戊\u{2028}三、  ";
        assert_eq!(lines(text), ["一、“甲”  乙。", "二、丙丁；签定\t戊", "三、"]);
    }
}
