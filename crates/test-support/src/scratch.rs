use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// Removes `$1` as soon as standard input ends, whatever ended it.
///
/// The signals of an interrupted test run are ignored, since it is then that there is something to remove. A server
/// that is still ending may write while the folder is emptied, hence the repetition.
const KEEPER: &str = r#"
trap '' INT HUP TERM QUIT
cd /
read -r _
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" 2>/dev/null && break
    sleep 0.2
done
"#;

/// A temporary directory that goes away with its value, or with the process.
///
/// A small shell process waits at the other end of a pipe. The pipe closes when the value is dropped, and when this
/// process ends without dropping anything.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    keeper: Child,
}

impl Scratch {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("zhoubao-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run `sh`")?;
        Ok(Self { path: dir.keep(), keeper })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // A directory that could not be removed is no reason to fail a test that has passed.
        let _ = self.keeper.wait();
    }
}
