use zhoubao_composer::Template;
use zhoubao_composer::template::TEMPLATE_BYTES_MAX;
use zhoubao_domain::code::Code;

use crate::sample::*;

#[test]
fn the_weekly_template_is_sound() {
    let template = weekly();
    template.check(&definitions()).unwrap();
    assert!(WEEKLY.len() <= TEMPLATE_BYTES_MAX);
    assert_eq!(
        template.submission_sections(),
        [
            ("progress", "推进情况"),
            ("business-environment", "优化营商环境工作开展情况"),
            ("window-service", "窗口服务效能提升工作情况"),
            ("leaders-at-hall", "厅（局）长进大厅"),
        ]
    );
    assert_eq!(template.submission_section("厅（局）长进大厅"), Some("leaders-at-hall"));
    assert_eq!(template.submission_section("sports"), None);
}

/// What is wrong with the weekly template when `from` is replaced by `to`.
#[track_caller]
fn wrong(from: &str, to: &str) -> String {
    assert!(WEEKLY.contains(from), "{from}");
    let source = WEEKLY.replacen(from, to, 1);
    let refusal = Template::parse(&source)
        .and_then(|it| it.check(&definitions()))
        .expect_err(&format!("{from} → {to} was accepted"));
    assert_eq!(refusal.code, Code::Template);
    refusal.detail
}

#[test]
fn what_is_wrong_with_a_template_is_said_with_its_place() {
    let week = "figure('consulted', 'week')";
    let table = [
        ("title = ", "titel = "),
        ("print_run = 80", "print_run = 0"),
        ("kind = \"group\"", "kind = \"heap\""),
        ("items = \"1.\"", "items = \"①\""),
        ("items = \"1.\"\n", ""),
        ("when = \"outside\"", "when = \"sometimes\""),
        ("unchanged = \"本周无变化。\"\n", ""),
        ("not_held = ", "good_held = "),
        ("key = \"scope\"", "key = \"progress\""),
        ("key = \"scope\"", "key = \"范围\""),
        ("heading = \"推进情况\"", "heading = \"\""),
        ("required = false", "required = false\nclasses = [\"行政许可\"]"),
        ("[\"行政许可\", ", "[\"行政检查\", "),
        ("statistic('公共服务', 'finished')", "statistic('公共服务', 'refused')"),
        (week, "figure('handled', 'week')"),
        (week, "figure('consulted', 'month')"),
        (week, "figure('consulted', 'week', 'shift', 'a')"),
        (week, "handled"),
        (week, "handled('week')"),
        (week, "figure('consulted', 'week') + "),
        (week, "figure('consulted', 'week') + 'a'"),
        (week, "figure('consulted'"),
        (week, "authorised_departments | upper"),
        ("本周，共计咨询", "{% for x in year %}"),
        ("本周，共计咨询", "{% end %}"),
        ("本周，共计咨询", "}} "),
        ("{{ issued_on }}", "{{ issued_on "),
        ("{{ period }}", "{{ issued_on }}"),
        ("{{ departments }}更换", "{{ department }}更换"),
        ("key = \"progress\"", "key = \"progress\"\nfile_until = \"noon\""),
        ("key = \"scope\"", "key = \"scope\"\nfile_until = \"12:00\""),
    ];
    let found: Vec<_> =
        table.iter().map(|(from, to)| format!("{to}\n    {}", wrong(from, to))).collect();
    insta::assert_snapshot!(found.join("\n"), @r#"
    titel = 
        第 5 行 line 5: unknown field `titel`, expected one of `title`, `part`, `print_run`, `print_run_wording`, `masthead`, `section`, `distribution`, `parameters`, `entered`, `let`, `table`, `terms`
    print_run = 0
        第 7 行 line 7: print_run: 1 至 1000000 expected 1 to 1000000
    kind = "heap"
        第 39 行 line 39: unknown variant `heap`, expected one of `group`, `text`, `figures`, `authorization-scope`, `items`, `statistics`, `inspection`
    items = "①"
        第 79 行 line 79: unknown variant `①`, expected one of `一、`, `（一）`, `1.`, `（1）`

        第 75 行 line 75: section `progress`: 缺少 lacks `items` (`一、`, `（一）`, `1.` or `（1）`)
    when = "sometimes"
        第 53 行 line 53: unknown variant `sometimes`, expected one of `outside`, `outside-earlier`, `adjustment`, `year-split`

        第 65 行 line 65: section `scope`: 缺少 lacks `unchanged`
    good_held = 
        第 124 行 line 124: unknown field `good_held`, expected one of `key`, `heading`, `kind`, `required`, `when`, `file_until`, `section`, `text`, `wording`, `note`, `items`, `classes`, `unchanged`, `authorised`, `withdrawn`, `items_included`, `items_removed`, `replaced`, `letter_signed`, `line`, `good`, `not_inspected`, `not_held`
    key = "progress"
        第 75 行 line 75: section `progress`: key 重复 used twice
    key = "范围"
        第 65 行 line 65: section `范围`: key 须为 expected 1 to 64 ASCII letters, digits, `-` or `_`
    heading = ""
        第 76 行 line 76: section `progress` heading: 不能为空 must not be empty
    required = false
    classes = ["行政许可"]
        第 75 行 line 75: section `progress`: `classes` 不适用 does not belong to this kind of section
    ["行政检查", 
        第 88 行 line 88: 未知类别 unknown class `行政许可` here；第 88 行 line 88: 未知类别 unknown class `行政许可` here；第 88 行 line 88: 类别未印 the class `行政检查` is not printed
    statistic('公共服务', 'refused')
        第 88 行 line 88: 未知数值 unknown measure `refused`, expected one of accepted, finished
    figure('handled', 'week')
        第 45 行 line 45: 未知指标 unknown figure `handled`, expected one of consulted, accepted, issued, transferred
    figure('consulted', 'month')
        第 45 行 line 45: 未知范围 unknown span `month`, expected one of week, week-of-year, outside, outside-earlier, adjustment, carried, year
    figure('consulted', 'week', 'shift', 'a')
        第 45 行 line 45: 未知分项 unknown partition `shift`, expected one of day, window, department
    handled
        第 45 行 line 45: 未知名称 unknown name `handled`, expected one of authorised_departments, days, first_day, hall, last_day, number, part, period, print_run, publisher, running_number, title, working_days, year
    handled('week')
        第 45 行 line 45: 未知函数 unknown function `handled`, expected one of figure, earlier, parts, table, statistic, statistics, submissions, amounts, by_day, adjustments, where, order, arrange, top, group, row, count, sum, min, max, decimals, round, size, direction, chinese, suffix, or, form
    figure('consulted', 'week') + 
        第 45 行 line 45: section `window-cases` wording: 此处应为数值 expected a value, found the end
    figure('consulted', 'week') + 'a'
        第 45 行 line 45: 文字不能运算 cannot compute with the text 'a'
    figure('consulted'
        第 45 行 line 45: section `window-cases` wording: 此处应为 expected `,`，而是 found 结束 the end
    authorised_departments | upper
        第 45 行 line 45: 未知函数 unknown function `upper`, expected one of figure, earlier, parts, table, statistic, statistics, submissions, amounts, by_day, adjustments, where, order, arrange, top, group, row, count, sum, min, max, decimals, round, size, direction, chinese, suffix, or, form
    {% for x in year %}
        第 45 行 line 45: section `window-cases` wording: 缺少 {% end %} is missing for this block
    {% end %}
        第 45 行 line 45: section `window-cases` wording: 没有对应的开头 nothing is open here
    }} 
        第 45 行 line 45: section `window-cases` wording: 有 }} 而无 {{ a `}}` without `{{`
    {{ issued_on 
        第 26 行 line 26: masthead[3]: 有 {{ 而无结尾 a `{{` is not closed
    {{ issued_on }}
        第 34 行 line 34: 未知名称 unknown name `issued_on`, expected one of authorised_departments, days, first_day, hall, last_day, number, part, period, print_run, publisher, running_number, title, working_days, year
    {{ department }}更换
        第 80 行 line 80: 未知名称 unknown name `department`, expected one of authorised_departments, days, departments, first_day, hall, last_day, number, part, period, print_run, publisher, running_number, title, working_days, year
    key = "progress"
    file_until = "noon"
        第 76 行 line 76: section `progress` file_until: 须为时刻，如 expected a time such as `17:30`
    key = "scope"
    file_until = "12:00"
        栏目 `scope` 不收稿件，不能有 file_until takes no news
    "#);
}

#[test]
fn a_template_has_limits() {
    let refused = |source: &str| Template::parse(source).unwrap_err().detail;
    assert!(refused(&format!("{WEEKLY}#{}", " ".repeat(TEMPLATE_BYTES_MAX))).contains("20480"));
    let deep = format!(
        "{WEEKLY}\n[[section.section.section.section.section]]\nkey=\"x\"\nheading=\"x\"\nkind=\"items\"\nitems=\"1.\""
    );
    assert!(!refused(&deep).is_empty());
    let long = WEEKLY.replacen("本周无变化。", &"无".repeat(2000), 1);
    assert!(refused(&long).contains("4 KB"));
    assert!(refused("").contains("title"));
    assert!(refused("title = \"a\"\nnumber 5").contains("line 2"));
}
