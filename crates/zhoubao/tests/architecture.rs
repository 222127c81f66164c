//! Holds the dependency directions of ARCHITECTURE.md over what cargo says of the workspace.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each crate with the crates of the workspace that it may depend on.
const MAY: &[(&str, &[&str])] = &[
    ("zhoubao-domain", &[]),
    ("zhoubao-contract", &["zhoubao-domain"]),
    ("zhoubao-composer", &["zhoubao-domain"]),
    ("zhoubao-outbox", &["zhoubao-domain"]),
    ("zhoubao-typesetting", &["zhoubao-domain", "zhoubao-composer"]),
    ("zhoubao-projections", &["zhoubao-domain", "zhoubao-contract"]),
    (
        "zhoubao-application",
        &["zhoubao-domain", "zhoubao-contract", "zhoubao-projections", "zhoubao-composer"],
    ),
    (
        "zhoubao-gateway",
        &[
            "zhoubao-domain",
            "zhoubao-contract",
            "zhoubao-projections",
            "zhoubao-application",
            "zhoubao-composer",
        ],
    ),
    (
        // It drives the product's own loops on models of what they stand on.
        "zhoubao-sim",
        &[
            "zhoubao-domain",
            "zhoubao-contract",
            "zhoubao-outbox",
            "zhoubao-projections",
            "zhoubao-application",
        ],
    ),
    ("zhoubao-nats", ADAPTER),
    ("zhoubao-store-sqlite", ADAPTER),
    ("zhoubao-store-postgres", ADAPTER),
    ("zhoubao-conformance", ADAPTER),
    ("zhoubao-test-support", &[]),
    ("xtask", &[]),
];

const ADAPTER: &[&str] =
    &["zhoubao-domain", "zhoubao-contract", "zhoubao-projections", "zhoubao-application"];

const FOR_TESTS: [&str; 2] = ["zhoubao-conformance", "zhoubao-test-support"];

/// Libraries that do I/O, serialise or tell the time, and the only crates that may name them.
const KEPT_AWAY: &[(&str, &[&str])] = &[
    ("async-nats", &["zhoubao-nats"]),
    ("nkeys", &["zhoubao-nats"]),
    ("sqlx", &["zhoubao-store-sqlite", "zhoubao-store-postgres"]),
    ("clap", &["zhoubao"]),
    ("num-rational", &["zhoubao-composer"]),
    ("rand_chacha", &["zhoubao-sim"]),
    ("typst", &["zhoubao-typesetting"]),
    (
        "tokio",
        &[
            "zhoubao-application",
            "zhoubao-conformance",
            "zhoubao-gateway",
            "zhoubao-nats",
            "zhoubao-store-sqlite",
            "zhoubao-store-postgres",
            "zhoubao-test-support",
            // Only for its time, which moves when everybody waits.
            "zhoubao-sim",
            "zhoubao",
        ],
    ),
];

type Edges = BTreeMap<String, BTreeSet<String>>;

fn edges() -> Edges {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let packages = metadata.packages.iter().map(|package| {
        let normal = package.dependencies.iter().filter(|it| it.kind == DependencyKind::Normal);
        (package.name.to_string(), normal.map(|it| it.name.clone()).collect())
    });
    packages.collect()
}

fn wrong(edges: &Edges) -> Vec<String> {
    let mut wrong = vec![];
    for (name, dependencies) in edges {
        let ours = dependencies.iter().filter(|it| edges.contains_key(*it));
        // The binary names everything but what is for tests only.
        let may = MAY.iter().find(|(it, _)| it == name).map(|(_, may)| *may);
        if may.is_none() && name != "zhoubao" {
            wrong.push(format!("{name} has no place in the directions"));
        }
        for it in ours {
            let fine = match may {
                Some(may) => may.contains(&it.as_str()),
                None => !FOR_TESTS.contains(&it.as_str()) && it != "xtask",
            };
            if !fine {
                wrong.push(format!("{name} must not depend on {it}"));
            }
        }
        for (library, only) in KEPT_AWAY {
            if dependencies.contains(*library) && !only.contains(&name.as_str()) {
                wrong.push(format!("{name} must not depend on {library}"));
            }
        }
        let pure = ["itoa", "jiff", "smol_str", "thiserror"];
        if name == "zhoubao-domain" && !dependencies.iter().all(|it| pure.contains(&it.as_str())) {
            wrong.push(format!("{name} depends on more than {pure:?}"));
        }
    }
    wrong
}

#[test]
fn dependencies_point_inwards() {
    let edges = edges();
    assert!(edges.len() > 10, "{edges:?}");
    assert_eq!(wrong(&edges), Vec::<String>::new());
}

#[test]
fn a_wrong_edge_is_found() {
    let mut edges = edges();
    for (from, to) in [
        ("zhoubao-domain", "serde"),
        ("zhoubao-nats", "zhoubao-store-sqlite"),
        ("zhoubao-application", "async-nats"),
        ("zhoubao-projections", "zhoubao-application"),
        ("zhoubao", "zhoubao-test-support"),
    ] {
        edges.entry(from.to_owned()).or_default().insert(to.to_owned());
        assert_eq!(wrong(&edges).len(), 1, "{from} → {to}");
        edges.entry(from.to_owned()).or_default().remove(to);
    }
}
