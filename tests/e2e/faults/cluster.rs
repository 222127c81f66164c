//! Three servers, each with a copy of the journal, of which one at a time is killed.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::ensure;
use async_nats::ConnectOptions;
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};
use zhoubao_test_support::{NatsServer, eventually};

use super::windows::{PERIODS, Window, given};
use super::{LONG, long};
use crate::hall::{Hall, sample};
use crate::kills::Dice;
use crate::recount::is_right_within;
use crate::signing::{ISSUES, fifty_at_once};

const NODES: usize = 3;
const KILLS: usize = 6;
/// Of each window.
const GIVEN: usize = 6_000;

/// Settings of one node: those of production, and the routes to the others.
fn settings(dir: &Path, port: u16, node: usize, routes: &[u16]) -> String {
    let store = dir.join("store").display().to_string();
    let mine = routes[node];
    let routes: Vec<_> = routes.iter().map(|it| format!("nats://127.0.0.1:{it}")).collect();
    format!(
        r#"
listen: "127.0.0.1:{port}"
server_name: "hall-{node}"
max_payload: 64KB
jetstream {{ store_dir: "{store}", sync_interval: always, strict: true
  limits {{ batch {{ max_inflight_per_stream: 50, timeout: "2s", max_msgs: 200 }} }} }}
cluster {{ name: "hall", listen: "127.0.0.1:{mine}", routes: {routes:?} }}
accounts {{
  HALL {{ jetstream: enabled, users: [ {{ user: "hall", password: "hall" }} ] }}
  $SYS {{ users: [ {{ user: "check", password: "check" }} ] }}
}}
"#
    )
}

async fn start() -> anyhow::Result<Vec<NatsServer>> {
    let mut routes = Vec::new();
    // All are held until each is known: no two are the same.
    let held: Vec<_> =
        (0..NODES).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>()?;
    for listener in held {
        routes.push(listener.local_addr()?.port());
    }
    let routes = &routes;
    try_join_all((0..NODES).map(|node| {
        NatsServer::start_configured(async move |dir, port| {
            let path = dir.join("nats.conf");
            std::fs::write(&path, settings(dir, port, node, routes))?;
            Ok(path)
        })
    }))
    .await
}

/// Addresses of all nodes for this user.
fn addresses(nodes: &[NatsServer], user: &str) -> String {
    let of = |it: &NatsServer| format!("nats://{user}:{user}@127.0.0.1:{}", it.port());
    nodes.iter().map(of).collect::<Vec<_>>().join(",")
}

/// The node that decides what is appended to the hall's stream.
async fn leader(nodes: &[NatsServer]) -> anyhow::Result<usize> {
    // The client does not send the names that addresses have.
    let login = ConnectOptions::with_user_and_password("hall".into(), "hall".into());
    let addresses = addresses(nodes, "hall");
    let client = login.connect(addresses.split(',').collect::<Vec<_>>()).await?;
    let subject = format!("$JS.API.STREAM.INFO.HALL_{}", sample()?.hall);
    eventually("a leader", LONG, async || {
        let Ok(answer) = client.request(subject.clone(), "".into()).await else { return Ok(None) };
        let info: serde_json::Value = serde_json::from_slice(&answer.payload)?;
        let name = info["cluster"]["leader"].as_str().and_then(|it| it.strip_prefix("hall-"));
        Ok(name.and_then(|it| it.parse().ok()))
    })
    .await
}

/// Fifty people sign at once, and the node that decides is killed in the middle.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: cargo xtask test --faults"]
async fn a_leader_is_killed_among_fifty_signatures_and_the_numbers_are_consecutive()
-> anyhow::Result<()> {
    const SIGNED: usize = 15;
    let mut nodes = start().await?;
    let hall = Hall::in_files()?
        .with_broker(addresses(&nodes, "hall"), addresses(&nodes, "check"))
        .with_copies(NODES);
    eventually("the cluster", LONG, async || Ok(hall.last().await.ok())).await?;
    fifty_at_once(&hall, async |signed| {
        eventually("the first signatures", LONG, async || {
            Ok((signed.load(Ordering::Relaxed) >= SIGNED).then_some(()))
        })
        .await?;
        let leads = leader(&nodes).await?;
        let before = signed.load(Ordering::Relaxed);
        nodes[leads].kill().await?;
        println!("cluster: node {leads} killed after {before} signatures");
        ensure!((SIGNED..ISSUES).contains(&before), "{before} were signed before it struck");
        let after = leader(&nodes).await?;
        ensure!(after != leads, "node {after} leads");
        nodes[leads].restart().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: cargo xtask test --faults"]
async fn a_node_of_three_is_killed_and_nothing_is_lost() -> anyhow::Result<()> {
    let mut nodes = start().await?;
    let hall = Hall::in_files()?
        .with_broker(addresses(&nodes, "hall"), addresses(&nodes, "check"))
        .with_copies(NODES);
    // A cluster needs a moment to choose who leads.
    eventually("the cluster", LONG, async || Ok(hall.last().await.ok())).await?;
    hall.set_up().await?;
    let department = sample()?.departments[0].department.as_str().to_owned();
    let mut windows =
        ["w01", "w02", "w03"].map(|it| Window::new(it.to_owned(), department.clone()));
    for window in &mut windows {
        window.start(hall.command(&["terminal", "run", &window.terminal]))?;
    }
    let mut dice = Dice(20_230_206);
    for kill in 1..=KILLS {
        let node = &mut nodes[usize::try_from(dice.below(NODES as u64))?];
        let wait = Duration::from_millis(dice.below(500));
        let started = Instant::now();
        let strike = async {
            sleep(wait).await;
            node.kill().await
        };
        let record = try_join_all(windows.iter_mut().map(|it| it.record(GIVEN * kill / KILLS)));
        let (struck, recorded) = tokio::join!(strike, record);
        struck?;
        ensure!(recorded?.iter().all(|it| *it), "a window stopped recording at kill {kill}");
        // Two of three take appends.
        eventually("two of three nodes", LONG, async || Ok(hall.last().await.ok())).await?;
        node.restart().await?;
        println!("cluster: kill {kill} of {KILLS}, over after {:.1?}", started.elapsed());
    }
    for window in &mut windows {
        window.drain(&hall, GIVEN).await?;
    }
    long(hall.command(&["project", "--once"])).await?.ok();
    let backup = hall.dir().with_file_name("hall.backup").display().to_string();
    long(hall.command(&["backup", &backup])).await?.ok();
    let folder = hall.dir().display().to_string();
    let counters = is_right_within(&["--hall", &folder, "--archive", &backup], LONG).await?;
    println!("cluster: {counters}");
    assert_eq!(counters["acked"], windows.iter().map(|it| it.recorded).sum::<usize>());
    // The ledgers may hold corrections of clocks beside what was given; nothing given counts twice.
    assert_eq!(hall.amounts(PERIODS[0][0], PERIODS[1][1]).await?, given(&windows));
    Ok(())
}
