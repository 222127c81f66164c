//! A disk of its own: a file with ext4 on a loop device. Its power can be cut, and it can be filled. Needs root.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::process::Command;

/// `EXT4_IOC_SHUTDOWN` without writing the log: the file system forgets what was not synced, and answers every call with
/// an error until it is mounted anew. By Python, because the code of the project has no `unsafe`.
const SHUTDOWN: &str = "
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))
";

/// A mounted disk; it is gone with its value.
#[derive(Debug)]
pub(super) struct Disk {
    folder: TempDir,
}

/// Why a disk cannot be had.
const NOT_ALLOWED: &str =
    "disks that lose their power or are full need root: run `cargo xtask test --faults` as root";

impl Disk {
    /// A new disk of so many MiB.
    pub(super) async fn new(mib: u32) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("zhoubao-disk-").tempdir()?;
        let disk = Self { folder };
        std::fs::create_dir(disk.path())?;
        let (image, size) = (disk.image(), format!("{mib}M"));
        run("truncate", &[Path::new("-s"), Path::new(&size), &image]).await?;
        run("mkfs.ext4", &[Path::new("-q"), Path::new("-F"), &image]).await?;
        disk.mount().await?;
        Ok(disk)
    }

    /// A disk in memory that is full after so many MiB, until it grows.
    pub(super) async fn small(mib: u32) -> anyhow::Result<Self> {
        let disk = Self { folder: tempfile::Builder::new().prefix("zhoubao-disk-").tempdir()? };
        std::fs::create_dir(disk.path())?;
        let size = format!("size={mib}m");
        let options = ["-t", "tmpfs", "-o", &size, "tmpfs"].map(Path::new);
        run("mount", &[&options[..], &[&disk.path()]].concat()).await.context(NOT_ALLOWED)?;
        Ok(disk)
    }

    /// Gives a small disk so many MiB in all.
    pub(super) async fn grow(&self, mib: u32) -> anyhow::Result<()> {
        let options = format!("remount,size={mib}m");
        run("mount", &[Path::new("-o"), Path::new(&options), &self.path()]).await
    }

    /// Where its files are.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Cuts the power. Who has files open there must end before [`Disk::remount`].
    pub(super) async fn cut(&self) -> anyhow::Result<()> {
        run("python3", &[Path::new("-c"), Path::new(SHUTDOWN), &self.path()]).await
    }

    /// Mounts it again, as a machine does that is switched on.
    pub(super) async fn remount(&self) -> anyhow::Result<()> {
        run("umount", &[&self.path()]).await?;
        self.mount().await
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("disk.img")
    }

    async fn mount(&self) -> anyhow::Result<()> {
        let mounting = [Path::new("-o"), Path::new("loop"), &self.image(), &self.path()];
        run("mount", &mounting).await.context(NOT_ALLOWED)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, because a server that has files there may still be ending; a failure has nobody to be told to.
        let _ = std::process::Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

async fn run(program: &str, arguments: &[&Path]) -> anyhow::Result<()> {
    let ran = Command::new(program).args(arguments).output().await;
    let ran = ran.with_context(|| format!("cannot run `{program}`"))?;
    ensure!(ran.status.success(), "`{program}`: {}", String::from_utf8_lossy(&ran.stderr).trim());
    Ok(())
}

/// The cut is one: what was synced is there, what was only written is not.
#[tokio::test]
#[ignore = "needs root: cargo xtask test --faults"]
async fn a_power_cut_loses_what_was_not_synced_and_nothing_else() -> anyhow::Result<()> {
    let disk = Disk::new(32).await?;
    let (synced, written) = (disk.path().join("synced"), disk.path().join("written"));
    std::fs::write(&synced, "1")?;
    std::fs::File::open(&synced)?.sync_all()?;
    std::fs::File::open(disk.path())?.sync_all()?;
    std::fs::write(&written, "2")?;
    disk.cut().await?;
    assert!(std::fs::write(disk.path().join("after"), "3").is_err());
    disk.remount().await?;
    assert_eq!(std::fs::read_to_string(&synced)?, "1");
    assert!(!written.exists());
    Ok(())
}
