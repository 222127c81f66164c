use proptest::prelude::*;
use zhoubao_composer::Template;
use zhoubao_composer::document::{Amendment, Origin};
use zhoubao_composer::material::Material;
use zhoubao_composer::{compose, csv, html, json, txt};

use crate::sample::*;

const SMALL: &str = r#"
title = "周报"
part = "政务"
print_run = 3
print_run_wording = "（共印{{ print_run }}份）"
masthead = [
  { kind = "title", wording = "{{ title }}" },
  { kind = "issue-number", wording = "{{ year }}年第{{ number }}期" },
  { kind = "publisher", wording = "{{ publisher }}" },
  { kind = "issue-date", wording = "{{ issued_on }}" },
  { kind = "part-title", wording = "{{ part }}" },
  { kind = "period", wording = "（{{ period }}）" },
]
distribution = [{ kind = "报", to = "领导" }]

[[section]]
key = "all"
heading = "情况"
kind = "group"
[[section.section]]
key = "cases"
heading = "办件"
kind = "figures"
wording = "受理{{ figure('accepted', 'week') }}件，即{{ figure('accepted', 'week') }}件；累计{{ figure('accepted', 'year') }}件。"
[[section.section]]
key = "progress"
heading = "推进"
kind = "items"
items = "1."
"#;

fn page(html: &[u8]) -> String {
    let html = std::str::from_utf8(html).unwrap();
    html.replace(html::STYLE, "…")
}

#[test]
fn an_issue_as_html() {
    let mut material = material();
    material.submissions.retain(|it| it.id.as_str() == "s2");
    let document = compose(&material, &Template::parse(SMALL).unwrap()).unwrap().document;
    insta::assert_snapshot!(page(&html::export(&document)), @r##"
    <!DOCTYPE html>
    <html lang="zh-CN">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>周报 2023年第5期（总第425期）</title>
    <meta name="author" content="四川省政府政务服务和公共资源交易服务中心">
    <style>…</style>
    </head>
    <body>
    <a class="skip" href="#issue">跳到正文</a>
    <nav class="contents" aria-label="目录">
    <p>目录</p>
    <ul>
    <li class="level-1"><a href="#s-all">一、情况</a></li>
    <li class="level-2"><a href="#s-cases">（一）办件</a></li>
    <li class="level-2"><a href="#s-progress">（二）推进</a></li>
    </ul>
    </nav>
    <main>
    <article class="issue" id="issue">
    <header class="masthead">
    <h1 class="title">周报</h1>
    <p class="number">2023年第5期</p>
    <div class="issuer">
    <p class="publisher">四川省政府政务服务和公共资源交易服务中心</p>
    <p class="date">2023年2月20日</p>
    </div>
    </header>
    <h2 class="part">政务</h2>
    <p class="period">（2月6日—2月10日）</p>
    <section aria-labelledby="s-all">
    <h3 class="level-1" id="s-all"><span class="marker">一、</span>情况</h3>
    <section aria-labelledby="s-cases">
    <h4 class="level-2" id="s-cases"><span class="marker">（一）</span>办件</h4>
    <p>受理<a class="figure" id="ref-1" href="#src-1" title="受理（本周）"><data value="94">94</data></a>件，即<a class="figure" href="#src-1" title="受理（本周）"><data value="94">94</data></a>件；累计<a class="figure" id="ref-2" href="#src-2" title="受理（今年以来累计）"><data value="1040">1040</data></a>件。</p>
    </section>
    <section aria-labelledby="s-progress">
    <h4 class="level-2" id="s-progress"><span class="marker">（二）</span>推进</h4>
    <p class="item" data-submission="s2" data-department="政务一窗受理协调处">协调处走访了已授权的<a class="figure" id="ref-3" href="#src-3" title="已授权部门数"><data value="35">35</data></a>个省级部门（单位）。</p>
    </section>
    </section>
    <footer class="imprint">
    <p class="distribution"><span class="marker">报：</span>领导。</p>
    <p class="print-run">（共印3份）</p>
    </footer>
    </article>
    <section class="sources" aria-labelledby="sources">
    <h2 id="sources">数据来源</h2>
    <ol>
    <li id="src-1"><strong>受理（本周）</strong>：2023年2月6日至2023年2月10日，94件，由94条记录汇总，数据截至日志第51877号。 <a class="back" href="#ref-1">返回正文</a><span class="meaning">窗口记录的受理，按发生日期计。</span></li>
    <li id="src-2"><strong>受理（今年以来累计）</strong>：2023年1月1日至2023年2月10日，1040件，由1040条记录汇总，数据截至日志第51877号。 <a class="back" href="#ref-2">返回正文</a><span class="meaning">窗口记录的受理，按发生日期计。</span></li>
    <li id="src-3"><strong>已授权部门数</strong>：2023年2月10日在授权登记中的35个部门，数据截至日志第51877号。 <a class="back" href="#ref-3">返回正文</a></li>
    </ol>
    <p>未加链接的数字由报送部门或巡查人员自报，系统未作核对。</p>
    <p>数据截至日志第51877号。规范文本 SHA-256：<code>6811b789ec09456aa1b8c3100e867e4356701cf1aa648d5bd91d4dd246cec54d</code>；指标定义：<code>d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1</code>；模板：<code>26ddae2ae1fbdfedf04dfe707be4fded48fcae7846a7323b1231d6d43db996c6</code>。</p>
    </section>
    </main>
    </body>
    </html>
    "##);
}

#[test]
fn hostile_news_is_text_everywhere() {
    let hostile = "<script>alert('1')</script> \u{E000}0\u{E001} & \" <img src=x onerror=\"y\"> {% raw %} ]]> --> &lt;";
    let name = "</title><style>*{}</style>\u{E000}1\u{E001}";
    let mut material = material();
    material.publisher = name.into();
    material.checklist.items[0] = name.into();
    material.checklist.introduction = hostile.into();
    material.submissions[2].text = hostile.into();
    material.submissions[2].department = "\"><b>".into();
    material.holder_changes[0].department = name.into();
    material.definitions[0].meaning = hostile.into();
    let document = composed(&material).document;
    let text = String::from_utf8(txt::export(&document)).unwrap();
    assert!(text.contains(&format!("\n{hostile}\n")), "printed as submitted");
    assert!(text.contains(&format!("\n{name}\n")));

    let page = page(&html::export(&document));
    for forbidden in ["<script", "<img", "<b>", "onerror=\"", "<style>*", "</title><"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains(
        "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; \u{E000}0\u{E001} &amp; &quot; "
    ));
    assert!(page.contains("data-department=\"&quot;&gt;&lt;b&gt;\""));
    for outside in ["http://", "https://", "url(", "@import", "src="] {
        assert!(!html::STYLE.contains(outside), "{outside}");
    }
}

#[test]
fn the_canonical_form_is_stable_and_read_back() {
    let document = composed(&material()).document;
    let bytes = json::export(&document);
    assert_eq!(json::read(&bytes).unwrap(), document);
    assert_eq!(bytes, json::export(&composed(&material()).document));
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.starts_with("{\"blocks\":[{\"inlines\":[{\"field\":\"name\",\"inline\":\"field\",\"text\":\"窗口工作周报\"}],\"kind\":\"title\",\"marker\":\"\",\"origin\":{\"by\":\"template\"},\"section\":\"\"},"));
    assert!(text.ends_with(",\"schema\":\"zhoubao.issue.v1\"}"));
    insta::assert_snapshot!(part(text, "{\"inline\":\"figure\"", "},\"text\""), @r#"{"inline":"figure","source":{"cause":null,"definition":"consulted","events":229,"first_day":"2023-02-06","last_day":"2023-02-10","meaning":"窗口记录的咨询，按发生日期计。","part":"","partition":"total","position":51877,"source":"counted","span":"week","title":"咨询","unit":"人次","value":459"#);

    let mut other = material();
    other.position += 1;
    assert_ne!(json::digest(&composed(&other).document), json::digest(&document));
    assert!(json::read(text.replace("issue.v1", "issue.v2").as_bytes()).is_err());
    assert!(json::read(b"{}").is_err());
}

#[test]
fn the_figures_as_a_table() {
    let table = String::from_utf8(csv::export(&composed(&material()).document)).unwrap();
    assert!(table.starts_with('\u{FEFF}') && table.ends_with("\r\n"));
    let lines: Vec<_> = table.trim_start_matches('\u{FEFF}').lines().collect();
    assert_eq!(lines.len(), 1 + 16);
    insta::assert_snapshot!([lines[0], lines[1], lines[9], lines[11]].join("\n"), @r#"
    "序号","栏目","指标","名称","范围","分项","原因","起","止","数值","单位","记录数","来源"
    "1","window-cases","consulted","咨询","本周","","","2023-02-06","2023-02-10","459","人次","229","日志第51877号"
    "9","progress","authorised_departments","已授权部门数","","","","2023-02-10","2023-02-10","35","个","","授权登记，日志第51877号"
    "11","platform","finished","行政许可办结","省本级","行政许可","","2023-01-01","2023-02-10","54071","件","","四川一体化政务服务平台"
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever a department types, the issue has its lines, nothing of it becomes markup, and the canonical form is
    /// read back.
    #[test]
    fn any_news_is_printed_or_refused(
        news in "(\\PC|[\n\r<>&{}\u{E000}\u{E001}0-9 ])*",
        department in "\\PC{0,20}",
    ) {
        let mut material = material();
        material.submissions[3].text = news.clone();
        material.submissions[3].department = department;
        let Ok(done) = compose(&material, &weekly()) else {
            prop_assert!(news.contains("{{"));
            return Ok(());
        };
        let document = done.document;
        prop_assert_eq!(&json::read(&json::export(&document)).unwrap(), &document);
        let text = String::from_utf8(txt::export(&document)).unwrap();
        prop_assert!(text.lines().all(|it| !it.is_empty()));
        if news.contains("{{") {
            return Ok(());
        }
        let lines = news.split(['\n', '\r']).map(str::trim).filter(|it| !it.is_empty());
        for line in lines {
            // A byte order mark or a change of direction is no character of print.
            prop_assert!(text.contains(line) || line.contains(|c: char| !c.is_alphanumeric()), "{line:?}");
        }
        // The markup is that of a page with other words in the same number of paragraphs.
        let written = document.blocks.iter().filter(|it| matches!(&it.origin, Origin::Submitted { id, .. } if id == "s4"));
        material.submissions[3].text = "稿\n".repeat(written.count());
        material.submissions[3].department = "厅".into();
        let plain = page(&html::export(&composed(&material).document));
        let markup = |page: &str| (page.matches('<').count(), page.matches('"').count());
        prop_assert_eq!(markup(&page(&html::export(&document))), markup(&plain));
    }
}

#[test]
fn a_new_version_says_so_and_what_it_puts_right() {
    let of = |version| {
        let amendment =
            Some(Amendment { version, note: "“签定”更正为“签订” <1>".into() });
        compose(&Material { amendment, ..material() }, &weekly()).unwrap()
    };
    let composed = of(2);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(text(txt::export(&composed.document)).contains("期）（更正版）\n"));
    let page = text(html::export(&composed.document));
    assert!(page.contains("更正版（第2版）：“签定”更正为“签订” &lt;1&gt;</p>"), "{page}");
    let bytes = json::export(&composed.document);
    assert_eq!(json::read(&bytes).unwrap(), composed.document);
    let third = of(3);
    assert!(text(txt::export(&third.document)).contains("期）（第2次更正版）\n"));
    // Its number is one of the issue, not one that nothing vouches for.
    assert_eq!(third.warnings, composed.warnings);
    let first = compose(&material(), &weekly()).unwrap().document;
    assert!(!text(json::export(&first)).contains("amendment"));
}

#[test]
fn an_issue_of_a_training_hall_says_so_whatever_the_template_is() {
    let composed = compose(&Material { training: true, ..material() }, &weekly()).unwrap();
    let document = &composed.document;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(text(txt::export(document)).starts_with("【培训】"));
    let page = text(html::export(document));
    assert!(page.contains("<title>【培训】") && page.contains("<p class=\"training\">"), "{page}");
    let table = text(csv::export(document));
    let rows: Vec<_> = table.lines().skip(1).collect();
    assert!(rows.iter().all(|it| it.contains(",\"【培训】")), "{table}");
    let bytes = json::export(document);
    let read = json::read(&bytes).unwrap();
    assert!(read.metadata.training && read == *document);
    // A real issue is what it was: the mark changes no byte of it.
    let real = compose(&material(), &weekly()).unwrap().document;
    assert!(!text(json::export(&real)).contains("training"));
    assert_ne!(json::digest(&real), json::digest(document));
}

#[test]
fn the_root_of_the_tree_is_named_where_the_freeze_has_one() {
    let plain = compose(&material(), &weekly()).unwrap().document;
    let root = zhoubao_domain::id::Digest::new([0xab; 32]);
    let tree = zhoubao_domain::event::Tree {
        hash: zhoubao_domain::event::TreeHash::Sm3,
        size: 51_877,
        root,
        peaks: vec![],
    };
    let heads = vec![zhoubao_domain::event::TerminalHead {
        terminal: "w01".parse().unwrap(),
        number: 4_711,
    }];
    let rooted = Material { tree: Some(tree), heads, ..material() };
    let rooted = compose(&rooted, &weekly()).unwrap().document;
    assert_eq!(txt::export(&rooted), txt::export(&plain));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (with, without) = (text(json::export(&rooted)), text(json::export(&plain)));
    assert!(!without.contains("\"tree\"") && !without.contains("\"heads\""), "as it was before");
    assert!(with.contains("\"heads\":[{\"number\":4711,\"terminal\":\"w01\"}],"));
    assert!(
        with.contains(&format!("\"tree\":{{\"hash\":\"sm3\",\"root\":\"{root}\",\"size\":51877}}"))
    );
    assert_eq!(json::read(with.as_bytes()).unwrap(), rooted);
    let page = text(html::export(&rooted));
    assert!(page.contains(&root.to_string()) && page.contains("w01 #4711"), "{page}");
    assert!(!text(html::export(&plain)).contains("核验"));
}
