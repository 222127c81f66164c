//! Copies of a journal on disk: the folder that `zhoubao archive` keeps, and the one file that is carried away.
//!
//! ```text
//!  archive/
//!    manifest.json                 how far the copy goes, written last
//!    00000000000000000001.ndjson   lines of `contract::archive`, from message 1 on
//!    00000000000000068412.ndjson   goes on where the one before it ended
//!    files/3f/3f0a…                what the events name: published files and attachments (`files`)
//!    archive.lock                  locked by the process that writes
//!
//!  hall.backup                     the manifest, then all lines, then all files
//! ```
//!
//! What the manifest promises is on disk. What lies behind it was being written when the power went: good lines of it
//! are taken, and the first that is not good ends the copy.

mod files;

use std::collections::{BTreeMap, VecDeque};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zhoubao_application::follow::Checkpoint;
use zhoubao_application::journal::Incarnation;
use zhoubao_contract::archive::{Chain, Damage, LINE_BYTES_MAX, Manifest};
use zhoubao_contract::{Stored, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{Digest, HallCode};

pub use self::files::{Files, Named};
use crate::blobs::FolderBlobs;
use crate::failure::Failure;
use crate::files::{PRIVATE, folder_of, replace, sync_name};

/// Bytes after which a folder goes on in another file: one is copied and looked through in a moment.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// Name of the manifest in a folder.
const MANIFEST: &str = "manifest.json";

/// Name of the lock in a folder.
const LOCK: &str = "archive.lock";

/// Ending of the files with lines.
const ENDING: &str = ".ndjson";

/// Digits in their names.
const DIGITS: usize = 20;

fn damaged(path: &Path, detail: impl std::fmt::Display) -> Failure {
    Failure::coded(Code::ArchiveDamaged, format!("`{}`: {detail}", path.display()))
}

/// The files with lines, in order.
fn parts(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::file(folder, &error);
    let mut parts = vec![];
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let first = name.to_str().and_then(|it| it.strip_suffix(ENDING));
        if first.is_some_and(|it| it.len() == DIGITS && it.bytes().all(|it| it.is_ascii_digit())) {
            parts.push(entry.path());
        }
    }
    parts.sort();
    Ok(parts)
}

/// Whether a folder is the archive of something.
#[must_use]
pub fn is_there(folder: &Path) -> bool {
    folder.join(MANIFEST).exists() || parts(folder).is_ok_and(|it| !it.is_empty())
}

/// One file of a copy while it is read.
struct Part {
    path: PathBuf,
    input: BufReader<File>,
    /// Bytes of the lines that are good.
    good: u64,
}

impl Part {
    fn open(path: PathBuf) -> Result<Self, Failure> {
        let input = File::open(&path).map_err(|error| Failure::file(&path, &error))?;
        Ok(Self { path, input: BufReader::new(input), good: 0 })
    }

    /// The next line with its line end, which a torn one lacks; empty at the end.
    fn line(&mut self, line: &mut Vec<u8>) -> Result<(), Failure> {
        line.clear();
        let most = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = self.input.by_ref().take(most).read_until(b'\n', line);
        read.map(drop).map_err(|error| Failure::file(&self.path, &error))
    }
}

/// A copy while it is read, a line at a time, each checked.
pub struct Copy {
    path: PathBuf,
    manifest: Manifest,
    chain: Chain,
    part: Option<Part>,
    /// Files still to be read.
    rest: VecDeque<PathBuf>,
    /// The line read last, with its line end.
    line: Vec<u8>,
    hasher: Sha256,
    bytes: u64,
    /// Bytes of the manifest where it stands in the same file.
    start: u64,
    /// Where to stop, although there may be more.
    until: u64,
}

/// What a copy holds, all of it checked.
pub struct Checked {
    /// Whose it is, and the chain after its last message.
    pub end: Chain,
    /// Its last message.
    pub last: Option<Stored>,
    /// The files that its events name.
    pub files: Files,
    /// The file that it ends in, and the bytes that are good there.
    tail: Option<(PathBuf, u64)>,
}

impl Copy {
    /// Opens a folder or a file.
    ///
    /// # Errors
    ///
    /// E.708 if it has no manifest that can be read; E.705 if it cannot be read at all.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::file(path, &error);
        let mut line = vec![];
        let is_folder = std::fs::metadata(path).map_err(failed)?.is_dir();
        let (part, rest) = if is_folder {
            match std::fs::read(path.join(MANIFEST)) {
                Ok(manifest) => line = manifest,
                Err(_) if is_there(path) => return Err(damaged(path, "its manifest is missing")),
                Err(_) => {
                    return Err(damaged(path, "there is no archive in it")
                        .with_next("name the folder that `zhoubao archive --to` was given"));
                }
            }
            (None, parts(path)?.into())
        } else {
            let mut part = Part::open(path.to_owned())?;
            part.line(&mut line)?;
            (Some(part), VecDeque::new())
        };
        let start = if is_folder { 0 } else { line.len() as u64 };
        let manifest = Manifest::parse(&line).map_err(|it| damaged(path, it.detail))?;
        if manifest.content.is_some() == is_folder {
            return Err(damaged(path, "the manifest is another one's"));
        }
        let Chain { hall, incarnation, .. } = manifest.end.clone();
        let chain = Chain::start(hall, incarnation);
        if manifest.end.position == 0 && manifest.end != chain {
            return Err(damaged(path, "its manifest was altered"));
        }
        Ok(Self {
            path: path.to_owned(),
            chain,
            manifest,
            part,
            rest,
            line,
            hasher: Sha256::new(),
            bytes: 0,
            start,
            until: u64::MAX,
        })
    }

    /// Ends the reading at a message, although there may be more.
    #[must_use]
    pub fn until(mut self, last: u64) -> Self {
        self.until = last;
        self
    }

    /// Reads a line; `None` at the end. The inner `None` is the first line of a file.
    fn step(&mut self) -> Result<Option<Option<Stored>>, Failure> {
        let promised = self.manifest.end.position;
        let is_backup = self.manifest.content.is_some();
        // Behind the lines of a backup there are its files.
        let until = if is_backup { self.until.min(promised) } else { self.until };
        loop {
            if self.chain.position >= until {
                return Ok(None);
            }
            let part = match &mut self.part {
                Some(part) => part,
                None => match self.rest.pop_front() {
                    Some(path) => self.part.insert(Part::open(path)?),
                    None if self.chain.position < promised => {
                        let at = self.chain.position;
                        let detail = format!("it ends at message {at} and should go to {promised}");
                        return Err(damaged(&self.path, detail));
                    }
                    None => return Ok(None),
                },
            };
            part.line(&mut self.line)?;
            if self.line.is_empty() {
                // The last one stays: whoever writes goes on in it.
                if self.rest.is_empty() && self.chain.position >= promised {
                    return Ok(None);
                }
                self.part = None;
                continue;
            }
            let read = match self.line.strip_suffix(b"\n") {
                Some(line) => self.chain.read(line),
                None => Err(Damage {
                    after: self.chain.position,
                    detail: "a line is cut short".to_owned(),
                }),
            };
            match read {
                // Nobody has promised it: the power went while it was written.
                Err(_) if !is_backup && self.chain.position >= promised && self.rest.is_empty() => {
                    return Ok(None);
                }
                Err(damage) => return Err(damaged(&part.path, damage)),
                Ok(stored) => {
                    let bytes = u64::try_from(self.line.len()).unwrap_or_default();
                    part.good += bytes;
                    self.bytes += bytes;
                    self.hasher.update(&self.line);
                    let is_end = stored.is_some() && self.chain.position == promised;
                    if is_end && self.chain.digest != self.manifest.end.digest {
                        return Err(damaged(&part.path, "it does not end as its manifest says"));
                    }
                    return Ok(Some(stored));
                }
            }
        }
    }

    /// Where each file of a backup is, read behind its lines.
    fn places(&mut self) -> Result<BTreeMap<Digest, (u64, u64)>, Failure> {
        let Some(part) = &mut self.part else { return Ok(BTreeMap::new()) };
        files::read_places(
            &self.path,
            &mut part.input,
            self.start,
            &mut self.bytes,
            &mut self.hasher,
        )
    }

    /// The next messages, at most `max`; none at the end.
    ///
    /// # Errors
    ///
    /// E.708 at the first line that is not the one that comes there, or when the copy ends too early.
    pub fn page(&mut self, max: usize) -> Result<Vec<Stored>, Failure> {
        let mut page = Vec::new();
        while page.len() < max
            && let Some(line) = self.step()?
        {
            page.extend(line);
        }
        Ok(page)
    }
}

/// Reads a whole copy and checks every line of it, and every file that its events name. Of files that are not there, or
/// not whole, it says so: whoever needs them refuses ([`Named::refuse`]).
///
/// # Errors
///
/// E.708 if anything else in it is not as it was written; E.705 if it cannot be read at all.
pub fn check(path: &Path) -> Result<Checked, Failure> {
    let mut copy = Copy::open(path)?;
    let (mut last, mut named) = (None, Named::default());
    while let Some(line) = copy.step()? {
        if let Some(stored) = line {
            named.add(&stored, &copy.chain.hall);
            last = Some(stored);
        }
    }
    let files = match copy.manifest.content {
        None => Files::of_folder(path, named)?,
        Some(content) => {
            let places = copy.places()?;
            if (copy.bytes, Digest::new(copy.hasher.finalize().into())) != content {
                return Err(damaged(path, "it is not what its manifest was made for"));
            }
            Files::of_backup(path, places, named)?
        }
    };
    let tail = copy.part.map(|it| (it.path, it.good));
    Ok(Checked { end: copy.chain, last, files, tail })
}

/// Writes a folder's copy into one file that can be carried away; the file is complete or not there.
///
/// # Errors
///
/// E.708 if the folder is damaged, or lacks files and that is not accepted; E.705 if the file is there already or cannot
/// be written.
pub fn write_backup(
    from: &Path,
    file: &Path,
    accept_missing: bool,
) -> Result<(Manifest, Files), Failure> {
    let Checked { end, files, .. } = check(from)?;
    if !accept_missing {
        files.lost.refuse(from)?;
    }
    let failed = |error: std::io::Error| Failure::file(file, &error);
    let content = write_content(from, &end, &files, std::io::sink())?;
    let manifest = Manifest { end, content: Some(content) };
    let mut aside = tempfile::NamedTempFile::new_in(folder_of(file)).map_err(failed)?;
    {
        let mut out = std::io::BufWriter::new(aside.as_file_mut());
        out.write_all(manifest.to_line().as_bytes()).map_err(failed)?;
        let written = write_content(from, &manifest.end, &files, &mut out);
        if written? != content {
            return Err(damaged(from, "it changed while it was read"));
        }
        out.flush().map_err(failed)?;
    }
    aside.as_file().sync_all().map_err(failed)?;
    aside.persist_noclobber(file).map_err(|error| failed(error.error))?;
    sync_name(file).map_err(failed)?;
    Ok((manifest, files))
}

/// Writes what stands behind the manifest of a backup; answers with its bytes and SHA-256.
fn write_content(
    from: &Path,
    end: &Chain,
    files: &Files,
    out: impl std::io::Write,
) -> Result<(u64, Digest), Failure> {
    let mut out = Counted { out, bytes: 0, hasher: Sha256::new() };
    let mut copy = Copy::open(from)?.until(end.position);
    while copy.step()?.is_some() {
        let written = out.write_all(&copy.line);
        written.map_err(|error| Failure::unavailable(error.to_string()))?;
    }
    files.write(&mut out)?;
    Ok((out.bytes, Digest::new(out.hasher.finalize().into())))
}

/// Counts and hashes what is written.
struct Counted<W> {
    out: W,
    bytes: u64,
    hasher: Sha256,
}

impl<W: std::io::Write> std::io::Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// An archive that is being written: one process at a time.
pub struct Keeper {
    folder: PathBuf,
    chain: Chain,
    /// Hash of the last event.
    last: Option<Digest>,
    /// Files that its events name and that are not in it.
    pub lost: Named,
    /// The file that is written to, and its bytes.
    file: Option<(File, u64)>,
    file_bytes_max: u64,
    #[expect(dead_code, reason = "held, not read")]
    lock: File,
}

/// Whether somebody writes the archive of a folder.
#[must_use]
pub fn is_kept(folder: &Path) -> bool {
    let lock = File::open(folder.join(LOCK));
    lock.is_ok_and(|it| matches!(it.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

impl Keeper {
    /// Opens the archive of a journal, and makes it where there is none. It is checked from end to end, and what a
    /// power cut left half written at its end is cut off.
    ///
    /// # Errors
    ///
    /// E.703 for the archive of another journal, E.708 for one that is damaged, E.705 while another process writes it
    /// or if it cannot be written.
    pub fn open(
        folder: &Path,
        hall: &HallCode,
        incarnation: &Incarnation,
        file_bytes_max: u64,
    ) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::file(folder, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join(LOCK))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process writes the archive `{}`", folder.display());
                return Err(Failure::unavailable(message).with_next("leave it, or stop it first"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let start = Chain::start(hall.clone(), incarnation.0.clone());
        if !is_there(folder) {
            write_manifest(folder, &start)?;
        }
        let Checked { end, last, tail, files } = check(folder)?;
        if end.hall != *hall || end.incarnation != incarnation.0 {
            let message = format!(
                "`{}` is the archive of hall {}, journal {}; this is hall {hall}, journal {}",
                folder.display(),
                end.hall,
                end.incarnation,
                incarnation.0
            );
            return Err(Failure::coded(Code::OtherJournal, message).with_next(
                "connect the journal of this archive, or name another folder for the archive of this journal",
            ));
        }
        let mut file = None;
        if let Some((path, good)) = tail {
            let failed = |error: std::io::Error| Failure::file(&path, &error);
            let open = OpenOptions::new().append(true).open(&path).map_err(failed)?;
            if open.metadata().map_err(failed)?.len() > good {
                tracing::warn!(
                    file = %path.display(),
                    log.position = end.position,
                    "what was half written when the power went is cut off and fetched again"
                );
                open.set_len(good).map_err(failed)?;
            }
            open.sync_all().map_err(failed)?;
            file = Some((open, good));
        }
        let last = last.map(|it| hash(&it.message));
        let folder = folder.to_owned();
        let lost = files.lost;
        let keeper = Self { folder, chain: end, last, lost, file, file_bytes_max, lock };
        keeper.promise()?;
        Ok(keeper)
    }

    /// How far the archive goes; none before the first message.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        Some(Checkpoint {
            incarnation: Incarnation(self.chain.incarnation.clone()),
            sequence: self.chain.position,
            hash: self.last?,
        })
    }

    /// Position of the last message.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.chain.position
    }

    /// Where the files go that the events name; each must be there before its event is added.
    #[must_use]
    pub fn files(&self) -> FolderBlobs {
        files::folder(&self.folder)
    }

    /// Adds the next messages and says so in the manifest, when they are on disk.
    ///
    /// # Errors
    ///
    /// E.705 if the disk does not take them: open the archive again.
    pub fn append(&mut self, messages: &[Stored]) -> Result<(), Failure> {
        let mut lines = String::new();
        for stored in messages {
            let full = self.file.as_ref().is_none_or(|(_, bytes)| {
                bytes + u64::try_from(lines.len()).unwrap_or_default() >= self.file_bytes_max
            });
            if full {
                self.write(&mut lines)?;
                self.next_file()?;
            }
            let is_empty = lines.is_empty() && self.file.as_ref().is_none_or(|(_, it)| *it == 0);
            if is_empty {
                lines.push_str(&self.chain.head_line());
            }
            lines.push_str(&self.chain.message_line(stored));
            self.last = Some(hash(&stored.message));
        }
        self.write(&mut lines)?;
        self.promise()
    }

    fn write(&mut self, lines: &mut String) -> Result<(), Failure> {
        if let Some((file, bytes)) = &mut self.file {
            let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
            written.map_err(|error| Failure::file(&self.folder, &error))?;
            *bytes += u64::try_from(lines.len()).unwrap_or_default();
        }
        lines.clear();
        Ok(())
    }

    fn next_file(&mut self) -> Result<(), Failure> {
        let path = self.folder.join(format!("{:0DIGITS$}{ENDING}", self.chain.position + 1));
        let made = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        let file = made.map_err(|error| Failure::file(&path, &error))?;
        sync_name(&path).map_err(|error| Failure::file(&self.folder, &error))?;
        self.file = Some((file, 0));
        Ok(())
    }

    fn promise(&self) -> Result<(), Failure> {
        write_manifest(&self.folder, &self.chain)
    }
}

fn write_manifest(folder: &Path, end: &Chain) -> Result<(), Failure> {
    let manifest = Manifest { end: end.clone(), content: None };
    replace(&folder.join(MANIFEST), manifest.to_line().as_bytes(), PRIVATE)
}

/// Where the archive of a folder ends, by its manifest alone; `None` where there is none.
///
/// # Errors
///
/// E.708 for a manifest that cannot be read.
pub fn promised(folder: &Path) -> Result<Option<Chain>, Failure> {
    let path = folder.join(MANIFEST);
    match std::fs::read(&path) {
        Ok(line) => {
            let manifest = Manifest::parse(&line).map_err(|it| damaged(&path, it.detail))?;
            Ok(Some(manifest.end))
        }
        Err(error) if error.kind() == ErrorKind::NotFound && !is_there(folder) => Ok(None),
        Err(error) => Err(Failure::file(&path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use zhoubao_contract::{Attributes, Message};

    use super::*;

    fn hall() -> HallCode {
        "510000".parse().unwrap()
    }

    fn stored(position: u64) -> Stored {
        let message = Message {
            subject: "hall.510000.terminal.w01".to_owned(),
            attributes: Attributes { id: Some(position.to_string()), ..Attributes::default() },
            body: br#"{"people":1}"#.to_vec(),
        };
        let recorded_at = Timestamp::from_second(1_675_645_800).unwrap();
        Stored { position, recorded_at, message }
    }

    fn keeper(folder: &Path) -> Result<Keeper, Failure> {
        // Room for two or three events.
        Keeper::open(folder, &hall(), &Incarnation("1f2e".to_owned()), 500)
    }

    /// An archive of seven events in several files, written in three goes.
    fn archive() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for positions in [1..=2, 3..=3, 4..=7] {
            let mut keeper = keeper(folder.path()).unwrap();
            keeper.append(&positions.map(stored).collect::<Vec<_>>()).unwrap();
        }
        folder
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files = parts(folder).unwrap();
        assert!(files.len() > 2, "{files:?}");
        files.push(folder.join(MANIFEST));
        files
    }

    #[track_caller]
    fn is_refused(path: &Path, what: &str) {
        let Err(failure) = check(path) else { panic!("{what} is not found") };
        assert_eq!(failure.code, Some(Code::ArchiveDamaged), "{what}: {failure}");
    }

    #[test]
    fn a_byte_that_is_altered_or_missing_anywhere_is_found() {
        let archive = archive();
        let folder = archive.path();
        let positions: Vec<_> = {
            let mut copy = Copy::open(folder).unwrap();
            copy.page(100).unwrap().iter().map(|it| it.position).collect()
        };
        assert_eq!(positions, (1..=7).collect::<Vec<_>>());
        let backup = folder.join("hall.backup");
        write_backup(folder, &backup, false).unwrap();
        assert_eq!(check(&backup).unwrap().end, check(folder).unwrap().end);
        let of_folder = files(folder).into_iter().map(|it| (it, folder));
        for (file, copy) in of_folder.chain([(backup.clone(), backup.as_path())]) {
            let whole = std::fs::read(&file).unwrap();
            for place in 0..whole.len() {
                let what = format!("{}, byte {place}", file.display());
                for bit in [0, 5, 7] {
                    let mut altered = whole.clone();
                    altered[place] ^= 1 << bit;
                    std::fs::write(&file, altered).unwrap();
                    is_refused(copy, &what);
                }
                std::fs::write(&file, &whole[..place]).unwrap();
                is_refused(copy, &what);
            }
            std::fs::remove_file(&file).unwrap();
            if copy == folder {
                is_refused(copy, "a missing file");
            }
            std::fs::write(&file, &whole).unwrap();
        }
        check(folder).unwrap();
        let mut more = std::fs::read(&backup).unwrap();
        more.extend_from_slice(b"{}\n");
        std::fs::write(&backup, more).unwrap();
        is_refused(&backup, "a line more");
    }

    #[test]
    fn what_the_manifest_has_not_promised_is_taken_where_it_is_good_and_cut_off_where_not() {
        let archive = archive();
        let folder = archive.path();
        let manifest = std::fs::read(folder.join(MANIFEST)).unwrap();
        let before = parts(folder).unwrap();
        let last = before.last().unwrap();
        let (promised, length) = (std::fs::read(last).unwrap(), before.len());
        keeper(folder).unwrap().append(&[stored(8), stored(9), stored(10)]).unwrap();
        let written: Vec<_> = parts(folder)
            .unwrap()
            .into_iter()
            .skip(length - 1)
            .map(|it| (std::fs::read(&it).unwrap(), it))
            .collect();
        // Every state that a power cut may leave of these lines.
        let mut seen = std::collections::BTreeSet::new();
        for (place, (whole, path)) in written.iter().enumerate() {
            let least = if place == 0 { promised.len() } else { 0 };
            let ends = |it: &usize| it.is_multiple_of(23) || whole[..*it].ends_with(b"\n");
            for end in (least..=whole.len()).filter(ends) {
                for (_, later) in written.iter().skip(place + 1) {
                    let _ = std::fs::remove_file(later);
                }
                std::fs::write(path, &whole[..end]).unwrap();
                std::fs::write(folder.join(MANIFEST), &manifest).unwrap();
                let found = check(folder).unwrap().end.position;
                seen.insert(found);
                let mut keeper = keeper(folder).unwrap();
                assert_eq!(keeper.position(), found);
                keeper.append(&(found + 1..=11).map(stored).collect::<Vec<_>>()).unwrap();
                drop(keeper);
                assert_eq!(check(folder).unwrap().end.position, 11);
                for later in parts(folder).unwrap().into_iter().skip(length + place) {
                    std::fs::remove_file(later).unwrap();
                }
            }
            std::fs::write(path, whole).unwrap();
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [7, 8, 9, 10]);
    }

    #[test]
    fn one_process_writes_and_only_the_archive_of_its_journal() {
        let archive = archive();
        let held = keeper(archive.path()).unwrap();
        assert!(is_kept(archive.path()));
        assert_eq!(keeper(archive.path()).err().unwrap().code, Some(Code::Unavailable));
        drop(held);
        assert!(!is_kept(archive.path()));
        let other = Incarnation("another".to_owned());
        let refused = Keeper::open(archive.path(), &hall(), &other, FILE_BYTES_MAX).err().unwrap();
        assert_eq!(refused.code, Some(Code::OtherJournal));
        assert_eq!(promised(archive.path()).unwrap().map(|it| it.position), Some(7));
    }
}
