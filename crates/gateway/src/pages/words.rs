//! What the editor changed in the words of a department.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// A run of words that stayed, went, or came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) text: String,
    pub(crate) gone: bool,
    pub(crate) new: bool,
}

/// After this long what is left of two texts is taken for replaced: a page is not kept waiting.
const LONGEST: Duration = Duration::from_millis(100);

/// The difference of two texts, by words; a Chinese character is one.
pub(crate) fn changed(before: &str, after: &str) -> Vec<Run> {
    let words = TextDiff::configure().timeout(LONGEST).diff_unicode_words(before, after);
    let mut runs: Vec<Run> = vec![];
    for it in words.iter_all_changes() {
        let (gone, new) = (it.tag() == ChangeTag::Delete, it.tag() == ChangeTag::Insert);
        match runs.last_mut() {
            Some(run) if (run.gone, run.new) == (gone, new) => run.text.push_str(it.value()),
            _ => runs.push(Run { text: it.value().to_owned(), gone, new }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(before: &str, after: &str) -> String {
        let runs = changed(before, after).into_iter();
        runs.map(|it| match (it.gone, it.new) {
            (true, _) => format!("-{}-", it.text),
            (_, true) => format!("+{}+", it.text),
            _ => it.text,
        })
        .collect()
    }

    #[test]
    fn what_went_and_what_came_is_marked_word_by_word() {
        assert_eq!(
            marked("窗口共受理35件，均已办结。", "窗口受理36件，全部办结。"),
            "窗口-共-受理-35-+36+件，-均已-+全部+办结。"
        );
        assert_eq!(marked("一、a\n二、b", "一、a\n二、b"), "一、a\n二、b");
        assert_eq!(marked("", "新"), "+新+");
    }

    #[test]
    fn two_long_texts_that_have_nothing_in_common_are_compared_in_bounded_time() {
        let (before, after) = ("甲乙丙".repeat(2_700), "丁戊己".repeat(2_700));
        let runs = changed(&before, &after);
        let of = |wanted: fn(&Run) -> bool| -> String {
            runs.iter().filter(|it| wanted(it)).map(|it| it.text.as_str()).collect()
        };
        assert_eq!(of(|it| !it.new), before);
        assert_eq!(of(|it| !it.gone), after);
    }
}
