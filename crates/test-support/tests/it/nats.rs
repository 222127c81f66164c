use std::path::Path;

use zhoubao_test_support::{NatsServer, NatsUser};

use crate::client::Client;
use crate::{CHILD, announce_and_wait, assert_server_ends_with_its_process};

const CREATE_STREAM: &str =
    r#"{"name":"EVENTS","subjects":["events.>"],"storage":"file","allow_atomic":true}"#;

async fn create_stream(client: &mut Client) -> anyhow::Result<()> {
    let created = client.request("$JS.API.STREAM.CREATE.EVENTS", CREATE_STREAM).await?;
    assert!(!created.contains(r#""error""#), "{created}");
    Ok(())
}

#[tokio::test]
async fn a_killed_server_comes_back_on_its_port_with_its_data() -> anyhow::Result<()> {
    let mut server = NatsServer::start().await?;
    let (url, port, first_pid) = (server.url(), server.port(), server.pid());
    let mut client = Client::connect(&url).await?;
    create_stream(&mut client).await?;
    let stored = client.request("events.a", "one").await?;
    assert!(stored.contains(r#""seq":1"#), "{stored}");

    server.kill().await?;
    assert_eq!(server.pid(), None);
    assert!(Client::connect(&url).await.is_err());
    server.restart().await?;

    assert_eq!((server.url(), server.port()), (url.clone(), port));
    assert_ne!(server.pid(), first_pid);
    assert!(server.store_dir().is_dir());
    let mut client = Client::connect(&url).await?;
    let stored = client.request("events.a", "two").await?;
    assert!(stored.contains(r#""seq":2"#), "{stored}");
    Ok(())
}

#[tokio::test]
async fn a_running_server_is_stopped_and_restarted() -> anyhow::Result<()> {
    let mut server = NatsServer::start().await?;
    let mut client = Client::connect(&server.url()).await?;
    create_stream(&mut client).await?;

    server.restart().await?;
    let mut client = Client::connect(&server.url()).await?;
    let found = client.request("$JS.API.STREAM.INFO.EVENTS", "").await?;

    assert!(found.contains(r#""name":"EVENTS""#), "{found}");
    Ok(())
}

#[tokio::test]
async fn the_check_user_reads_whether_appends_are_synced_and_nothing_else() -> anyhow::Result<()> {
    for sync_always in [true, false] {
        let server = NatsServer::builder().sync_always(sync_always).start().await?;
        let mut client = Client::connect(&server.sys_url()).await?;
        let settings = client.request("$SYS.REQ.SERVER.PING.VARZ", "").await?;
        assert_eq!(settings.contains(r#""sync_always":true"#), sync_always, "{settings}");

        let refused = client.request("$SYS.REQ.SERVER.PING.CONNZ", "").await.unwrap_err();
        assert!(refused.to_string().contains("Permissions Violation"), "{refused}");
    }
    Ok(())
}

#[tokio::test]
async fn an_added_user_has_its_rights_only() -> anyhow::Result<()> {
    let user = NatsUser {
        name: "terminal".to_owned(),
        password: "secret".to_owned(),
        publish: vec!["events.w01".to_owned()],
        subscribe: vec!["_INBOX.test.>".to_owned()],
    };
    let server = NatsServer::builder().user(user).start().await?;
    create_stream(&mut Client::connect(&server.url()).await?).await?;

    let mut client = Client::connect(&server.url_of("terminal")?).await?;
    let stored = client.request("events.w01", "one").await?;
    assert!(stored.contains(r#""seq":1"#), "{stored}");
    let refused = client.request("events.w02", "one").await.unwrap_err();
    assert!(refused.to_string().contains("Permissions Violation"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_refused() -> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    let url = server.url().replace("hall:hall", "hall:wrong");
    let refused = Client::connect(&url).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("Authorization Violation"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_server_ends_with_its_test_process() -> anyhow::Result<()> {
    if let Some(parent) = std::env::var_os(CHILD) {
        let server = NatsServer::start().await?;
        let pid = server.pid().expect("it has just started");
        let store = server.store_dir();
        return announce_and_wait(&parent, format!("{pid} {}\n", store.display())).await;
    }
    assert_server_ends_with_its_process("nats::a_server_ends_with_its_test_process").await
}

#[test]
fn the_production_file_is_accepted() -> anyhow::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats-server.conf");
    NatsServer::check_config(&file)
}
