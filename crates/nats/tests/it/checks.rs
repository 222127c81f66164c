//! Servers, streams and users that are refused, and those that are not.

use serde_json::json;
use zhoubao_application::journal::{Journal, JournalError};
use zhoubao_domain::code::Code;
use zhoubao_nats::check::SYNC_LINE;
use zhoubao_nats::{NatsJournal, Options, Severity};
use zhoubao_test_support::{NatsServer, NatsUser};

use crate::{at, create_changed_stream, event, journal, options, stream_options, terminal};

#[track_caller]
fn check_refused(refused: Result<NatsJournal, JournalError>, code: Code, words: &[&str]) {
    let Err(JournalError::Unsafe { code: found, detail }) = refused else {
        panic!("not refused as unsafe: {refused:?}")
    };
    assert_eq!(found, code, "{detail}");
    for word in words {
        assert!(detail.contains(word), "`{word}` is not in `{detail}`");
    }
}

#[tokio::test]
async fn a_safe_server_and_stream_have_nothing_to_complain_of() -> anyhow::Result<()> {
    let (_server, journal) = journal().await?;
    let findings = journal.check().await?;
    // The user of the tests has all rights, and that is told.
    let [only] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(only.severity, Severity::Warning);
    assert!(only.detail.contains("may change the settings"), "{only}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_does_not_sync_is_refused_unless_loss_is_accepted() -> anyhow::Result<()> {
    let server = NatsServer::builder().sync_always(false).start().await?;
    NatsJournal::create_stream(&options(&server), &stream_options()).await?;
    let refused = NatsJournal::connect(options(&server)).await;
    check_refused(
        refused,
        Code::UnsafeBroker,
        &["hall-test", "before they are on the disk", SYNC_LINE],
    );

    let journal = NatsJournal::connect(Options { accept_loss: true, ..options(&server) }).await?;
    let subject = terminal("w01");
    journal.append(&[event(&subject, 1, None, "{}")], &[at(&subject, 0)]).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_not_known_counts_as_unsafe() -> anyhow::Result<()> {
    let (server, _) = journal().await?;
    let url = server.url();
    let unknown = [
        // Nobody to ask.
        None,
        // Refused.
        Some(url.replace("hall:hall", "check:wrong")),
        // A user of the hall, not of `$SYS`.
        Some(url.clone()),
    ];
    for sys_url in unknown {
        let options = Options { sys_url, ..options(&server) };
        let refused = NatsJournal::connect(options.clone()).await;
        check_refused(refused, Code::UnsafeBroker, &["put `"]);
        NatsJournal::connect(Options { accept_loss: true, ..options }).await?;
    }
    Ok(())
}

/// It may be back in a moment, as the journal's own may.
#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for_and_not_called_unsafe() -> anyhow::Result<()> {
    let (server, _) = journal().await?;
    let nobody = Some("nats://check:check@127.0.0.1:1".to_owned());
    let options = Options { sys_url: nobody, ..options(&server) };
    let refused = NatsJournal::connect(options.clone()).await;
    assert!(matches!(refused, Err(JournalError::Unavailable(_))), "{refused:?}");
    NatsJournal::connect(Options { accept_loss: true, ..options }).await?;
    Ok(())
}

#[tokio::test]
async fn the_answer_of_another_server_does_not_count() -> anyhow::Result<()> {
    let (server, _) = journal().await?;
    let other = NatsServer::start().await?;
    let options = Options { sys_url: Some(other.sys_url()), ..options(&server) };
    let refused = NatsJournal::connect(options).await;
    check_refused(refused, Code::UnsafeBroker, &["is not among those that the `$SYS` user sees"]);
    Ok(())
}

#[tokio::test]
async fn a_wrong_setting_of_the_stream_is_named() -> anyhow::Result<()> {
    let wrong = [
        ("deny_delete", json!(false), "put `deny_delete: true`"),
        ("deny_purge", json!(false), "put `deny_purge: true`"),
        ("discard", json!("old"), "put `discard: \"new\"`"),
        ("max_age", json!(3_600_000_000_000_u64), "put `max_age: 0`"),
        ("max_msgs", json!(1000), "put `max_msgs: -1`"),
        ("max_msg_size", json!(1024), "put `max_msg_size: 33792`"),
        ("allow_atomic", json!(false), "put `allow_atomic: true`"),
        ("allow_direct", json!(false), "put `allow_direct: true`"),
        ("storage", json!("memory"), "put `storage: \"file\"`"),
        ("max_msgs_per_subject", json!(-1), "put `max_msgs_per_subject: 2000000`"),
        ("no_ack", json!(true), "`no_ack: true`, which a hall's stream does not set"),
        ("compression", json!("s2"), "put `compression: \"none\"`"),
        ("allow_msg_ttl", json!(true), "put `allow_msg_ttl: false`"),
    ];
    let server = NatsServer::start().await?;
    for (field, value, words) in wrong {
        create_changed_stream(&server, |it| {
            it[field] = value;
            if matches!(field, "discard" | "max_msgs_per_subject") {
                it["discard_new_per_subject"] = json!(false);
            }
            if field == "storage" {
                it["max_bytes"] = json!(1024 * 1024);
            }
        })
        .await?;
        let refused = NatsJournal::connect(Options { accept_loss: true, ..options(&server) }).await;
        check_refused(refused, Code::UnsafeBroker, &["HALL_510000", field, words]);
        crate::api(&server, "STREAM.DELETE.HALL_510000", &json!({})).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_without_incarnation_is_refused() -> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    create_changed_stream(&server, |it| it["metadata"] = json!({})).await?;
    let refused = NatsJournal::connect(options(&server)).await;
    check_refused(refused, Code::OtherJournal, &["zhoubao-incarnation"]);
    let journal = NatsJournal::open(options(&server)).await?;
    let state = journal.state().await;
    assert!(matches!(state, Err(JournalError::Unsafe { code: Code::OtherJournal, .. })));
    Ok(())
}

#[tokio::test]
async fn a_stream_is_made_once() -> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    let options = options(&server);
    let refused = NatsJournal::connect(options.clone()).await;
    check_refused(refused, Code::UnsafeBroker, &["stream HALL_510000 does not exist"]);

    let first = stream_options();
    NatsJournal::ensure_stream(&options, &first).await?;
    NatsJournal::ensure_stream(&options, &stream_options()).await?;
    let journal = NatsJournal::connect(options.clone()).await?;
    assert_eq!(journal.state().await?.incarnation, first.incarnation);
    assert_eq!(journal.state().await?.last, 0);

    let again = NatsJournal::create_stream(&options, &stream_options()).await;
    assert!(matches!(again, Err(JournalError::Unsafe { code: Code::OtherJournal, .. })));
    Ok(())
}

#[tokio::test]
async fn a_user_who_may_not_read_is_refused() -> anyhow::Result<()> {
    let user = |name: &str, publish: &[&str]| NatsUser {
        name: name.into(),
        password: "secret".into(),
        publish: publish.iter().map(|it| (*it).to_owned()).collect(),
        subscribe: vec!["_INBOX.>".into()],
    };
    let info = "$JS.API.STREAM.INFO.HALL_510000";
    let server = NatsServer::builder()
        .user(user("blind", &["hall.510000.>"]))
        .user(user("noget", &["hall.510000.>", info, "$JS.API.CONSUMER.>"]))
        .user(user(
            "reader",
            &[
                info,
                "$JS.API.DIRECT.GET.HALL_510000",
                "$JS.API.CONSUMER.CREATE.HALL_510000",
                "$JS.API.CONSUMER.MSG.NEXT.HALL_510000.*",
                "$JS.API.CONSUMER.DELETE.HALL_510000.*",
            ],
        ))
        .user(user("noreader", &["hall.510000.>", info, "$JS.API.DIRECT.GET.HALL_510000"]))
        .user(user(
            "service",
            &[
                "hall.510000.>",
                info,
                "$JS.API.DIRECT.GET.HALL_510000",
                "$JS.API.DIRECT.GET.HALL_510000.>",
                "$JS.API.CONSUMER.CREATE.HALL_510000",
                "$JS.API.CONSUMER.MSG.NEXT.HALL_510000.*",
                "$JS.API.CONSUMER.DELETE.HALL_510000.*",
            ],
        ))
        .start()
        .await?;
    NatsJournal::create_stream(&options(&server), &stream_options()).await?;
    let connect = async |name| {
        let url = server.url_of(name).expect("a user");
        NatsJournal::connect(Options { url, ..options(&server) }).await
    };
    check_refused(connect("blind").await, Code::UnsafeBroker, &[info]);
    check_refused(connect("noget").await, Code::UnsafeBroker, &["may not read single events"]);
    check_refused(connect("noreader").await, Code::UnsafeBroker, &["may not make a reader"]);

    // Who only reads is not asked for the right to append.
    let url = server.url_of("reader")?;
    let to_append = Options { url: url.clone(), ..options(&server) };
    let refused = NatsJournal::connect(to_append).await;
    check_refused(refused, Code::UnsafeBroker, &["may not write to `hall.510000.issues`"]);
    NatsJournal::connect(Options { url, appends: false, ..options(&server) }).await?;
    // No service makes a stream, and none needs to where it is.
    let elsewhere = Options { hall: "990000".parse()?, ..options(&server) };
    let url = server.url_of("service")?;
    let made = NatsJournal::ensure_stream(&Options { url, ..elsewhere }, &stream_options()).await;
    let Err(JournalError::Unsafe { code, detail }) = made else { panic!("{made:?}") };
    assert_eq!(code, Code::UnsafeBroker);
    assert!(detail.contains("HALL_990000") && detail.contains("break-glass"), "{detail}");

    // The rights that a service needs, and not one more: nothing to report.
    let journal = connect("service").await?;
    assert_eq!(journal.check().await?, []);
    let subject = terminal("w01");
    journal.append(&[event(&subject, 1, None, "{}")], &[at(&subject, 0)]).await?;
    assert_eq!(journal.head(&subject).await?.map(|it| it.position), Some(1));
    let mut cursor = Journal::open(&journal, 1).await?;
    assert_eq!(cursor.next(1, std::time::Duration::from_secs(1)).await?.len(), 1);
    Ok(())
}
