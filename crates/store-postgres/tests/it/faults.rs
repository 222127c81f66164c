//! Servers that are killed, silent, full or unsafe; projectors that meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};
use tokio::net::{TcpListener, TcpStream};
use zhoubao_application::store::{Commit, ReadModels as _, StoreError};
use zhoubao_domain::code::Code;
use zhoubao_projections::rows::{Changes, ExceptionRow, Standing};
use zhoubao_store_postgres::{ConnectError, PostgresReadModels, SCHEMA, Settings};
use zhoubao_test_support::{Postgres, eventually};

use crate::{assert_each_page_once, commit, hall, page};

/// Longest wait for a condition; the machine may be busy compiling.
const LIMIT: Duration = Duration::from_secs(120);

async fn database() -> String {
    Postgres::shared().await.unwrap().create_database().await.unwrap()
}

/// A connection behind the adapter's back.
async fn other(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

fn unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}

/// Commits pages until told to stop, as a projector does: after an error the checkpoint says where to go on.
async fn write_on(store: PostgresReadModels, done: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let epoch = loop {
        if let Ok(epoch) = store.claim(&hall()).await {
            break epoch;
        }
    };
    let mut at = 0;
    while !stop.load(Ordering::Acquire) {
        match commit(&store, epoch, at).await {
            Ok(()) => at += 1,
            Err(StoreError::Unavailable(_)) => {
                at = loop {
                    match store.checkpoint(&hall()).await {
                        Ok(checkpoint) => break checkpoint.map_or(0, |it| it.sequence),
                        Err(StoreError::Unavailable(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                };
            }
            Err(error) => panic!("at {at}: {error}"),
        }
        done.store(at, Ordering::Release);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_running_commits_when_the_server_is_killed_then_each_page_is_applied_once()
-> anyhow::Result<()> {
    let mut server = Postgres::start().await?;
    let url = server.create_database().await?;
    let store = PostgresReadModels::connect(&url, SCHEMA).await?;
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writing = tokio::spawn(write_on(store.clone(), done.clone(), stop.clone()));
    let progress = async || {
        let before = done.load(Ordering::Acquire);
        eventually("pages after a restart", LIMIT, async || {
            assert!(!writing.is_finished(), "the writer gave up");
            Ok((done.load(Ordering::Acquire) >= before + 20).then_some(()))
        })
        .await
    };
    for round in 0..6 {
        progress().await?;
        if round % 2 == 0 {
            server.kill().await?;
        } else {
            server.stop().await?;
        }
        server.restart().await?;
    }
    progress().await?;
    stop.store(true, Ordering::Release);
    writing.await?;
    let last = store.checkpoint(&hall()).await?.map_or(0, |it| it.sequence);
    assert!(last >= done.load(Ordering::Acquire));
    assert_each_page_once(&store, last).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_two_projectors_when_they_take_the_hall_from_each_other_then_each_page_is_applied_once()
-> anyhow::Result<()> {
    const LAST: u64 = 60;
    let url = database().await;
    let run = async |store: PostgresReadModels| {
        loop {
            let epoch = store.claim(&hall()).await.unwrap();
            let mut at = store.checkpoint(&hall()).await.unwrap().map_or(0, |it| it.sequence);
            loop {
                if at == LAST {
                    return;
                }
                match commit(&store, epoch, at).await {
                    Ok(()) => at += 1,
                    Err(StoreError::Fenced) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let one = PostgresReadModels::connect(&url, SCHEMA).await?;
    let two = PostgresReadModels::connect(&url, SCHEMA).await?;
    tokio::join!(run(one.clone()), run(two));
    assert_each_page_once(&one, LAST).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_commit_under_way_when_its_connection_is_lost_then_nothing_of_it_is_there()
-> anyhow::Result<()> {
    let url = database().await;
    let store = PostgresReadModels::connect(&url, SCHEMA).await?;
    let epoch = store.claim(&hall()).await?;
    commit(&store, epoch, 0).await?;
    // The commit's later statements wait for this lock, with the checkpoint already moved.
    let mut blocking = other(&url).await;
    let mut lock = blocking.begin().await?;
    lock.execute("lock table zhoubao.case_file in access exclusive mode").await?;
    let committing = tokio::spawn({
        let store = store.clone();
        async move { commit(&store, epoch, 1).await }
    });
    let mut killing = other(&url).await;
    eventually("the commit to be cut off", LIMIT, async || {
        let cut: i64 = sqlx::query_scalar(
            "select count(*) from (
                 select pg_terminate_backend(pid) from pg_stat_activity
                  where datname = current_database() and wait_event_type = 'Lock'
                    and application_name = 'zhoubao') as cut",
        )
        .fetch_one(&mut killing)
        .await?;
        Ok((cut > 0).then_some(()))
    })
    .await?;
    let lost = committing.await?;
    assert!(unavailable(&lost), "{lost:?}");
    lock.rollback().await?;
    assert_each_page_once(&store, 1).await;
    commit(&store, epoch, 1).await?;
    assert_each_page_once(&store, 2).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_idle_connections_when_they_are_lost_then_the_next_call_makes_new_ones()
-> anyhow::Result<()> {
    let url = database().await;
    let store = PostgresReadModels::connect(&url, SCHEMA).await?;
    let epoch = store.claim(&hall()).await?;
    for at in 0..5 {
        commit(&store, epoch, at).await?;
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
              where datname = current_database() and pid <> pg_backend_pid()",
        )
        .execute(&mut other(&url).await)
        .await?;
    }
    assert_each_page_once(&store, 5).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_row_that_is_locked_when_committing_then_the_store_is_unavailable_in_time()
-> anyhow::Result<()> {
    let url = database().await;
    let store = PostgresReadModels::connect(&url, SCHEMA).await?;
    let epoch = store.claim(&hall()).await?;
    let mut blocking = other(&url).await;
    let mut lock = blocking.begin().await?;
    lock.execute("select from zhoubao.checkpoint for update").await?;
    let refused = tokio::time::timeout(LIMIT, commit(&store, epoch, 0)).await?;
    assert!(unavailable(&refused), "{refused:?}");
    lock.rollback().await?;
    commit(&store, epoch, 0).await?;
    assert_each_page_once(&store, 1).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_error_in_the_middle_when_committing_then_its_class_decides() -> anyhow::Result<()>
{
    let url = database().await;
    let store = PostgresReadModels::connect(&url, SCHEMA).await?;
    let epoch = store.claim(&hall()).await?;
    commit(&store, epoch, 0).await?;
    let mut breaking = other(&url).await;
    for (code, transient) in [
        ("53100", true),  // disk full
        ("40001", true),  // serialization failure
        ("40P01", true),  // deadlock
        ("57P01", true),  // the server stops
        ("25006", true),  // a standby
        ("23514", false), // a constraint
        ("42P01", false), // no table
        ("XX001", false), // corruption
    ] {
        let plant = format!(
            "create or replace function zhoubao.planted() returns trigger language plpgsql as
                 $$ begin raise exception 'planted' using errcode = '{code}'; end $$;
             create or replace trigger planted after insert or update on zhoubao.case_file
                 execute function zhoubao.planted()"
        );
        breaking.execute(sqlx::AssertSqlSafe(plant)).await?;
        let refused = commit(&store, epoch, 1).await;
        assert_eq!(unavailable(&refused), transient, "{code}: {refused:?}");
        assert_eq!(matches!(refused, Err(StoreError::Damaged(_))), !transient, "{code}");
        breaking.execute("drop trigger planted on zhoubao.case_file").await?;
        assert_each_page_once(&store, 1).await;
    }
    commit(&store, epoch, 1).await?;
    assert_each_page_once(&store, 2).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_what_a_text_cannot_hold_when_committed_then_the_hall_goes_on() -> anyhow::Result<()>
{
    let store = PostgresReadModels::connect(&database().await, SCHEMA).await?;
    let epoch = store.claim(&hall()).await?;
    let (to, _) = page(1, 1);
    let row = ExceptionRow {
        position: 1,
        stream: "terminal.t01".to_owned(),
        number: u64::MAX,
        standing: Standing::Held,
        code: Code::SequenceGap,
        detail: "before\0after".to_owned(),
        settled: None,
    };
    let changes = Changes { exceptions: vec![row.clone()], ..Changes::default() };
    store.prepare(&hall(), changes).commit(Commit { epoch, from: 0, to: &to }).await?;
    let kept = store.exceptions(&hall(), true).await?;
    assert_eq!(kept, [ExceptionRow { detail: "before\u{fffd}after".to_owned(), ..row }]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_row_changed_from_outside_when_read_then_it_is_damaged() -> anyhow::Result<()> {
    let url = database().await;
    let store = PostgresReadModels::connect(&url, SCHEMA).await?;
    let epoch = store.claim(&hall()).await?;
    commit(&store, epoch, 0).await?;
    other(&url).await.execute("update zhoubao.tally set kind = 'eaten'").await?;
    let refused = store.snapshot(&hall(), &crate::everything()).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    other(&url).await.execute("drop table zhoubao.case_file").await?;
    let refused = store.case(&hall(), &"川2023-00001".parse()?).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_unsafe_server_when_connecting_then_it_is_refused() -> anyhow::Result<()> {
    let server = Postgres::start().await?;
    let url = server.create_database().await?;
    let mut admin = other(&url).await;
    for setting in ["fsync", "full_page_writes"] {
        let set =
            |value: &str| sqlx::AssertSqlSafe(format!("alter system set {setting} = {value}"));
        admin.execute(set("off")).await?;
        admin.execute("select pg_reload_conf()").await?;
        eventually("the server to take its settings", LIMIT, async || {
            match PostgresReadModels::connect(&url, SCHEMA).await {
                Err(ConnectError::Unsafe { setting: found }) => {
                    assert_eq!(found, setting);
                    Ok(Some(()))
                }
                Ok(_) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
        let accepted = Settings::new(&url).accept_loss(true);
        let store = PostgresReadModels::connect_with(&accepted).await?;
        assert_eq!(store.checkpoint(&hall()).await?, None);
        admin.execute(set("on")).await?;
        admin.execute("select pg_reload_conf()").await?;
        eventually("the server to be safe again", LIMIT, async || {
            Ok(PostgresReadModels::connect(&url, SCHEMA).await.ok().map(drop))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_no_server_when_connecting_then_it_is_unavailable_and_a_wrong_address_is_told()
-> anyhow::Result<()> {
    let mut server = Postgres::start().await?;
    let url = server.create_database().await?;
    server.stop().await?;
    let refused = PostgresReadModels::connect(&url, SCHEMA).await;
    assert!(matches!(refused, Err(ConnectError::Store(StoreError::Unavailable(_)))), "{refused:?}");
    server.restart().await?;
    PostgresReadModels::connect(&url, SCHEMA).await?;
    for wrong in [url.replace("test_0", "nothing"), "mysql://x".to_owned(), String::new()] {
        let refused = PostgresReadModels::connect(&wrong, SCHEMA).await;
        assert!(matches!(refused, Err(ConnectError::Configuration(_))), "{wrong}: {refused:?}");
    }
    let refused = PostgresReadModels::connect(&url, "No schema").await;
    assert!(matches!(refused, Err(ConnectError::Configuration(_))), "{refused:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_many_processes_when_all_connect_to_an_empty_database_then_all_get_the_tables()
-> anyhow::Result<()> {
    let url = database().await;
    let connecting: Vec<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { PostgresReadModels::connect(&url, SCHEMA).await })
        })
        .collect();
    for connected in connecting {
        assert_eq!(connected.await??.checkpoint(&hall()).await?, None);
    }
    other(&url).await.execute("update zhoubao._sqlx_migrations set checksum = ''").await?;
    let refused = PostgresReadModels::connect(&url, SCHEMA).await;
    assert!(matches!(refused, Err(ConnectError::Tables { .. })), "{refused:?}");
    Ok(())
}

/// Passes bytes on, until told to keep them.
async fn proxy(to: u16, silent: Arc<AtomicBool>) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(pass(from_client, to_server, silent.clone()));
            tokio::spawn(pass(from_server, to_client, silent.clone()));
        }
    });
    Ok(port)
}

async fn pass(
    from: tokio::net::tcp::OwnedReadHalf,
    to: tokio::net::tcp::OwnedWriteHalf,
    silent: Arc<AtomicBool>,
) {
    let mut buffer = [0; 8192];
    while from.readable().await.is_ok() {
        let read = match from.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let mut rest = &buffer[..read];
        while !rest.is_empty() && !silent.load(Ordering::Acquire) {
            match to.writable().await.and_then(|()| to.try_write(rest)) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_server_that_falls_silent_when_asked_then_the_call_ends() -> anyhow::Result<()> {
    let server = Postgres::shared().await?;
    let url = server.create_database().await?;
    let silent = Arc::new(AtomicBool::new(false));
    let port = proxy(server.port(), silent.clone()).await?;
    let by_proxy = url.replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    assert_ne!(by_proxy, url);
    // Long enough for a busy machine to make the tables, short enough to wait for.
    let settings = Settings::new(&by_proxy).patience(Duration::from_secs(10));
    let store = PostgresReadModels::connect_with(&settings).await?;
    let epoch = store.claim(&hall()).await?;
    commit(&store, epoch, 0).await?;
    silent.store(true, Ordering::Release);
    let refused = tokio::time::timeout(LIMIT, commit(&store, epoch, 1)).await?;
    assert!(unavailable(&refused), "{refused:?}");
    silent.store(false, Ordering::Release);
    eventually("the store to answer again", LIMIT, async || {
        Ok(store.checkpoint(&hall()).await.ok().map(drop))
    })
    .await?;
    // The server may have the commit still open; its fate is in the checkpoint.
    let at = store.checkpoint(&hall()).await?.map_or(0, |it| it.sequence);
    assert_each_page_once(&store, at).await;
    Ok(())
}
