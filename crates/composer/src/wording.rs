//! Evaluation of wordings: minijinja stays a plain text engine.
//!
//! Every value and every function result reaches the engine as a *mark*: two private-use characters around an
//! index. After rendering the text is split at the marks and each index is looked up. Texts of people never go
//! through the engine, so a mark that somebody typed into one is only a character; in a template it is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use zhoubao_domain::figure::{Definition, Partition, Span};

use crate::document::{Inline, Measure};

const MARK_BEGIN: char = '\u{E000}';
const MARK_END: char = '\u{E001}';

/// Instructions that one wording may take: some hundred calls.
const FUEL: u64 = 20_000;

/// Largest wording, in bytes.
pub(crate) const WORDING_BYTES_MAX: usize = 4 * 1024;

/// Something that a wording or a submission asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Figure { definition: String, span: Span, partition: Partition, part: String },
    AuthorisedDepartments,
    Amounts { span: Span },
    ByDay { span: Span },
    Adjustments,
    Statistic { class: String, measure: Measure },
}

/// A part of a rendered wording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Inlines(Vec<Inline>),
    Call(Call),
}

/// The known figures of a wording: keys and titles.
pub(crate) fn definition_named<'a>(
    definitions: &'a [Definition],
    key: &str,
) -> Option<&'a Definition> {
    definitions.iter().find(|it| it.key == key)
}

pub(crate) struct Engine {
    environment: Environment<'static>,
    parts: Arc<Mutex<Vec<Part>>>,
}

fn push(parts: &Mutex<Vec<Part>>, part: Part) -> String {
    let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
    parts.push(part);
    format!("{MARK_BEGIN}{}{MARK_END}", parts.len() - 1)
}

fn wrong(text: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, text)
}

fn span_named(word: &str) -> Result<Span, Error> {
    Span::from_word(word).ok_or_else(|| {
        let known: Vec<_> = Span::ALL.iter().map(|it| it.word()).collect();
        wrong(format!("未知范围 unknown span `{word}`, expected one of {}", known.join(", ")))
    })
}

impl Engine {
    pub(crate) fn new(definitions: &[Definition]) -> Self {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(32);
        let parts = Arc::new(Mutex::new(vec![]));
        let keys: Vec<String> = definitions.iter().map(|it| it.key.clone()).collect();

        let own = Arc::clone(&parts);
        environment.add_function(
            "figure",
            move |key: String, span: String, partition: Option<String>, part: Option<String>| {
                if !keys.contains(&key) {
                    let known = keys.join(", ");
                    return Err(wrong(format!(
                        "未知指标 unknown figure `{key}`, expected one of {known}"
                    )));
                }
                let word = partition.as_deref().unwrap_or(Partition::Total.word());
                let partition = Partition::from_word(word)
                    .ok_or_else(|| wrong(format!("未知分项 unknown partition `{word}`")))?;
                if (partition == Partition::Total) != part.is_none() {
                    let form =
                        "figure('accepted', 'week') or figure('accepted', 'week', 'window', 'w01')";
                    return Err(wrong(format!("分项须写明 a partition needs its part: {form}")));
                }
                let part = part.unwrap_or_default();
                let call =
                    Call::Figure { definition: key, span: span_named(&span)?, partition, part };
                Ok(push(&own, Part::Call(call)))
            },
        );
        let own = Arc::clone(&parts);
        environment.add_function("amounts", move |span: String| {
            Ok(push(&own, Part::Call(Call::Amounts { span: span_named(&span)? })))
        });
        let own = Arc::clone(&parts);
        environment.add_function("by_day", move |span: String| {
            Ok(push(&own, Part::Call(Call::ByDay { span: span_named(&span)? })))
        });
        let own = Arc::clone(&parts);
        environment.add_function("adjustments", move || push(&own, Part::Call(Call::Adjustments)));
        let own = Arc::clone(&parts);
        environment.add_function("statistic", move |class: String, measure: String| {
            let measure = [Measure::Accepted, Measure::Finished]
                .into_iter()
                .find(|it| it.word() == measure)
                .ok_or_else(|| {
                    wrong(format!(
                        "未知数值 unknown measure `{measure}`, expected accepted or finished"
                    ))
                })?;
            Ok(push(&own, Part::Call(Call::Statistic { class, measure })))
        });
        Self { environment, parts }
    }

    /// Renders `wording` with the named values.
    pub(crate) fn render(
        &self,
        wording: &str,
        names: &[(&'static str, Vec<Inline>)],
    ) -> Result<Vec<Part>, String> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Some(what) = misfit(wording) {
            return Err(what);
        }
        let mut values: BTreeMap<&'static str, String> = names
            .iter()
            .map(|(name, inlines)| (*name, push(&self.parts, Part::Inlines(inlines.clone()))))
            .collect();
        let departments = push(&self.parts, Part::Call(Call::AuthorisedDepartments));
        values.insert("authorised_departments", departments);
        if let Some(unknown) = names_in(wording).find(|it| !values.contains_key(it)) {
            let known: Vec<_> = values.into_keys().collect();
            let known = known.join(", ");
            return Err(format!("未知名称 unknown name `{unknown}`, expected one of {known}"));
        }
        let context = Value::from_pairs(values);
        let rendered =
            self.environment.render_str(wording, context).map_err(|error| describe(&error))?;
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        split(&rendered, &parts)
    }
}

fn describe(error: &Error) -> String {
    match error.kind() {
        ErrorKind::UnknownFunction => {
            format!("未知函数 unknown function: {}", error.detail().unwrap_or_default())
        }
        _ => error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
    }
}

fn split(rendered: &str, parts: &[Part]) -> Result<Vec<Part>, String> {
    let broken = || "不能对数值再作运算 a value may be printed, not computed with".to_owned();
    let mut split = vec![];
    let mut rest = rendered;
    while let Some((before, after)) = rest.split_once(MARK_BEGIN) {
        let (index, after) = after.split_once(MARK_END).ok_or_else(broken)?;
        let part = index.parse::<usize>().ok().and_then(|it| parts.get(it)).ok_or_else(broken)?;
        if !before.is_empty() {
            split.push(Part::Text(before.to_owned()));
        }
        split.push(part.clone());
        rest = after;
    }
    if rest.contains(MARK_END)
        || split.iter().any(|it| matches!(it, Part::Text(text) if text.contains(MARK_END)))
    {
        return Err(broken());
    }
    if !rest.is_empty() {
        split.push(Part::Text(rest.to_owned()));
    }
    Ok(split)
}

/// Says what is wrong with a wording before it is evaluated: its size, control characters, marks, and anything
/// between `{{` and `}}` that is not a name or a call with quoted words. Without operators, branches and loops a
/// wording cannot grow or hang, and rendering it once for a check reaches all of it.
pub(crate) fn misfit(wording: &str) -> Option<String> {
    if wording.len() > WORDING_BYTES_MAX {
        return Some("过长 longer than 4 KB".to_owned());
    }
    if wording.contains("{%") || wording.contains("{#") {
        return Some(
            "只许 {{ … }} only expressions are allowed, no statements or comments".to_owned(),
        );
    }
    let mut rest = wording;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((expression, after)) = after.split_once("}}") else {
            return Some("有 {{ 而无 }} a `{{` without `}}`".to_owned());
        };
        if before.contains("}}") {
            break;
        }
        if !is_expression(expression.trim()) {
            let form = "expected a name or a call such as figure('accepted', 'week')";
            return Some(format!("表达式有误 wrong expression `{}`, {form}", expression.trim()));
        }
        rest = after;
    }
    if rest.contains("}}") {
        return Some("有 }} 而无 {{ a `}}` without `{{`".to_owned());
    }
    plain_misfit(wording).map(str::to_owned)
}

/// The names that a wording prints.
fn names_in(wording: &str) -> impl Iterator<Item = &str> {
    let expressions = wording.split("{{").skip(1).filter_map(|it| it.split("}}").next());
    expressions.map(str::trim).filter(|it| !it.contains('('))
}

/// `name` or `name('word', "word")`.
fn is_expression(text: &str) -> bool {
    let is_name = |it: &str| {
        !it.is_empty()
            && it.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let is_word = |it: &str| {
        let quoted = |quote| it.len() >= 2 && it.starts_with(quote) && it.ends_with(quote);
        (quoted('\'') || quoted('"'))
            && !it[1..it.len() - 1].contains(['\'', '"', '\\', '{', '}', '(', ')', ','])
    };
    match text.split_once('(') {
        None => is_name(text),
        Some((name, arguments)) => arguments.strip_suffix(')').is_some_and(|arguments| {
            let none = arguments.trim().is_empty();
            is_name(name.trim_end()) && (none || arguments.split(',').all(|it| is_word(it.trim())))
        }),
    }
}

/// Says what is wrong with a plain text of a template.
pub(crate) fn plain_misfit(text: &str) -> Option<&'static str> {
    if text.chars().any(|c| c == MARK_BEGIN || c == MARK_END) {
        return Some("含保留字符 contains a reserved character (U+E000 or U+E001)");
    }
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Some("含控制符或换行 contains a line break or control character");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        let definition = |key: &str| Definition {
            key: key.into(),
            title: "受理".into(),
            unit: "件".into(),
            meaning: String::new(),
            kinds: vec![],
        };
        Engine::new(&[definition("accepted")])
    }

    #[test]
    fn a_value_with_marks_in_it_is_printed_and_never_looked_up() {
        let hostile = vec![Inline::words("甲\u{E000}1\u{E001}乙")];
        let parts = engine().render("{{ name }}。", &[("name", hostile.clone())]).unwrap();
        assert_eq!(parts, [Part::Inlines(hostile), Part::Text("。".into())]);
    }

    #[test]
    fn hostile_wordings_end_with_an_error() {
        let engine = engine();
        for wording in [
            "{{ 'x' * 1000000000 }}",
            "{{ nothing }}",
            "{{ figure('handled', 'week') }}",
            "{{ figure('accepted', 'month') }}",
            "{{ figure('accepted') }}",
            "{{ figure('accepted', 'week', 'window') }}",
            "{{ figure('accepted', 'week')[0] }}",
            "{{ figure('accepted', 'week') + 1 }}",
            "{{ authorised_departments|upper }}",
            "{{ system('id') }}",
            "{{ figure",
            "}} {{ authorised_departments",
            "{{ 'a' if true else figure('x', 'y') }}",
            "{% for x in range(9) %}{% endfor %}",
            "{# #}",
            "甲\u{E000}0\u{E001}",
            "甲\n乙",
        ] {
            assert!(engine.render(wording, &[]).is_err(), "{wording}");
        }
        let many = "{{ [[1] * 90000] * 900 ~ '' }}".repeat(40);
        assert!(engine.render(&many, &[]).is_err());
        let deep = format!("{{{{ {}1{} }}}}", "(".repeat(2000), ")".repeat(2000));
        assert!(engine.render(&deep, &[]).is_err());
    }
}
