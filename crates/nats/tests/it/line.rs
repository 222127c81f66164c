//! A window's device with the rights of its own line and no other.

use std::time::{Duration, Instant};

use zhoubao_application::journal::{AppendError, JournalError, Line as _};
use zhoubao_contract::hash;
use zhoubao_domain::id::TerminalId;
use zhoubao_nats::{Fault, NatsJournal, NatsLine, Options};
use zhoubao_test_support::{NatsServer, NatsUser};

use crate::append::{fault, hold_batches};
use crate::proxy::Proxy;
use crate::{last, line, options, stream_options, terminal};

/// A server with a stream and the user `w01`, who has the rights of a terminal.
async fn server() -> anyhow::Result<NatsServer> {
    let server = NatsServer::builder()
        .batch_max_inflight(50)
        .batch_timeout(Duration::from_secs(600))
        .user(NatsUser {
            name: "w01".into(),
            password: "w01".into(),
            publish: vec![
                "hall.510000.terminal.w01".into(),
                "$JS.API.DIRECT.GET.HALL_510000.hall.510000.terminal.w01".into(),
            ],
            subscribe: vec!["_INBOX.w01.>".into()],
        })
        .start()
        .await?;
    NatsJournal::create_stream(&options(&server), &stream_options()).await?;
    Ok(server)
}

fn options_of(url: String) -> Options {
    Options::new(url, crate::hall())
}

fn w01() -> TerminalId {
    "w01".parse().expect("a terminal")
}

#[tokio::test]
async fn a_terminal_needs_no_right_beyond_its_own_line() -> anyhow::Result<()> {
    let server = server().await?;
    let proxy = Proxy::start(server.port()).await?;
    let url = proxy.url(&server.url_of("w01")?);
    let own = NatsLine::connect(&options_of(url), w01()).await?;
    let messages = line(&terminal("w01"), 1, 210, None);

    assert_eq!(own.head().await?, None);
    assert_eq!(own.append(&messages[..1], 0).await?, [1]);
    assert_eq!(own.append(&messages[1..4], 1).await?, [2, 3, 4]);
    let refused = own.append(&messages[1..2], 1).await;
    assert!(matches!(refused, Err(AppendError::Conflict)), "{refused:?}");

    // An answer that is lost: nobody knows, and the head tells.
    for (count, from) in [(1, 4), (3, 5)] {
        proxy.swallow_acknowledgement();
        let lost = own.append(&messages[from..from + count], from as u64).await;
        assert!(matches!(lost, Err(AppendError::Unavailable(_))), "{lost:?}");
        assert!(proxy.has_swallowed());
        let head = own.head().await?.expect("a head");
        assert_eq!(head.position, (from + count) as u64);
        assert_eq!(hash(&head.message), hash(&messages[from + count - 1]));
    }

    let _holder = hold_batches(&server, 50).await?;
    let refused = own.append(&messages[8..], 8).await;
    assert!(matches!(refused, Err(AppendError::TooLarge { .. } | AppendError::Invalid { .. })));
    let refused = own.append(&messages[8..10], 8).await;
    assert!(matches!(refused, Err(AppendError::BatchRefused)), "{refused:?}");
    assert_eq!(own.append(&messages[8..9], 8).await?, [9]);

    assert_eq!(last(&server).await?, 9);
    assert!(!server.log()?.contains("Violation"), "{}", server.log()?);
    Ok(())
}

#[tokio::test]
async fn the_line_of_another_terminal_is_refused_at_once() -> anyhow::Result<()> {
    let server = server().await?;
    let w02: TerminalId = "w02".parse()?;
    let inbox_prefix = Some("_INBOX.w01".to_owned());
    let options = Options { inbox_prefix, ..options_of(server.url_of("w01")?) };
    let foreign = NatsLine::connect(&options, w02).await?;
    let asked_at = Instant::now();
    let refused = foreign.head().await.unwrap_err();
    let JournalError::Unavailable(source) = refused else { panic!("{refused:?}") };
    assert!(matches!(source.downcast_ref(), Some(Fault::NotPermitted(_))), "{source:?}");
    for count in [1, 3] {
        let refused = foreign.append(&line(&terminal("w02"), 1, count, None), 0).await;
        let refused = refused.unwrap_err();
        assert!(matches!(fault(&refused), Fault::NotPermitted(_)), "{refused:?}");
        assert!(fault(&refused).to_string().contains("hall.510000.terminal.w02"), "{refused:?}");
    }
    assert!(asked_at.elapsed() < Duration::from_secs(5));
    assert_eq!(last(&server).await?, 0);
    Ok(())
}
