//! Documents to lay out, and what stands on which line.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::date;
use zhoubao_composer::document::{Block, BlockKind, Document, Inline, Metadata, Origin};
use zhoubao_domain::id::Digest;
use zhoubao_typesetting::fonts::{Fonts, choose, describe};
use zhoubao_typesetting::page::{Page, Pages, Run};
use zhoubao_typesetting::{PagesError, lay_out};

/// Left edge of the type area, µm.
pub(crate) const LEFT_UM: i64 = 28_000;

/// Right edge of the type area, µm.
pub(crate) const RIGHT_UM: i64 = 184_000;

/// Lower edge of the type area, µm.
pub(crate) const FOOT_UM: i64 = 262_000;

/// Loaded once for all tests.
pub(crate) static FONTS: LazyLock<Fonts> = LazyLock::new(|| {
    let files: Vec<_> = zhoubao_test_support::fonts()
        .unwrap()
        .into_iter()
        .map(|path| describe(path.clone(), &std::fs::read(path).unwrap()))
        .collect();
    choose(&files).unwrap().load(|path| std::fs::read(path)).unwrap()
});

pub(crate) fn block(kind: BlockKind, marker: &str, text: &str) -> Block {
    Block::new(kind, "", marker, vec![Inline::words(text)], Origin::Template)
}

pub(crate) fn paragraph(text: &str) -> Block {
    block(BlockKind::Paragraph, "", text)
}

pub(crate) fn heading(level: u8, text: &str) -> Block {
    block(BlockKind::Heading { level }, "", text)
}

/// An issue with masthead, imprint and this text.
pub(crate) fn document(text: Vec<Block>) -> Document {
    let mut blocks = vec![
        block(BlockKind::Title, "", "窗口工作周报"),
        block(BlockKind::IssueNumber, "", "2023年第5期（总第425期）"),
        block(BlockKind::Publisher, "", "四川省政府政务服务和公共资源交易服务中心"),
        block(BlockKind::IssueDate, "", "2023年2月20日"),
        block(BlockKind::PartTitle, "", "政务服务工作"),
        block(BlockKind::Period, "", "（2月6日—2月10日）"),
    ];
    blocks.extend(text);
    blocks.extend([
        block(BlockKind::DistributionLine, "报：", "中心领导。"),
        block(
            BlockKind::DistributionLine,
            "送：",
            "各相关省级部门（单位），中心各处（室）、直属单位。",
        ),
        block(BlockKind::DistributionLine, "发：", "各部门窗口。"),
        block(BlockKind::PrintRun, "", "（共印80份）"),
    ]);
    let metadata = Metadata {
        title: "窗口工作周报".into(),
        hall: "政务服务大厅".into(),
        training: false,
        publisher: "四川省政府政务服务和公共资源交易服务中心".into(),
        year: 2023,
        number: 5,
        running_number: 425,
        amendment: None,
        proposed: false,
        issued_on: Some(date(2023, 2, 20)),
        first_day: date(2023, 2, 6),
        last_day: date(2023, 2, 10),
        position: 5_000,
        definitions: Digest::new([1; 32]),
        template: Digest::new([2; 32]),
        tree: None,
        heads: vec![],
    };
    Document { metadata, blocks }
}

/// An issue with every kind of text: headings of three levels, numbers, quotation marks, Latin letters, several pages.
pub(crate) fn issue() -> Document {
    let news = "近日，生态环境厅“以督带训”创新提升排污许可质量水平，2022年完成25个重点行业、1万余张排污许可证质量审核，\
        在“天府通办”APP上线；截至1月底，累计已注册产废单位22171家、经营单位320家……一举多得。";
    let mut text = vec![
        heading(1, "一、综窗改革攻坚行动"),
        heading(2, "（一）省本级综窗办件情况"),
        paragraph(
            "本周，共计咨询459人次、受理94件、颁发93件、流转219件；今年以来，累计咨询1130人次、受理1040件。",
        ),
        heading(1, "二、窗口工作动态"),
        heading(2, "（一）优化营商环境工作开展情况"),
        heading(3, "1.生态环境厅"),
    ];
    text.extend((0..12).map(|_| paragraph(&news.repeat(2))));
    document(text)
}

pub(crate) fn laid_out(document: &Document) -> Pages {
    lay_out(document, &FONTS).unwrap()
}

pub(crate) fn refused(document: &Document) -> PagesError {
    match lay_out(document, &FONTS) {
        Ok(_) => panic!("it was laid out"),
        Err(error) => error,
    }
}

/// Text of the lines of a page by their place, without the page number.
pub(crate) fn lines(page: &Page) -> BTreeMap<i64, Vec<&Run>> {
    let mut lines: BTreeMap<i64, Vec<&Run>> = BTreeMap::new();
    for run in page.runs.iter().filter(|it| it.baseline_um < FOOT_UM) {
        lines.entry(run.baseline_um).or_default().push(run);
    }
    lines
}

/// What is read on a line.
pub(crate) fn read(line: &[&Run]) -> String {
    line.iter().map(|it| it.text()).collect()
}

/// The text of a document as it must stand on the pages, without white space.
pub(crate) fn text(document: &Document) -> String {
    squeezed(&document.blocks.iter().map(Block::text).collect::<String>())
}

pub(crate) fn squeezed(text: &str) -> String {
    text.chars().filter(|it| !it.is_whitespace()).collect()
}
