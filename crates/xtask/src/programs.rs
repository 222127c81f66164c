//! Runs the test programs of the workspace side by side: `cargo test` runs one after another, and while one waits for a
//! disk, a server or a time-out, a core is idle.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::run::{Result, cannot_run, output, say};

/// A test program, and the folder of its package, where it runs.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    path: PathBuf,
    folder: PathBuf,
}

impl Program {
    /// What a line of `--message-format json` says was built, if that is a test program.
    fn of(line: &str) -> Option<Self> {
        // The target has a field of this name, too: whether it could be tested.
        let (_, profile) = line.split_once(r#""profile":{"#)?;
        let is_test = line.contains(r#""reason":"compiler-artifact""#)
            && profile.split_once('}')?.0.contains(r#""test":true"#);
        let path = text(line, "executable").filter(|_| is_test)?;
        let folder = PathBuf::from(text(line, "manifest_path")?).parent()?.to_owned();
        Some(Self { path: path.into(), folder })
    }

    fn run(&self, threads: usize) -> Result<()> {
        let started = Instant::now();
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder).env("RUST_TEST_THREADS", threads.to_string());
        let ran = command.stdin(Stdio::null()).output();
        let ran = ran.map_err(|error| cannot_run(&command, &error))?;
        // Whole, so that what runs beside it does not stand between its lines.
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        println!("── {} ({:.1} s)\n{said}", self.path.display(), started.elapsed().as_secs_f64());
        if ran.status.success() {
            Ok(())
        } else {
            Err(format!("`{}` failed ({})", self.path.display(), ran.status))
        }
    }
}

/// Runs all that `build` builds, and fails if one fails; the others are run all the same.
///
/// `build` is a `cargo test --no-run` that writes messages in JSON.
pub(crate) fn run(build: &mut Command) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let programs: VecDeque<_> = output(build)?.lines().filter_map(Program::of).collect();
    if programs.is_empty() {
        return Err("cargo named no test program".to_owned());
    }
    say(&format!("{} test programs, {cores} at a time", programs.len()));
    side_by_side(programs, cores)
}

fn side_by_side(programs: VecDeque<Program>, cores: usize) -> Result<()> {
    let programs = Mutex::new(programs);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                // In the head of the loop the lock would be held while the program runs.
                let next = || locked(&programs).pop_front();
                while let Some(program) = next() {
                    // Most tests wait now and then: two for each core keep it busy.
                    if let Err(error) = program.run(2 * cores) {
                        locked(&failed).push(error);
                    }
                }
            });
        }
    });
    let failed = locked(&failed);
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

fn locked<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text of this name in a line of JSON. Cargo's paths here hold nothing that JSON would write otherwise.
fn text<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(r#""{name}":""#))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Program, side_by_side};

    #[test]
    fn only_test_programs_are_run() {
        let line = |test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/a/b/Cargo.toml","target":{{"doctest":false,"test":true}},"profile":{{"debuginfo":0,"test":{test}}},"executable":{executable},"fresh":true}}"#
            )
        };
        let found = Program::of(&line(true, r#""/t/it-1""#));
        assert_eq!(found, Some(Program { path: "/t/it-1".into(), folder: "/a/b".into() }));
        assert_eq!(Program::of(&line(false, r#""/t/zhoubao""#)), None);
        assert_eq!(Program::of(&line(true, "null")), None);
        assert_eq!(Program::of("test result: ok"), None);
    }

    #[test]
    fn two_programs_run_at_the_same_time() {
        let folder = std::env::temp_dir().join(format!("xtask-programs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // Each ends well only if the other one begins before it ends.
        let program = |own: &str, other: &str| {
            let path = folder.join(format!("{own}.sh"));
            let wait = format!("for _ in $(seq 100); do [ -e {other} ] && exit 0; sleep 0.1; done");
            std::fs::write(&path, format!("#!/bin/sh\ntouch {own}\n{wait}\nexit 1\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            Program { path, folder: folder.clone() }
        };
        let programs = VecDeque::from([program("one", "two"), program("two", "one")]);
        let done = side_by_side(programs, 2);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(done, Ok(()));
    }
}
