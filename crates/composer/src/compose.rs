//! Material and template become a document, or a list of everything that prevents it.

use std::collections::BTreeSet;

use jiff::civil::Date;
use sha2::{Digest as _, Sha256};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::InspectionResult;
use zhoubao_domain::figure::{Partition, Span};
use zhoubao_domain::finding::Finding;
use zhoubao_domain::id::Digest;
use zhoubao_domain::reconcile;

use crate::checks;
use crate::dates;
use crate::document::{
    Block, BlockKind, Document, Field, FigureSource, Inline, LineHead, Metadata, Origin, TreeRoot,
    digit_runs, unbound_numbers,
};
use crate::figures;
use crate::language::evaluate::{Evaluator, Failed, Printed, Scope};
use crate::language::syntax::Body;
use crate::material::{Material, Scope as Change, Submission};
use crate::numbering::Numbering;
use crate::submission::{self, Call, Piece};
use crate::template::{HolderWordings, Kind, MastheadKind, Note, Section, Template, When, at_line};

/// Something to put right, or to look at and accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The stable code, such as `E.301`.
    pub code: Code,
    /// Where: a section's heading, or a submission.
    pub place: String,
    /// One sentence with the offending values.
    pub text: String,
}

impl Problem {
    /// The problem as something that has to be settled before its issue is signed: with the digest of code, place
    /// and text, a zero byte between, by which a person's acceptance names it.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let Self { code, place, text } = self;
        let bytes = [code.text(), place, text].join("\0");
        let digest = Digest::new(Sha256::digest(bytes).into());
        Finding { code: *code, place: place.clone(), text: text.clone(), digest }
    }
}

/// A document with what has to be looked at before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The document.
    pub document: Document,
    /// What the checks found, check by check, and within one in order of print. Besides `W.` codes these are `E.401` (the issue says that no round
    /// was held) and `E.305` (days not closed, but no claim rests on them), and what blocks the sign-off only
    /// (E.122). See [`zhoubao_domain::finding::Standing`] for what has to become of each.
    pub warnings: Vec<Problem>,
}

/// Nothing was composed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(problems))]
pub struct ComposeError {
    /// Everything that prevents it.
    pub problems: Vec<Problem>,
}

impl ComposeError {
    /// The same as findings.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.problems.iter().map(Problem::finding).collect()
    }
}

fn list(problems: &[Problem]) -> String {
    let texts: Vec<_> =
        problems.iter().map(|it| format!("{}: {} ({})", it.place, it.text, it.code)).collect();
    texts.join("；")
}

/// Composes one issue.
///
/// # Errors
///
/// All problems at once: sums that do not come out (E.302, E.303), sections without content (E.301), claims that
/// the record does not cover (E.305), and names that are not known (E.220).
pub fn compose(material: &Material, template: &Template) -> Result<Composed, ComposeError> {
    let mut composer = Composer {
        material,
        evaluator: Evaluator::new(material, template),
        template,
        blocks: vec![],
        problems: vec![],
        warnings: vec![],
    };
    composer.reconcile();
    composer.settings();
    composer.masthead();
    composer.stray_submissions();
    let blocks = composer.sections(&template.sections, 1);
    composer.blocks.extend(blocks);
    composer.imprint();
    composer.coverage();

    let Composer { mut blocks, problems, mut warnings, .. } = composer;
    if !problems.is_empty() {
        return Err(ComposeError { problems });
    }
    let mark = if material.training { "【培训】" } else { "" };
    if let Some(first) = blocks.first_mut().filter(|_| material.training) {
        // Here and not by the template, which a hall may change.
        first.inlines.insert(0, Inline::words(mark));
    }
    let metadata = Metadata {
        title: format!("{mark}{}", template.title),
        hall: material.hall.clone(),
        training: material.training,
        publisher: material.publisher.clone(),
        year: material.year,
        number: material.number,
        running_number: material.running_number,
        amendment: material.amendment.clone(),
        proposed: material.proposed,
        issued_on: material.issued_on,
        first_day: material.period.first(),
        last_day: material.period.last(),
        position: material.position,
        definitions: material.definitions_digest,
        template: template.digest(),
        tree: material.tree.as_ref().map(|it| TreeRoot {
            hash: it.hash.word().to_owned(),
            size: it.size,
            root: it.root,
        }),
        // Without a root there is nothing to hold them against.
        heads: material
            .heads
            .iter()
            .filter(|_| material.tree.is_some())
            .map(|it| LineHead { terminal: it.terminal.to_string(), number: it.number })
            .collect(),
    };
    let document = Document { metadata, blocks };
    warnings.extend(unbound_numbers(&document).into_iter().map(|it| Problem {
        code: Code::UntracedNumber,
        place: "模板 template".to_owned(),
        text: format!("数字 {} 无来源 has no source: {}", it.digits, it.paragraph),
    }));
    warnings.extend(checks::all(&document, material, template));
    Ok(Composed { document, warnings })
}

struct Composer<'a> {
    material: &'a Material,
    template: &'a Template,
    evaluator: Evaluator<'a>,
    blocks: Vec<Block>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

type Names = Vec<(&'static str, Vec<Inline>)>;

/// One item of a list: its paragraphs and where they come from.
struct Item {
    paragraphs: Vec<Vec<Inline>>,
    origin: Origin,
}

fn field(field: Field, text: impl ToString) -> Vec<Inline> {
    vec![Inline::Field { field, text: text.to_string() }]
}

fn name(text: &str) -> Vec<Inline> {
    field(Field::Name, submission::one_line(text))
}

fn date(date: Date) -> Vec<Inline> {
    field(Field::Date, dates::full(date))
}

/// Joins neighbouring words, so that a text is one run however it was put together.
pub(crate) fn merged(inlines: impl IntoIterator<Item = Inline>) -> Vec<Inline> {
    let mut merged: Vec<Inline> = vec![];
    for inline in inlines {
        match (merged.last_mut(), inline) {
            (_, Inline::Text { text }) if text.is_empty() => {}
            (Some(Inline::Text { text: before }), Inline::Text { text }) => before.push_str(&text),
            (_, inline) => merged.push(inline),
        }
    }
    merged
}

/// Joins lists of inlines with a word between them.
pub(crate) fn joined(lists: Vec<Vec<Inline>>, between: &str) -> Vec<Inline> {
    let mut all = vec![];
    for (index, list) in lists.into_iter().enumerate() {
        if index > 0 {
            all.push(Inline::words(between));
        }
        all.extend(list);
    }
    merged(all)
}

impl Composer<'_> {
    fn problem(&mut self, code: Code, place: &str, text: impl Into<String>) {
        self.problems.push(Problem { code, place: place.to_owned(), text: text.into() });
    }

    fn warn(&mut self, code: Code, place: &str, text: impl Into<String>) {
        self.warnings.push(Problem { code, place: place.to_owned(), text: text.into() });
    }

    fn reconcile(&mut self) {
        let (definitions, figures) = (&self.material.definitions, &self.material.figures);
        let mismatches = reconcile::partitions(definitions, figures)
            .into_iter()
            .chain(reconcile::chain(definitions, figures, None));
        for it in mismatches {
            self.problem(it.code, "勾稽", it.text);
        }
    }

    // Wordings.

    /// What the issue sets must be something that the template asks for.
    fn settings(&mut self) {
        let known = self.template.settable();
        for name in self.material.parameters.keys().filter(|it| !known.contains_key(it.as_str())) {
            let known: Vec<_> = known.keys().copied().collect();
            let known = known.join(", ");
            let text = format!("模板没有参数 the template has no `{name}` to set, only: {known}");
            self.problem(Code::Template, "参数 parameters", text);
        }
    }

    fn report(&mut self, place: &str, failed: Vec<Failed>) {
        for Failed { line, failure } in failed {
            // What is missing is missing wherever it is asked for: the first place is enough.
            let known = |it: &Problem| it.code == failure.code && it.text.ends_with(&failure.text);
            if !self.problems.iter().any(known) {
                self.problem(failure.code, place, at_line(line, &failure.text));
            }
        }
    }

    /// Prints one paragraph; a problem is reported and leaves its part of the text empty.
    fn render(&mut self, place: &str, wording: &Body, own: Names) -> Vec<Inline> {
        let (inlines, failed) = self.evaluator.wording(wording, Scope::with(own));
        self.report(place, failed);
        inlines
    }

    /// A figure that a submission asks for.
    fn resolve(&mut self, place: &str, call: &Call) -> Vec<Inline> {
        let material = self.material;
        match call {
            Call::Figure { definition, span, partition, part } => {
                let Some(definition) = material.definitions.iter().find(|it| it.key == *definition)
                else {
                    let text = format!("未知指标 unknown figure `{definition}`");
                    self.problem(Code::Template, place, text);
                    return vec![];
                };
                let figure = material.figure(&definition.key, *span, *partition, part);
                if figure.is_none() && *partition == Partition::Total {
                    // `reconcile` has reported the missing total.
                    return vec![];
                }
                // A part without a row counted nothing: the parts are known to sum to the total.
                let figure = figure.unwrap_or_default();
                vec![figures::counted(material, definition, *span, *partition, part, figure, None)]
            }
            Call::AuthorisedDepartments => vec![figures::register(material)],
        }
    }

    // Masthead and imprint.

    fn push(&mut self, kind: BlockKind, marker: String, inlines: Vec<Inline>) {
        self.blocks.push(Block::new(kind, "", marker, inlines, Origin::Template));
    }

    fn masthead(&mut self) {
        let template = self.template;
        for line in &template.masthead {
            let wording = match (self.material.proposed, &line.pending) {
                (true, Some(pending)) => pending,
                _ => &line.wording,
            };
            let mut own = vec![];
            if line.kind == MastheadKind::IssueDate && std::ptr::eq(wording, &line.wording) {
                let Some(issued_on) = self.material.issued_on else { continue };
                own.push(("issued_on", date(issued_on)));
            }
            let mut inlines = self.render("报头 masthead", wording, own);
            if line.kind == MastheadKind::IssueNumber {
                inlines.extend(self.amendment());
            }
            self.push(line.kind.block(), String::new(), inlines);
        }
    }

    /// What is printed after the number of a version that is not the first. Here and not by the template, which a hall
    /// may change.
    fn amendment(&self) -> Vec<Inline> {
        match self.material.amendment.as_ref().map(|it| it.version) {
            None => vec![],
            Some(2) => vec![Inline::words("（更正版）")],
            Some(version) => {
                let text = version.saturating_sub(1).to_string();
                let times = Inline::Field { field: Field::Ordinal, text };
                vec![Inline::words("（第"), times, Inline::words("次更正版）")]
            }
        }
    }

    fn imprint(&mut self) {
        let template = self.template;
        for it in &template.distribution {
            let inlines = vec![Inline::words(format!("{}。", it.to))];
            self.push(BlockKind::DistributionLine, format!("{}：", it.kind), inlines);
        }
        if let Some(wording) = &template.print_run_wording {
            let inlines = self.render("版记 imprint", wording, vec![]);
            self.push(BlockKind::PrintRun, String::new(), inlines);
        }
    }

    // Sections.

    fn sections(&mut self, sections: &[Section], level: usize) -> Vec<Block> {
        let mut blocks = vec![];
        let mut ordinal = 0;
        for section in sections {
            let before = self.problems.len();
            match section.when.as_ref().map(|it| self.evaluator.holds(it)) {
                None | Some(Ok(true)) => {}
                Some(Ok(false)) => continue,
                Some(Err(failed)) => {
                    self.report(&section.title, vec![failed]);
                    continue;
                }
            }
            let body = self.body(section, level);
            if body.is_empty() {
                if section.required && self.problems.len() == before {
                    let text = format!("「{}」没有内容 has nothing to print", section.title);
                    self.problem(Code::EmptySection, &section.title, text);
                }
                continue;
            }
            let heading = self.render(&section.title, &section.heading, vec![]);
            ordinal += 1;
            let marker = Numbering::LEVELS.get(level - 1).and_then(|it| it.marker(ordinal));
            let kind = BlockKind::Heading { level: u8::try_from(level).unwrap_or(u8::MAX) };
            let marker = marker.unwrap_or_default();
            blocks.push(Block::new(kind, &section.key, marker, heading, Origin::Template));
            blocks.extend(body);
        }
        blocks
    }

    fn body(&mut self, section: &Section, level: usize) -> Vec<Block> {
        match &section.kind {
            Kind::Group(inner) => self.sections(inner, level + 1),
            Kind::Text(body) => self.text(section, body),
            Kind::Figures { wording, notes } => self.figures(section, wording, notes),
            Kind::AuthorizationScope { .. } => self.scope(section),
            Kind::Items { numbering, holders } => self.items(section, *numbering, holders.as_ref()),
            Kind::Statistics { classes, wording, .. } => self.statistics(section, classes, wording),
            Kind::Inspection { .. } => self.inspection(section),
        }
    }

    fn paragraph(section: &Section, inlines: Vec<Inline>, origin: Origin) -> Block {
        Block::new(BlockKind::Paragraph, &section.key, "", inlines, origin)
    }

    fn text(&mut self, section: &Section, body: &Body) -> Vec<Block> {
        let (printed, failed) = self.evaluator.paragraphs(body);
        self.report(&section.title, failed);
        let mut blocks = vec![];
        let block = |kind, marker, inlines| {
            Block::new(kind, &section.key, marker, inlines, Origin::Computed)
        };
        for it in printed {
            match it {
                Printed::Paragraph(inlines) => {
                    blocks.push(block(BlockKind::Paragraph, String::new(), inlines));
                }
                Printed::Item(marker, inlines) => {
                    blocks.push(block(BlockKind::Item, marker, inlines));
                }
                Printed::Table(table) => {
                    let table = Some(table);
                    blocks.push(Block { table, ..block(BlockKind::Table, String::new(), vec![]) });
                }
                Printed::Submissions(places, numbering) => {
                    let material = self.material;
                    let news = places.into_iter().filter_map(|it| material.submissions.get(it));
                    let items: Vec<_> = news.filter_map(|it| self.submission(it)).collect();
                    blocks.extend(self.numbered(section, numbering, items));
                }
            }
        }
        blocks
    }

    fn figures(&mut self, section: &Section, wording: &Body, notes: &[Note]) -> Vec<Block> {
        let place = &section.title;
        let inlines = self.render(place, wording, vec![]);
        let mut blocks = vec![Self::paragraph(section, inlines, Origin::Computed)];
        for note in notes {
            let (material, period) = (self.material, self.material.period);
            let holds = match note.when {
                When::Outside => !figures::days_with_amounts(material, Span::Outside).is_empty(),
                When::OutsideEarlier => {
                    !figures::days_with_amounts(material, Span::OutsideEarlier).is_empty()
                }
                When::Adjustment => !figures::adjustments(material).is_empty(),
                When::YearSplit => period.first().year() != period.last().year(),
            };
            if holds {
                let inlines = self.render(place, &note.wording, vec![]);
                blocks.push(Self::paragraph(section, inlines, Origin::Computed));
            }
        }
        blocks
    }

    fn scope(&mut self, section: &Section) -> Vec<Block> {
        let Kind::AuthorizationScope {
            unchanged,
            authorised,
            withdrawn,
            items_included,
            items_removed,
        } = &section.kind
        else {
            return vec![];
        };
        let place = &section.title;
        let material = self.material;
        if material.scope_changes.is_empty() {
            if !material.coverage_holes.is_empty() {
                for text in self.holes() {
                    self.problem(Code::CoverageHole, place, format!("{text}，不能写“无变化”"));
                }
                return vec![];
            }
            let inlines = self.render(place, unchanged, vec![]);
            return vec![Self::paragraph(section, inlines, Origin::Computed)];
        }
        let changes = material.scope_changes.iter().map(|it| {
            let (wording, items) = match &it.change {
                Change::Authorised => (authorised, None),
                Change::Withdrawn => (withdrawn, None),
                Change::ItemsIncluded(items) => (items_included, Some(items)),
                Change::ItemsRemoved(items) => (items_removed, Some(items)),
            };
            let mut own = vec![("department", name(&it.department))];
            if let Some(items) = items {
                own.push(("items", joined(items.iter().map(|it| name(it)).collect(), "、")));
            }
            let inlines = self.render(place, wording, own);
            Self::paragraph(section, inlines, Origin::Computed)
        });
        changes.collect()
    }

    /// `窗口 7 本周 2 天未日结`, one sentence a window.
    fn holes(&self) -> Vec<String> {
        let mut windows: Vec<(&str, BTreeSet<Date>)> = vec![];
        for hole in &self.material.coverage_holes {
            match windows.iter_mut().find(|(window, _)| *window == hole.window) {
                Some((_, days)) => {
                    days.insert(hole.day);
                }
                None => windows.push((&hole.window, BTreeSet::from([hole.day]))),
            }
        }
        let sentence = |(window, days): (&str, BTreeSet<Date>)| {
            let dates: Vec<_> = days.iter().map(|it| dates::short(*it)).collect();
            format!("{window} 本周 {} 天未日结（{}）", days.len(), dates.join("、"))
        };
        windows.into_iter().map(sentence).collect()
    }

    /// A hole on which no claim rests still has to be looked at: the figures may be short.
    fn coverage(&mut self) {
        fn is_counted(source: &FigureSource) -> bool {
            match source {
                FigureSource::Counted { .. } => true,
                FigureSource::Derived { inputs, .. } => inputs.iter().any(is_counted),
                _ => false,
            }
        }
        // A bulletin of imports alone does not rest on what the windows closed.
        let rests = self
            .blocks
            .iter()
            .flat_map(Block::all_inlines)
            .any(|it| matches!(it, Inline::Figure { source, .. } if is_counted(source)));
        if !rests {
            return;
        }
        let code = Code::CoverageHole;
        if self.problems.iter().all(|it| it.code != code) {
            for text in self.holes() {
                self.warn(code, "日结", text);
            }
        }
    }

    fn stray_submissions(&mut self) {
        let material = self.material;
        let known = self.template.submission_sections();
        for it in &material.submissions {
            if !known.iter().any(|(key, _)| *key == it.section) {
                let text =
                    format!("模板没有栏目 the template has no section `{}` for news", it.section);
                self.problem(Code::Template, &place_of(it.id.as_str(), &it.department), text);
            }
        }
    }

    fn items(
        &mut self,
        section: &Section,
        numbering: Numbering,
        holders: Option<&HolderWordings>,
    ) -> Vec<Block> {
        let material = self.material;
        let mut items = vec![];
        for it in material.submissions.iter().filter(|it| it.section == section.key) {
            items.extend(self.submission(it));
        }
        if let Some(wordings) = holders {
            items.extend(self.holder_changes(section, wordings));
        }
        self.numbered(section, numbering, items)
    }

    fn numbered(
        &mut self,
        section: &Section,
        numbering: Numbering,
        items: Vec<Item>,
    ) -> Vec<Block> {
        let alone = items.len() == 1;
        let mut blocks = vec![];
        for (index, item) in items.into_iter().enumerate() {
            let marker = if alone { Some(String::new()) } else { numbering.marker(index + 1) };
            let Some(marker) = marker else {
                self.problem(Code::Template, &section.title, "条目超过 99 more than 99 items");
                break;
            };
            let mut kind = BlockKind::Item;
            let mut marker = marker;
            for inlines in item.paragraphs {
                let marker = std::mem::take(&mut marker);
                blocks.push(Block::new(kind, &section.key, marker, inlines, item.origin.clone()));
                kind = BlockKind::Paragraph;
            }
        }
        blocks
    }

    fn submission(&mut self, it: &Submission) -> Option<Item> {
        let place = place_of(it.id.as_str(), &it.department);
        let paragraphs = match submission::paragraphs(&it.text, &self.material.definitions) {
            Ok(paragraphs) => paragraphs,
            Err(what) => {
                self.problem(Code::Template, &place, what);
                return None;
            }
        };
        let mut printed = vec![];
        for pieces in paragraphs {
            let mut inlines = vec![];
            for piece in pieces {
                match piece {
                    Piece::Text(text) => inlines.push(Inline::words(text)),
                    Piece::Call(call) => inlines.extend(self.resolve(&place, &call)),
                }
            }
            printed.push(merged(inlines));
        }
        if printed.is_empty() {
            return None;
        }
        let words: Vec<&str> = printed
            .iter()
            .flatten()
            .filter_map(
                |it| if let Inline::Text { text } = it { Some(text.as_str()) } else { None },
            )
            .collect();
        self.look_at_numbers(&place, &words);
        self.look_at_register(&place, &words);
        self.look_at_dates(&place, &words);
        let origin = Origin::Submitted {
            id: it.id.as_str().to_owned(),
            department: submission::one_line(&it.department),
        };
        Some(Item { paragraphs: printed, origin })
    }

    /// Warns of numbers that only the department vouches for, and of those that contradict a counted one.
    fn look_at_numbers(&mut self, place: &str, words: &[&str]) {
        let own: Vec<_> = words
            .iter()
            .flat_map(|text| digit_runs(text))
            .filter(|run| !run.rest.starts_with(['年', '月', '日']))
            .map(|run| run.digits)
            .collect();
        if !own.is_empty() {
            self.warn(
                Code::UntracedNumber,
                place,
                format!("部门自报数字 the department's own: {}", own.join("、")),
            );
        }
        let material = self.material;
        for definition in &material.definitions {
            let amount = |span| {
                material
                    .figure(&definition.key, span, Partition::Total, "")
                    .unwrap_or_default()
                    .amount
            };
            let (week, year) = (amount(Span::Week), amount(Span::Year));
            let typed = words.iter().flat_map(|text| {
                text.match_indices(&definition.title).map(|(at, it)| &text[at + it.len()..])
            });
            for after in typed {
                let digits_end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                let (digits, rest) = after.split_at(digits_end);
                let Ok(value) = digits.parse::<i64>() else { continue };
                if rest.starts_with(&definition.unit) && value != week && value != year {
                    let (title, unit) = (&definition.title, &definition.unit);
                    let text =
                        format!("稿件写{title}{value}{unit}，系统数为本周{week}、累计{year}");
                    self.warn(Code::TypedNumberDiffers, place, text);
                }
            }
        }
    }

    /// Warns where a number of authorised departments is typed and is not that of the register on the period's last
    /// day: 已授权无差别综合窗口的35个省级部门.
    fn look_at_register(&mut self, place: &str, words: &[&str]) {
        let counted = self.material.authorised_departments;
        for text in words {
            for run in digit_runs(text) {
                let Some(what) = run.rest.strip_prefix('个') else { continue };
                let levels = ["省级", "市级", "县级", "区级", "省直", "市直"];
                let what = levels.iter().find_map(|it| what.strip_prefix(it)).unwrap_or(what);
                let before = text.len() - run.rest.len() - run.digits.len();
                let sentence = text[..before].rsplit('。').next().unwrap_or_default();
                let Ok(typed) = run.digits.parse::<i64>() else { continue };
                if what.starts_with("部门") && sentence.contains("已授权") && typed != counted
                {
                    let text = format!(
                        "稿件写已授权{typed}个部门，授权台账为{counted}个 the register has {counted}"
                    );
                    self.warn(Code::TypedNumberDiffers, place, text);
                }
            }
        }
    }

    /// Warns where the first date of a submission lies outside the period: news may be late.
    fn look_at_dates(&mut self, place: &str, words: &[&str]) {
        let period = self.material.period;
        let Some((text, year, month, day)) = words.iter().find_map(|text| first_date(text)) else {
            return;
        };
        let years = match year {
            Some(year) => vec![year],
            None => vec![period.first().year(), period.last().year()],
        };
        let dates = years.into_iter().filter_map(|year| Date::new(year, month, day).ok());
        let dates: Vec<_> = dates.collect();
        if !dates.is_empty() && !dates.iter().any(|it| period.contains(*it)) {
            let text =
                format!("{text}不在本期（{}）lies outside the period", dates::period(period));
            self.warn(Code::DatedOutside, place, text);
        }
    }

    /// One sentence for all departments whose representative was replaced, one for those that only signed again.
    fn holder_changes(&mut self, section: &Section, wordings: &HolderWordings) -> Vec<Item> {
        let changes = &self.material.holder_changes;
        let mut groups: Vec<(bool, Vec<&str>)> = vec![];
        for it in changes {
            let department = it.department.as_str();
            let replaced = it.representative_replaced;
            // A replaced representative's letter is signed again as part of it.
            let told = |other: bool| {
                changes
                    .iter()
                    .any(|it| it.department == department && it.representative_replaced == other)
            };
            if !replaced && told(true) {
                continue;
            }
            match groups.iter_mut().find(|(of, _)| *of == replaced) {
                Some((_, departments)) if departments.contains(&department) => {}
                Some((_, departments)) => departments.push(department),
                None => groups.push((replaced, vec![department])),
            }
        }
        let sentences = groups.into_iter().map(|(replaced, departments)| {
            let wording = if replaced { &wordings.replaced } else { &wordings.letter_signed };
            let departments = joined(departments.into_iter().map(name).collect(), "、");
            let inlines = self.render(&section.title, wording, vec![("departments", departments)]);
            Item { paragraphs: vec![inlines], origin: Origin::Computed }
        });
        sentences.collect()
    }

    fn statistics(&mut self, section: &Section, classes: &[String], wording: &Body) -> Vec<Block> {
        let place = &section.title;
        let Some(statistics) = &self.material.statistics else { return vec![] };
        let (cut_off, end) = (statistics.period.last(), self.material.period.last());
        if cut_off != end {
            let text = format!(
                "平台数据截至{}，本期末为{} cut-off and period end differ",
                dates::full(cut_off),
                dates::full(end)
            );
            self.problem(Code::SumsDiffer, place, text);
        }
        let mut seen = BTreeSet::new();
        for it in &statistics.classes {
            if !seen.insert(&it.class) {
                self.problem(
                    Code::SumsDiffer,
                    place,
                    format!("类别重复 `{}` was imported twice", it.class),
                );
            }
            if !classes.contains(&it.class) {
                let text =
                    format!("模板不印类别 the template does not print the class `{}`", it.class);
                self.problem(Code::Template, place, text);
            }
            if it.finished > it.accepted {
                let more = it.finished - it.accepted;
                let text = format!("{}办结多于受理 {more} 件，含上期结转（需说明）", it.class);
                self.warn(Code::FinishedExceedsAccepted, place, text);
            }
        }
        let own = vec![
            ("platform", name(&statistics.source)),
            ("level", name(&statistics.level)),
            ("data_first_day", date(statistics.period.first())),
            ("data_last_day", date(statistics.period.last())),
        ];
        let inlines = self.render(place, wording, own);
        let origin = Origin::Import { source: submission::one_line(&statistics.source) };
        vec![Self::paragraph(section, inlines, origin)]
    }

    fn inspection(&mut self, section: &Section) -> Vec<Block> {
        let Kind::Inspection { numbering, line, good, not_inspected, not_held } = &section.kind
        else {
            return vec![];
        };
        let place = &section.title;
        let material = self.material;
        let Some(results) = &material.inspection else {
            self.warn(Code::NoInspection, place, "本周未开展巡查 no round was held");
            let inlines = self.render(place, not_held, vec![]);
            return vec![Self::paragraph(section, inlines, Origin::Computed)];
        };
        let introduction = submission::lines(&material.checklist.introduction);
        let mut blocks: Vec<Block> = introduction
            .into_iter()
            .map(|text| Self::paragraph(section, vec![Inline::words(text)], Origin::Inspection))
            .collect();
        // Items of an older checklist keep their results: they follow the items of the one in force.
        let mut items: Vec<&str> = material.checklist.items.iter().map(String::as_str).collect();
        for it in results {
            if !items.contains(&it.item.as_str()) {
                items.push(&it.item);
            }
        }
        for (index, item) in items.into_iter().enumerate() {
            let text = match outcome(results, item) {
                Outcome::Text(text) => vec![Inline::words(text)],
                Outcome::Good => self.render(place, good, vec![]),
                Outcome::NotInspected => {
                    let text = format!("「{item}」没有巡查结果 was not inspected");
                    self.warn(Code::NoInspection, place, text);
                    self.render(place, not_inspected, vec![])
                }
            };
            let inlines = self.render(place, line, vec![("item", name(item)), ("text", text)]);
            let Some(marker) = numbering.marker(index + 1) else {
                self.problem(Code::Template, place, "巡查事项超过 99 more than 99 items");
                break;
            };
            let (kind, origin) = (BlockKind::Item, Origin::Inspection);
            blocks.push(Block::new(kind, &section.key, marker, inlines, origin));
        }
        blocks
    }
}

enum Outcome {
    NotInspected,
    Good,
    Text(String),
}

/// What all rounds together say about an item: its findings, else the inspectors' remarks, else nothing to find.
fn outcome(results: &[InspectionResult], item: &str) -> Outcome {
    let results: Vec<_> = results.iter().filter(|it| it.item == item).collect();
    if results.is_empty() {
        return Outcome::NotInspected;
    }
    let mut findings: Vec<String> = vec![];
    let mut remarks: Vec<String> = vec![];
    let add = |to: &mut Vec<String>, text: String| {
        if !text.is_empty() && !to.contains(&text) {
            to.push(text);
        }
    };
    for it in results {
        for finding in &it.findings {
            let finding = submission::one_line(finding);
            add(&mut findings, finding.trim_end_matches(['。', '；', ';']).to_owned());
        }
        if let Some(remark) = &it.remark {
            add(&mut remarks, submission::one_line(remark));
        }
    }
    if !findings.is_empty() {
        Outcome::Text(format!("{}。", findings.join("；")))
    } else if !remarks.is_empty() {
        Outcome::Text(remarks.concat())
    } else {
        Outcome::Good
    }
}

/// How a submission is named to people.
pub(crate) fn place_of(id: &str, department: &str) -> String {
    format!("稿件 {id}（{}）", submission::one_line(department))
}

/// The first `M月D日` of a text, with its year where it is written.
fn first_date(text: &str) -> Option<(String, Option<i16>, i8, i8)> {
    let runs = digit_runs(text);
    runs.windows(2).enumerate().find_map(|(index, pair)| {
        let [month, day] = pair else { return None };
        let between = month.rest.strip_prefix('月')?;
        if !between.starts_with(day.digits) || !day.rest.starts_with('日') {
            return None;
        }
        let year = index.checked_sub(1).and_then(|it| runs.get(it)).filter(|it| {
            it.rest.strip_prefix('年').is_some_and(|rest| rest.starts_with(month.digits))
        });
        let year = year.and_then(|it| it.digits.parse().ok());
        let text = format!("{}月{}日", month.digits, day.digits);
        Some((text, year, month.digits.parse().ok()?, day.digits.parse().ok()?))
    })
}
