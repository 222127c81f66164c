# A menu: every recipe is one command, which works as well without `just`.

# Show this menu.
default:
    @just --list

# Find or install the servers that the tests need.
setup:
    cargo xtask setup

# Run the demo, for example `just demo --journal nats`.
demo *arguments:
    cargo xtask demo {{ arguments }}

# Check everything that CI checks.
test:
    cargo xtask test

# Run the tests only.
fast:
    cargo xtask test --fast

# Kill, cut power (as root) and break connections under 200,000 events.
faults:
    cargo xtask test --faults

# Fuzz what reads bytes from outside, each target for a minute (needs `cargo install cargo-fuzz`).
fuzz seconds="60":
    #!/bin/sh
    set -e
    # The sanitizers are unstable options of the compiler.
    export RUSTC_BOOTSTRAP=1
    for target in message line archive template submission document; do
        mkdir -p fuzz/corpus/$target
        cargo fuzz run --fuzz-dir fuzz $target fuzz/corpus/$target -- -max_total_time={{ seconds }} -timeout=10 -rss_limit_mb=4096
    done

# Send a service what its API's document allows and what it does not, for example `just api --role editor`.
api *arguments:
    cargo xtask api {{ arguments }}

# Change the code in small ways that a test must notice, for example `just mutants outbox --shard 0/4` (needs
# `cargo install cargo-mutants`).
mutants crate *arguments:
    # One failure is enough: no search for the smallest.
    PROPTEST_MAX_SHRINK_ITERS=0 cargo mutants --package zhoubao-{{ crate }} --jobs 2 --timeout 120 --output target/mutants-{{ crate }} {{ arguments }}

# Check formatting and lints.
lint:
    cargo xtask lint

# Read the demo's Word and OFD files with programs of others, which it installs below `target/readers`.
readers *folders="zhoubao-demo/issues":
    tests/readers/run {{ folders }}

# Measure the product beside a hand-written program, for example `just bench rebuild --events 1000000`.
bench *arguments:
    cargo run --release -- bench {{ arguments }}

# Format the code.
fmt:
    cargo fmt --all

# Write the data of the checked queries anew.
sqlx:
    cargo xtask sqlx

# Check licences, sources and advisories of the dependencies (needs `cargo install cargo-deny`).
deny:
    cargo deny check

# Read the documentation of the crates in the browser.
doc:
    cargo doc --workspace --no-deps --document-private-items --open
