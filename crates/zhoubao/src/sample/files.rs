//! The built-in files: TOML under `data/sample`, and the set-up that any hall starts from.

use std::collections::BTreeMap;
use std::error::Error;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zhoubao_domain::calendar::{Calendar, Period, Schedule};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{
    AuthorizationChange, ClassFigures, Event, InspectionResult, Right, Setup, Tally,
};
use zhoubao_domain::id::{DepartmentId, DeskTopic, MatterId, ObjectId, SetupTopic, Stream, UserId};
use zhoubao_domain::issue::Opening;
use zhoubao_domain::time::hall_zone;

use super::{Client, Desk, Entry, People, Round, Sample, SampleError, Week, minutes_after};

macro_rules! built_in {
    ($($name:ident = $path:literal;)+) => {
        $(const $name: File = File {
            name: $path,
            text: include_str!(concat!("../../../../data/", $path)),
        };)+
    };
}

#[derive(Clone, Copy)]
struct File {
    name: &'static str,
    text: &'static str,
}

built_in! {
    HALL = "sample/hall.toml";
    DEPARTMENTS = "sample/departments.toml";
    WEEK_1 = "sample/issues/1.toml";
    WEEK_2 = "sample/issues/2.toml";
    WEEK_3 = "sample/issues/3.toml";
    WEEK_4 = "sample/issues/4.toml";
    WEEK_5 = "sample/issues/5.toml";
    FIGURES = "setup/figures.json";
    RULES = "setup/rules.json";
    CHECKLIST = "setup/checklist.json";
    TEMPLATE = "templates/weekly.toml";
    CALENDAR_2022 = "calendars/2022.json";
    CALENDAR_2023 = "calendars/2023.json";
    CALENDAR_2024 = "calendars/2024.json";
    CALENDAR_2025 = "calendars/2025.json";
    CALENDAR_2026 = "calendars/2026.json";
}

const WEEKS: [File; 5] = [WEEK_1, WEEK_2, WEEK_3, WEEK_4, WEEK_5];

const CALENDARS: [(&str, File); 5] = [
    ("2022", CALENDAR_2022),
    ("2023", CALENDAR_2023),
    ("2024", CALENDAR_2024),
    ("2025", CALENDAR_2025),
    ("2026", CALENDAR_2026),
];

/// Where the imported figures come from.
const PLATFORM: &str = "四川一体化政务服务平台";

/// The level of government that they are about.
const LEVEL: &str = "省本级";

impl File {
    fn fault(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> SampleError {
        SampleError { file: self.name, source: source.into() }
    }

    fn toml<T: DeserializeOwned>(self) -> Result<T, SampleError> {
        toml::from_str(self.text).map_err(|error| self.fault(error))
    }

    fn parse<T: FromStr>(self, text: &str) -> Result<T, SampleError>
    where
        T::Err: Error + Send + Sync + 'static,
    {
        text.parse().map_err(|error: T::Err| self.fault(error))
    }

    fn parse_all<T: FromStr>(self, texts: &[String]) -> Result<Vec<T>, SampleError>
    where
        T::Err: Error + Send + Sync + 'static,
    {
        texts.iter().map(|it| self.parse(it)).collect()
    }

    /// The set-up event that the file is the body of.
    fn event(self, kind: &str, topic: SetupTopic, id: &str) -> Result<SetupEntry, SampleError> {
        let id: ObjectId = self.parse(id)?;
        let stream = Stream::Setup(topic, id.clone());
        let event = zhoubao_contract::event_from_json(kind, self.text.as_bytes(), &stream)
            .map_err(|refusal| self.fault(refusal))?;
        Ok((topic, id, event))
    }

    fn entry(self, id: &str, setup: Setup) -> Result<SetupEntry, SampleError> {
        Ok((setup.topic(), self.parse(id)?, Event::Setup(setup)))
    }
}

type SetupEntry = (SetupTopic, ObjectId, Event);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HallFile {
    code: String,
    name: String,
    publisher: String,
    began_at: String,
    authorized_from: String,
    opening: OpeningFile,
    window: Vec<WindowFile>,
    people: PeopleFile,
    accepted: Vec<AcceptedFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedFile {
    code: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpeningFile {
    through: String,
    last_number: u32,
    last_running_number: u32,
    consulted: i64,
    accepted: i64,
    issued: i64,
    transferred: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowFile {
    id: String,
    name: String,
    clerk: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeopleFile {
    administrator: PersonFile,
    office: PersonFile,
    editor: PersonFile,
    leader: PersonFile,
    inspector: PersonFile,
    reviser: PersonFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonFile {
    id: String,
    rights: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DepartmentsFile {
    department: Vec<DepartmentFile>,
    unit: Vec<DepartmentFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DepartmentFile {
    id: String,
    name: String,
    aliases: Vec<String>,
    #[serde(default)]
    weight: u32,
    representative: String,
    #[serde(default)]
    matters: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WeekFile {
    id: String,
    first: String,
    last: String,
    issued_on: String,
    tally: TallyFile,
    #[serde(default)]
    outside: Vec<OutsideFile>,
    inspection: InspectionFile,
    statistics: StatisticsFile,
    #[serde(default)]
    replaced: Vec<ReplacedFile>,
    submission: Vec<SubmissionFile>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct TallyFile {
    consulted: i64,
    accepted: i64,
    issued: i64,
    transferred: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutsideFile {
    day: String,
    tally: TallyFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InspectionFile {
    day: String,
    findings: Vec<ItemFile>,
    remarks: Vec<ItemFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemFile {
    item: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticsFile {
    classes: Vec<ClassFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassFile {
    class: String,
    accepted: u64,
    finished: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplacedFile {
    department: String,
    effective: String,
    representative: String,
    letter: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmissionFile {
    section: String,
    department: String,
    filed_at: String,
    text: String,
}

impl From<TallyFile> for Tally {
    fn from(it: TallyFile) -> Self {
        let TallyFile { consulted, accepted, issued, transferred } = it;
        Self { consulted, accepted, issued, transferred }
    }
}

pub(super) fn load() -> Result<Sample, SampleError> {
    let hall: HallFile = HALL.toml()?;
    let departments: DepartmentsFile = DEPARTMENTS.toml()?;
    let began_at: Timestamp = HALL.parse(&hall.began_at)?;
    let people = people(&hall.people)?;
    let mut weeks: Vec<(File, WeekFile)> = vec![];
    for file in WEEKS {
        weeks.push((file, file.toml()?));
    }
    let (calendar, calendars) = calendars()?;
    let setup = setup(&hall, &departments, &weeks, calendars)?;
    let items = setup.iter().find_map(|(_, _, event)| match event {
        Event::Setup(Setup::Checklist { items, .. }) => Some(items.clone()),
        _ => None,
    });
    let readers = Readers {
        people: &people,
        representatives: representatives(&departments)?,
        items: items.ok_or_else(|| CHECKLIST.fault("it is not a checklist"))?,
    };
    Ok(Sample {
        hall: HALL.parse(&hall.code)?,
        began_at,
        opening: opening(&hall.opening)?,
        authorizations: authorizations(&hall, &departments, began_at, &people.office)?,
        weeks: weeks
            .iter()
            .map(|(file, week)| readers.week(*file, week))
            .collect::<Result<_, _>>()?,
        desks: desks(&hall.window)?,
        departments: departments.department.iter().map(client).collect::<Result<_, _>>()?,
        accepted: hall.accepted.iter().map(accepted).collect::<Result<_, _>>()?,
        setup,
        people,
        calendar,
    })
}

fn opening(file: &OpeningFile) -> Result<Opening, SampleError> {
    let OpeningFile { consulted, accepted, issued, transferred, .. } = *file;
    Ok(Opening {
        through: HALL.parse(&file.through)?,
        year_to_date: Tally { consulted, accepted, issued, transferred },
        last_number: file.last_number,
        last_running_number: file.last_running_number,
    })
}

fn accepted(file: &AcceptedFile) -> Result<(Code, String), SampleError> {
    let code = Code::from_text(&file.code);
    let unknown = || HALL.fault(format!("`{}` is not a code", file.code));
    Ok((code.ok_or_else(unknown)?, file.reason.clone()))
}

fn people(file: &PeopleFile) -> Result<People, SampleError> {
    let id = |it: &PersonFile| HALL.parse(&it.id);
    Ok(People {
        administrator: id(&file.administrator)?,
        office: id(&file.office)?,
        editor: id(&file.editor)?,
        leader: id(&file.leader)?,
        inspector: id(&file.inspector)?,
        reviser: id(&file.reviser)?,
    })
}

fn desks(windows: &[WindowFile]) -> Result<Vec<Desk>, SampleError> {
    let desk =
        |it: &WindowFile| Ok(Desk { terminal: HALL.parse(&it.id)?, clerk: HALL.parse(&it.clerk)? });
    windows.iter().map(desk).collect()
}

fn matter_ids(department: &DepartmentFile) -> Vec<String> {
    (1..=department.matters.len()).map(|number| format!("{}-{number}", department.id)).collect()
}

fn client(file: &DepartmentFile) -> Result<Client, SampleError> {
    Ok(Client {
        department: DEPARTMENTS.parse(&file.id)?,
        matters: DEPARTMENTS.parse_all::<MatterId>(&matter_ids(file))?,
        weight: file.weight,
    })
}

fn representatives(
    departments: &DepartmentsFile,
) -> Result<BTreeMap<DepartmentId, UserId>, SampleError> {
    let all = departments.department.iter().chain(&departments.unit);
    all.map(|it| Ok((DEPARTMENTS.parse(&it.id)?, DEPARTMENTS.parse(&it.representative)?))).collect()
}

fn calendars() -> Result<(Calendar, Vec<SetupEntry>), SampleError> {
    let mut calendar = Calendar::default();
    let mut entries = vec![];
    for (year, file) in CALENDARS {
        let entry = file.event("cn.zhoubao.CalendarPublished.v1", SetupTopic::Calendar, year)?;
        if let Event::Setup(Setup::Calendar { year, notice, off, work }) = &entry.2 {
            let schedule = Schedule::new(*year, notice.clone(), off.clone(), work.clone());
            calendar.insert(schedule.map_err(|error| file.fault(error))?);
        }
        entries.push(entry);
    }
    Ok((calendar, entries))
}

fn setup(
    hall: &HallFile,
    departments: &DepartmentsFile,
    weeks: &[(File, WeekFile)],
    calendars: Vec<SetupEntry>,
) -> Result<Vec<SetupEntry>, SampleError> {
    let (name, publisher) = (hall.name.clone(), hall.publisher.clone());
    let mut setup = vec![
        HALL.entry(&hall.code, Setup::Hall { name, publisher })?,
        RULES.event("cn.zhoubao.RulesSet.v1", SetupTopic::Rules, "standard")?,
        FIGURES.event("cn.zhoubao.FiguresDefined.v1", SetupTopic::Figures, "standard")?,
    ];
    setup.extend(calendars);
    setup.push(TEMPLATE.entry("weekly", Setup::Template { source: TEMPLATE.text.to_owned() })?);
    setup.push(CHECKLIST.event(
        "cn.zhoubao.ChecklistPublished.v1",
        SetupTopic::Checklist,
        "hall",
    )?);
    let all = || departments.department.iter().chain(&departments.unit);
    for it in all() {
        let (name, aliases) = (it.name.clone(), it.aliases.clone());
        setup.push(DEPARTMENTS.entry(&it.id, Setup::Department { name, aliases })?);
    }
    for it in all() {
        let department: DepartmentId = DEPARTMENTS.parse(&it.id)?;
        for (id, name) in matter_ids(it).iter().zip(&it.matters) {
            let (name, department) = (name.clone(), department.clone());
            setup.push(DEPARTMENTS.entry(id, Setup::Matter { name, department })?);
        }
    }
    for it in &hall.window {
        setup.push(HALL.entry(&it.id, Setup::Window { name: it.name.clone(), open: true })?);
    }
    for it in &hall.window {
        let window = HALL.parse(&it.id)?;
        setup.push(HALL.entry(&it.id, Setup::Terminal { window, active: true })?);
    }
    let user = |file: File, id: &str, rights| file.entry(id, Setup::User { rights, active: true });
    let people = &hall.people;
    for it in [
        &people.administrator,
        &people.office,
        &people.editor,
        &people.leader,
        &people.inspector,
        &people.reviser,
    ] {
        let right = |word: &String| {
            Right::from_word(word).ok_or_else(|| HALL.fault(format!("`{word}` is not a right")))
        };
        let rights = it.rights.iter().map(right).collect::<Result<_, _>>()?;
        setup.push(user(HALL, &it.id, rights)?);
    }
    for it in &hall.window {
        setup.push(user(HALL, &it.clerk, vec![Right::Record])?);
    }
    for it in all() {
        setup.push(user(DEPARTMENTS, &it.representative, vec![Right::Submit])?);
    }
    for (file, week) in weeks {
        for it in &week.replaced {
            setup.push(user(*file, &it.representative, vec![Right::Submit])?);
        }
    }
    Ok(setup)
}

fn authorizations(
    hall: &HallFile,
    departments: &DepartmentsFile,
    began_at: Timestamp,
    office: &UserId,
) -> Result<Vec<Entry>, SampleError> {
    let effective: Date = HALL.parse(&hall.authorized_from)?;
    let entry = |(index, it): (usize, &DepartmentFile)| {
        let department: DepartmentId = DEPARTMENTS.parse(&it.id)?;
        let change = AuthorizationChange::DepartmentAuthorised;
        Ok(Entry {
            stream: Stream::Authorization(department.clone()),
            // After the set-up, one a minute, as they are typed in.
            occurred_at: minutes_after(began_at, 60 + index),
            actor: office.clone(),
            event: Event::AuthorizationChanged { department, effective, change },
        })
    };
    departments.department.iter().enumerate().map(entry).collect()
}

/// What the weeks' files refer to.
struct Readers<'a> {
    people: &'a People,
    representatives: BTreeMap<DepartmentId, UserId>,
    /// Items of the checklist.
    items: Vec<String>,
}

impl Readers<'_> {
    fn week(&self, file: File, week: &WeekFile) -> Result<Week, SampleError> {
        let (first, last) = (file.parse(&week.first)?, file.parse(&week.last)?);
        let period = Period::new(first, last).map_err(|error| file.fault(error))?;
        let outside = |it: &OutsideFile| Ok((file.parse(&it.day)?, it.tally.into()));
        let submissions = week.submission.iter().enumerate();
        Ok(Week {
            issue: file.parse(&week.id)?,
            period,
            tally: week.tally.into(),
            outside: week.outside.iter().map(outside).collect::<Result<_, _>>()?,
            authorizations: self.replacements(file, week)?,
            submissions: submissions
                .map(|(index, it)| self.submission(file, week, index + 1, it))
                .collect::<Result<_, _>>()?,
            inspection: self.round(file, week)?,
            statistics: self.statistics(file, week, period)?,
            issued_on: file.parse(&week.issued_on)?,
        })
    }

    fn replacements(&self, file: File, week: &WeekFile) -> Result<Vec<Entry>, SampleError> {
        let entry = |it: &ReplacedFile| {
            let department: DepartmentId = file.parse(&it.department)?;
            let effective = file.parse(&it.effective)?;
            let change = AuthorizationChange::RepresentativeReplaced {
                representative: file.parse(&it.representative)?,
                letter: it.letter.clone(),
            };
            Ok(Entry {
                stream: Stream::Authorization(department.clone()),
                occurred_at: at(file, effective, 10)?,
                actor: self.people.office.clone(),
                event: Event::AuthorizationChanged { department, effective, change },
            })
        };
        week.replaced.iter().map(entry).collect()
    }

    fn submission(
        &self,
        file: File,
        week: &WeekFile,
        number: usize,
        it: &SubmissionFile,
    ) -> Result<Entry, SampleError> {
        let department: DepartmentId = file.parse(&it.department)?;
        let actor = self
            .representatives
            .get(&department)
            .ok_or_else(|| file.fault(format!("`{department}` is not among the departments")))?;
        Ok(Entry {
            stream: Stream::Desk(
                DeskTopic::Submission,
                file.parse(&format!("news-{}-{number:02}", week.id))?,
            ),
            occurred_at: file.parse(&it.filed_at)?,
            actor: actor.clone(),
            event: Event::SubmissionFiled {
                section: it.section.clone(),
                department,
                text: it.text.clone(),
                attachments: vec![],
            },
        })
    }

    fn round(&self, file: File, week: &WeekFile) -> Result<Round, SampleError> {
        let InspectionFile { day, findings, remarks } = &week.inspection;
        if let Some(it) = findings.iter().chain(remarks).find(|it| !self.items.contains(&it.item)) {
            return Err(file.fault(format!("`{}` is not an item of the checklist", it.item)));
        }
        let texts = |of: &[ItemFile], item: &str| -> Vec<String> {
            of.iter().filter(|it| it.item == item).map(|it| it.text.clone()).collect()
        };
        let result = |item: &String| InspectionResult {
            item: item.clone(),
            findings: texts(findings, item),
            remark: texts(remarks, item).pop(),
        };
        let day = file.parse(day)?;
        Ok(Round {
            stream: Stream::Desk(DeskTopic::Inspection, file.parse(&format!("round-{}", week.id))?),
            occurred_at: at(file, day, 16)?,
            actor: self.people.inspector.clone(),
            day,
            results: self.items.iter().map(result).collect(),
        })
    }

    fn statistics(
        &self,
        file: File,
        week: &WeekFile,
        period: Period,
    ) -> Result<Entry, SampleError> {
        let class = |it: &ClassFile| ClassFigures {
            class: it.class.clone(),
            accepted: it.accepted,
            finished: it.finished,
        };
        Ok(Entry {
            stream: Stream::Desk(
                DeskTopic::Statistics,
                file.parse(&format!("platform-{}", week.id))?,
            ),
            occurred_at: at(file, period.last(), 18)?,
            actor: self.people.editor.clone(),
            event: Event::StatisticsImported {
                source: PLATFORM.to_owned(),
                level: LEVEL.to_owned(),
                period: Period::new(period.last().first_of_year(), period.last())
                    .map_err(|error| file.fault(error))?,
                classes: week.statistics.classes.iter().map(class).collect(),
            },
        })
    }
}

/// A full hour of a day of the hall.
fn at(file: File, day: Date, hour: i8) -> Result<Timestamp, SampleError> {
    hall_zone().to_timestamp(day.at(hour, 0, 0, 0)).map_err(|error| file.fault(error))
}
