//! What the checks find in an issue, and what has to become of it before it is signed.

use jiff::Timestamp;
use zhoubao::play::Player;
use zhoubao_application::writer::{Unnumbered, Writer};
use zhoubao_domain::event::Event;
use zhoubao_domain::id::{DeskTopic, Stream};

use crate::hall::{Hall, sample};

/// A hall whose first four issues are out and whose fifth is frozen.
async fn frozen() -> anyhow::Result<Hall> {
    let hall = Hall::in_files()?;
    let sample = sample()?;
    let desk = hall.context().desk().await?;
    let mut player = Player::new(&desk, &sample, sample.acts(7)?);
    player.begin().await?;
    let (last, before) = sample.weeks.split_last().expect("weeks");
    for week in before {
        player.week(week).await?;
        player.finish(week).await?;
    }
    player.week(last).await?;
    desk.catch_up().await?;
    drop(desk);
    hall.run(&["issue", "freeze", "2023-05", "--by", sample.people.editor.as_str()]).await?.ok();
    Ok(hall)
}

/// Code and place of everything that is found.
async fn found(hall: &Hall) -> anyhow::Result<Vec<String>> {
    let found = hall.run(&["issue", "check", "2023-05", "--json"]).await?.ok().json()?;
    let rows = found["findings"].as_array().expect("findings");
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or("—").to_owned();
    Ok(rows.iter().map(|it| format!("{} {}", text(it, "code"), text(it, "place"))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_is_signed_when_each_finding_was_accepted_with_a_reason() -> anyhow::Result<()> {
    let hall = frozen().await?;
    let sample = sample()?;
    let (editor, leader) = (sample.people.editor.as_str(), sample.people.leader.as_str());
    let run = async |arguments: &[&str], by: &str| {
        hall.run(&[&["issue"], arguments, &["--by", by]].concat()).await
    };
    assert_eq!(
        found(&hall).await?,
        [
            "W.310 稿件 news-2023-05-01（政务一窗受理协调处）",
            "W.204 省级政务服务事项受理办理情况",
            "W.204 省级政务服务事项受理办理情况",
            "W.310 稿件 news-2023-05-05（省市场监管局）",
            "W.310 稿件 news-2023-05-06（文化和旅游厅）",
            "W.310 稿件 news-2023-05-07（人力资源社会保障厅）",
            "W.310 稿件 news-2023-05-09（水利厅）",
            "W.601 优化营商环境工作开展情况",
            "W.601 窗口服务效能提升工作情况",
            "W.601 厅（局）长进大厅",
            "W.205 省本级综窗办件情况",
            "W.205 省本级综窗办件情况",
            "W.620 推进情况",
        ]
    );

    let last = hall.last().await?;
    let refused = run(&["submit", "2023-05"], editor).await?.fails(4, "E.502");
    assert!(refused.err.contains("zhoubao issue accept ISSUE "), "{}", refused.err);
    run(&["submit", "2023-05", "--dry-run"], editor).await?.fails(4, "E.502");
    // A reason, a right, a place or all of them, and something that was found.
    let all = ["accept", "2023-05", "W.310", "--all", "--reason"];
    run(&[&all[..], &[" "]].concat(), editor).await?.fails(4, "E.120");
    let inspector = sample.people.inspector.as_str();
    run(&[&all[..], &["已核对"]].concat(), inspector).await?.fails(4, "E.111");
    let one = ["accept", "2023-05", "W.310", "--reason", "已核对"];
    run(&one, editor).await?.fails(4, "E.502");
    run(&[&one[..], &["--place", "nowhere"]].concat(), editor).await?.fails(4, "E.502");
    run(&["accept", "2023-05", "W.140", "--reason", "已核对"], editor).await?.fails(4, "E.502");
    assert_eq!(hall.last().await?, last, "nothing was stored");

    // One by its place, by the leader; the rest as the sample's editor does.
    let place = "news-2023-05-01";
    run(&[&one[..], &["--place", place]].concat(), leader).await?.ok();
    let checked = hall.run(&["issue", "check", "2023-05"]).await?.ok().text();
    let line = checked.lines().find(|it| it.contains(place)).unwrap_or_default();
    assert!(line.contains(leader) && line.contains("已核对"), "{checked}");
    // The same command again stores nothing.
    let again = ["accept", "2023-05", "W.601", "--all", "--reason", "历来如此", "--id", "k1"];
    let first = run(&again, editor).await?.ok().text();
    let last = hall.last().await?;
    assert!(!first.is_empty());
    run(&again, editor).await?.ok();
    run(&again[..6], leader).await?.ok();
    assert_eq!(hall.last().await?, last);
    hall.accept("2023-05", editor).await?;
    run(&["submit", "2023-05"], editor).await?.ok();

    // A text that is filed anew is another finding: the leader cannot sign what nobody accepted.
    let mut entry = sample.weeks[4].submissions[0].clone();
    if let Event::SubmissionFiled { text, .. } = &mut entry.event {
        *text = text.replace("14名", "15名");
    }
    write(&hall, entry.stream, entry.event).await?;
    let sign = ["sign", "2023-05", "--on", "2023-02-20", "--yes"];
    let refused = run(&sign, leader).await?.fails(4, "E.502");
    assert!(refused.err.contains(place), "{}", refused.err);
    run(&[&one[..], &["--place", place]].concat(), leader).await?.ok();
    run(&sign, leader).await?.ok();

    // What was accepted, by whom and why stays with the issue.
    let signed = hall.run(&["issue", "check", "2023-05", "--json"]).await?.ok().json()?;
    assert_eq!((&signed["open"], &signed["blocking"]), (&0.into(), &0.into()), "{signed}");
    let rows = signed["findings"].as_array().expect("findings");
    let own = rows.iter().find(|it| it["place"].as_str().is_some_and(|it| it.contains(place)));
    let own = own.expect("the finding");
    assert_eq!(own["accepted"]["by"], leader);
    assert!(rows.iter().all(|it| it["accepted"]["reason"].is_string()), "{signed}");
    Ok(())
}

async fn write(hall: &Hall, stream: Stream, event: Event) -> anyhow::Result<()> {
    let desk = hall.context().desk().await?;
    let occurred_at: Timestamp = "2023-02-13T10:00:00+08:00".parse()?;
    let filed =
        Unnumbered { stream, occurred_at, entered_at: None, actor: None, command: None, event };
    Writer::new(desk.journal().clone(), desk.hall().clone()).write(vec![filed]).await?;
    desk.catch_up().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_is_not_filed_and_blocks_where_it_was() -> anyhow::Result<()> {
    let hall = frozen().await?;
    let sample = sample()?;
    let editor = sample.people.editor.as_str();
    let number = "11010519491231002X";
    let line = serde_json::json!({
        "specversion": "1.0", "source": "hall.510000.desk.submission.s99",
        "type": "cn.zhoubao.SubmissionFiled.v1", "time": "2023-02-13T09:00:00+08:00",
        "data": {
            "section": "window-service", "department": "tax",
            "text": format!("申请人身份证{number}，已办结。"),
        },
    });
    let last = hall.last().await?;
    let emit = ["emit", "-", "--anyway"];
    let refused = hall.run_with(&line.to_string(), &emit).await?.fails(4, "E.122");
    assert!(!refused.err.contains("19491231"), "{}", refused.err);
    assert_eq!(hall.last().await?, last);

    // Written past the desk, as before this check was made.
    let stream = Stream::Desk(DeskTopic::Submission, "s99".parse()?);
    let filed = |text: String| Event::SubmissionFiled {
        section: "window-service".to_owned(),
        department: sample.departments[0].department.clone(),
        text,
        attachments: vec![],
    };
    write(&hall, stream.clone(), filed(format!("申请人身份证{number}，已办结。"))).await?;
    hall.run(&["issue", "adopt", "2023-05", "s99", "--by", editor]).await?.ok();
    let checked = hall.run(&["issue", "check", "2023-05"]).await?.fails(4, "E.502");
    let told = checked.text();
    assert!(told.contains("E.122") && !told.contains(number), "{told}");
    let accept = ["issue", "accept", "2023-05", "E.122", "--reason", "已核对", "--by", editor];
    hall.run(&accept).await?.fails(4, "E.502");
    hall.run(&["issue", "submit", "2023-05", "--by", editor]).await?.fails(4, "E.502");

    // Filed anew under the same id without it, it is in order.
    write(&hall, stream, filed("申请已办结。".to_owned())).await?;
    hall.accept("2023-05", editor).await?;
    hall.run(&["issue", "submit", "2023-05", "--by", editor]).await?.ok();
    Ok(())
}
