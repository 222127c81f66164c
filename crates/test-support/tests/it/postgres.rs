use std::process::Command;

use zhoubao_test_support::Postgres;

use crate::{CHILD, announce_and_wait, assert_server_ends_with_its_process};

/// Runs one statement and gives what it prints.
fn query(url: &str, sql: &str) -> anyhow::Result<String> {
    let output =
        Command::new("psql").args(["-X", "-A", "-t", "-q", "-d", url, "-c", sql]).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[tokio::test]
async fn every_database_of_the_shared_cluster_is_empty_and_apart() -> anyhow::Result<()> {
    let server = Postgres::shared().await?;
    let first = server.create_database().await?;
    let second = server.create_database().await?;
    assert_ne!(first, second);

    query(&first, "create table t (n int)")?;
    query(&second, "create table t (n int)")?;
    assert_eq!(query(&first, "show server_encoding")?, "UTF8");
    Ok(())
}

#[tokio::test]
async fn the_shared_cluster_outlives_the_test_that_started_it() -> anyhow::Result<()> {
    // A thread and a runtime that are gone before the cluster is used.
    let address = std::thread::spawn(|| -> anyhow::Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { Postgres::shared().await?.create_database().await })
    })
    .join()
    .expect("the thread does not panic")?;
    assert_eq!(query(&address, "select 1")?, "1");
    Ok(())
}

#[tokio::test]
async fn a_killed_cluster_comes_back_on_its_port_with_what_was_committed() -> anyhow::Result<()> {
    let mut server = Postgres::start().await?;
    let (port, first_pid) = (server.port(), server.pid());
    let url = server.create_database().await?;
    query(&url, "create table t (n int); insert into t values (7)")?;

    server.kill().await?;
    assert_eq!(server.pid(), None);
    assert!(query(&url, "select 1").is_err());
    server.restart().await?;

    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), first_pid);
    assert_eq!(query(&url, "select n from t")?, "7");
    Ok(())
}

#[tokio::test]
async fn a_cluster_ends_with_its_test_process() -> anyhow::Result<()> {
    if let Some(parent) = std::env::var_os(CHILD) {
        let server = Postgres::shared().await?;
        let pid = server.pid().expect("it has just started");
        let url = server.create_database().await?;
        let data = query(&url, "show data_directory")?;
        return announce_and_wait(&parent, format!("{pid} {data}\n")).await;
    }
    assert_server_ends_with_its_process("postgres::a_cluster_ends_with_its_test_process").await
}
