//! The tester is tested: each bug that is compiled in on purpose must be found.

#![cfg(feature = "planted-bugs")]
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use zhoubao_domain::planted::{Bug, plant};
use zhoubao_sim::{Settings, run};

/// Seeds that a bug may take at most.
const SEEDS: u64 = 2_000;

/// The first seed that finds the bug, and what it says.
fn seeds_to_find(bug: Bug) -> Option<(u64, String)> {
    plant(Some(bug));
    let found = (0..SEEDS).find_map(|seed| {
        let weeks = 1 + u32::try_from(seed % 3).unwrap();
        let settings = Settings { weeks, ..Settings::of_seed(seed) };
        // A promise that is not kept, or an assertion of the product itself.
        match std::panic::catch_unwind(|| run(&settings)) {
            Ok(Ok(_)) => None,
            Ok(Err(failure)) => Some((seed, failure.what)),
            Err(panic) => Some((seed, format!("panic: {:?}", panic.downcast_ref::<String>()))),
        }
    });
    plant(None);
    found
}

#[test]
fn every_planted_bug_is_found() {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut missed = vec![];
        while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let started = Instant::now();
            let found = seeds_to_find(*bug);
            let seconds = started.elapsed().as_secs_f64();
            match found {
                Some((seed, what)) => {
                    let what: String = what.chars().take(100).collect();
                    println!("{bug:?}: {} seeds, {seconds:.1} s: {what}", seed + 1);
                }
                None => missed.push(*bug),
            }
        }
        missed
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let missed: Vec<Bug> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    assert!(Bug::ALL.len() >= 20);
    assert_eq!(missed, [], "not found within {SEEDS} seeds");
}
