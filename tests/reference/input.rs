//! What was entered for the published issue, as weeks of a hall.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::civil::Date;
use serde::Deserialize;
use zhoubao::sample::{Entry, Sample};
use zhoubao_composer::Template;
use zhoubao_domain::calendar::Period;
use zhoubao_domain::event::{ClassFigures, Event, InspectionResult, Setup, Tally};
use zhoubao_domain::id::{DeskTopic, SetupTopic, Stream};

/// The published issue and the hall that makes it.
pub(crate) struct Reference {
    /// The sample's first four weeks and the reference's fifth.
    pub(crate) sample: Sample,
    /// The published text.
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Inputs {
    issue: Issue,
    window_figures: WindowFigures,
    authorizations: Authorizations,
    platform_statistics: Statistics,
    submission: Vec<Submission>,
    inspection: Inspection,
}

#[derive(Deserialize)]
struct Issue {
    publisher: String,
    issued_on: toml::value::Datetime,
    period: Days,
}

#[derive(Deserialize)]
struct Days {
    first: toml::value::Datetime,
    last: toml::value::Datetime,
}

#[derive(Deserialize)]
struct WindowFigures {
    week: Figures,
    before_the_week: Figures,
}

#[derive(Deserialize)]
struct Figures {
    consulted: i64,
    accepted: i64,
    issued: i64,
    transferred: i64,
}

#[derive(Deserialize)]
struct Authorizations {
    departments_authorised: usize,
    representative_replaced: Vec<String>,
}

#[derive(Deserialize)]
struct Statistics {
    period: Days,
    classes: Vec<Class>,
}

#[derive(Deserialize)]
struct Class {
    class: String,
    accepted: u64,
    finished: u64,
}

#[derive(Deserialize)]
struct Submission {
    section: String,
    department: String,
    text: String,
}

#[derive(Deserialize)]
struct Inspection {
    introduction: String,
    checklist: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    item: String,
    findings: Vec<String>,
    remark: Option<String>,
}

fn folder() -> Option<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let folder = project.parent()?.join("shared/reference/2023-05");
    folder.join("inputs.toml").exists().then_some(folder)
}

fn day(it: &toml::value::Datetime) -> anyhow::Result<Date> {
    it.to_string().parse().with_context(|| format!("{it} is no day"))
}

impl Days {
    fn period(&self) -> anyhow::Result<Period> {
        Ok(Period::new(day(&self.first)?, day(&self.last)?)?)
    }
}

impl Figures {
    fn tally(&self) -> Tally {
        Tally {
            consulted: self.consulted,
            accepted: self.accepted,
            issued: self.issued,
            transferred: self.transferred,
        }
    }
}

/// The reference, where it is there.
pub(crate) fn reference() -> anyhow::Result<Option<Reference>> {
    let Some(folder) = folder() else { return Ok(None) };
    let inputs: Inputs = toml::from_str(&std::fs::read_to_string(folder.join("inputs.toml"))?)?;
    let text = std::fs::read_to_string(folder.join("issue.txt"))?;
    let mut sample = Sample::load()?;
    check_before(&sample, &inputs)?;
    set_up(&mut sample, &inputs)?;
    fifth_week(&mut sample, &inputs)?;
    Ok(Some(Reference { sample, text }))
}

fn check_before(sample: &Sample, inputs: &Inputs) -> anyhow::Result<()> {
    let mut before = Tally::default();
    let weeks = sample.weeks.iter().filter(|it| it.period.last() < date_of(inputs));
    let tallies = weeks.flat_map(|it| it.outside.iter().map(|(_, tally)| tally).chain([&it.tally]));
    for tally in tallies {
        for kind in zhoubao_domain::event::Kind::ALL {
            before.add(kind, tally.get(kind));
        }
    }
    anyhow::ensure!(before == inputs.window_figures.before_the_week.tally());
    anyhow::ensure!(sample.departments.len() == inputs.authorizations.departments_authorised);
    Ok(())
}

fn date_of(inputs: &Inputs) -> Date {
    day(&inputs.issue.period.first).expect("a first day")
}

fn set_up(sample: &mut Sample, inputs: &Inputs) -> anyhow::Result<()> {
    for (topic, _, event) in &mut sample.setup {
        match event {
            Event::Setup(Setup::Checklist { introduction, items }) => {
                *introduction = inputs.inspection.introduction.trim().to_owned();
                *items = inputs.inspection.checklist.iter().map(|it| it.item.clone()).collect();
            }
            Event::Setup(Setup::Hall { publisher, .. }) => {
                anyhow::ensure!(*topic == SetupTopic::Hall);
                publisher.clone_from(&inputs.issue.publisher);
            }
            _ => {}
        }
    }
    // The first weeks' rounds go over the same checklist.
    let items: Vec<_> = inputs.inspection.checklist.iter().map(|it| it.item.clone()).collect();
    for week in &mut sample.weeks {
        for (result, item) in week.inspection.results.iter_mut().zip(&items) {
            result.item.clone_from(item);
        }
        week.inspection.results.truncate(items.len());
    }
    Ok(())
}

fn fifth_week(sample: &mut Sample, inputs: &Inputs) -> anyhow::Result<()> {
    let names: Vec<(String, Vec<String>, zhoubao_domain::id::DepartmentId)> = sample
        .setup
        .iter()
        .filter_map(|(_, id, event)| match event {
            Event::Setup(Setup::Department { name, aliases }) => {
                Some((name.clone(), aliases.clone(), id.as_str().parse().ok()?))
            }
            _ => None,
        })
        .collect();
    let department = |wanted: &str| {
        let found = names
            .iter()
            .find(|(name, aliases, _)| name == wanted || aliases.iter().any(|it| it == wanted));
        found.map(|(_, _, id)| id.clone()).with_context(|| format!("no department {wanted}"))
    };
    let template = sample.setup.iter().find_map(|(_, _, event)| match event {
        Event::Setup(Setup::Template { source }) => Some(Template::parse(source)),
        _ => None,
    });
    let template = template.context("a template")?.map_err(|it| anyhow::anyhow!("{it}"))?;
    let week = sample.weeks.last_mut().context("a fifth week")?;
    week.period = inputs.issue.period.period()?;
    week.tally = inputs.window_figures.week.tally();
    week.outside = vec![];
    week.issued_on = day(&inputs.issue.issued_on)?;
    // The sample's changes of holder must be the reference's.
    let replaced: Vec<_> = week
        .authorizations
        .iter()
        .filter_map(|it| match &it.event {
            Event::AuthorizationChanged { department, .. } => Some(department.clone()),
            _ => None,
        })
        .collect();
    let wanted = inputs.authorizations.representative_replaced.iter().map(|it| department(it));
    anyhow::ensure!(replaced == wanted.collect::<anyhow::Result<Vec<_>>>()?);
    let proto = week.submissions.first().context("a submission of the sample")?.clone();
    week.submissions = vec![];
    for (place, it) in inputs.submission.iter().enumerate() {
        let section = template
            .submission_section(&it.section)
            .with_context(|| format!("no section {}", it.section))?;
        week.submissions.push(Entry {
            stream: Stream::Desk(DeskTopic::Submission, format!("reference-{place}").parse()?),
            event: Event::SubmissionFiled {
                section: section.to_owned(),
                department: department(&it.department)?,
                text: it.text.strip_prefix('\n').unwrap_or(&it.text).to_owned(),
                attachments: vec![],
            },
            ..proto.clone()
        });
    }
    week.inspection.results = inputs
        .inspection
        .checklist
        .iter()
        .map(|it| InspectionResult {
            item: it.item.clone(),
            findings: it.findings.clone(),
            remark: it.remark.clone(),
        })
        .collect();
    if let Event::StatisticsImported { period, classes, .. } = &mut week.statistics.event {
        *period = inputs.platform_statistics.period.period()?;
        *classes = inputs
            .platform_statistics
            .classes
            .iter()
            .map(|it| ClassFigures {
                class: it.class.clone(),
                accepted: it.accepted,
                finished: it.finished,
            })
            .collect();
    }
    Ok(())
}
