//! Writes what the compiler needs to know about checked queries when there is no database.
//!
//! The macros of sqlx ask a database while they are expanded, or read what an earlier expansion has written into
//! `.sqlx`. So this expands all macros of a crate against a database made from its migrations, into an empty folder. A test
//! of each store asks a database again, as changed migrations and left-over data go unnoticed by the compiler.
//!
//! Only the library of a crate is expanded: a checked query in a test would not be found.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::run::{Result, Scratch, at, cargo, output, root, run, say};
use crate::setup;

/// Longest wait for PostgreSQL to start; the machine may be busy.
const START_LIMIT: Duration = Duration::from_secs(60);

/// User that runs PostgreSQL in place of root.
const SERVER_USER: &str = "postgres";

/// Runs every file named after the database, in order, and names the one that fails.
const APPLY_SQLITE: &str = r#"
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as file:
        try:
            database.executescript(file.read())
        except sqlite3.Error as error:
            sys.exit(f"{path}: {error}")
"#;

/// A crate with checked queries.
struct Queries {
    package: &'static str,
    dir: &'static str,
    /// Variable with the address of the database, as in the `sqlx.toml` of the crate.
    variable: &'static str,
    engine: Engine,
}

#[derive(Clone, Copy)]
enum Engine {
    Sqlite,
    Postgres,
}

const CRATES: [Queries; 2] = [
    Queries {
        package: "zhoubao-store-sqlite",
        dir: "crates/store-sqlite",
        variable: "ZHOUBAO_SQLITE_URL",
        engine: Engine::Sqlite,
    },
    Queries {
        package: "zhoubao-store-postgres",
        dir: "crates/store-postgres",
        variable: "ZHOUBAO_POSTGRES_URL",
        engine: Engine::Postgres,
    },
];

/// Contents of a folder of query data, by file name.
type Data = BTreeMap<String, Vec<u8>>;

/// Writes the data of every crate anew.
pub(crate) fn write() -> Result<()> {
    for queries in CRATES {
        let dir = root().join(queries.dir);
        let Some(new) = expand(&queries, &dir)? else { continue };
        let target = dir.join(".sqlx");
        let old = read(&target)?;
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            let path = target.join(name);
            at(&path, fs::remove_file(&path))?;
        }
        if !new.is_empty() {
            at(&target, fs::create_dir_all(&target))?;
        }
        for (name, bytes) in new.iter().filter(|(name, bytes)| old.get(*name) != Some(bytes)) {
            let path = target.join(name);
            at(&path, fs::write(&path, bytes))?;
        }
        for line in differences(&old, &new) {
            println!("{}/.sqlx/{line}", queries.dir);
        }
        say(&format!("{}: {} checked queries", queries.package, new.len()));
    }
    Ok(())
}

/// Expands the queries of one crate; nothing if it has none and is not set up for any.
fn expand(queries: &Queries, dir: &Path) -> Result<Option<Data>> {
    let Queries { package, variable, engine, .. } = *queries;
    let settings = fs::read_to_string(dir.join("sqlx.toml")).unwrap_or_default();
    if !settings.contains(variable) {
        // Without the variable the macros would read old data, and all of it would look left over.
        if read(&dir.join(".sqlx"))?.is_empty() {
            say(&format!("{package}: no sqlx.toml, so no checked queries"));
            return Ok(None);
        }
        return Err(format!("{package}: sqlx.toml must set database-url-var = \"{variable}\""));
    }

    let scratch = Scratch::new(package)?;
    let migrations = migrations(&dir.join("migrations"))?;
    say(&format!("{package}: applying {} migrations", migrations.len()));
    let database = match engine {
        Engine::Sqlite => Database::sqlite(scratch.path(), &migrations)?,
        Engine::Postgres => Database::postgres(scratch.path(), &migrations)?,
    };
    let out = scratch.path().join("data");
    at(&out, fs::create_dir(&out))?;
    let library = Touched::new(&dir.join("src/lib.rs"))?;
    run(cargo(&["check", "--locked", "--package", package])
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &out)
        .env(variable, &database.url))?;
    drop(library);
    read(&out).map(Some)
}

/// The migrations below a folder, in the order of their paths; those that undo others are left out.
fn migrations(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut entries: Vec<_> =
        at(dir, fs::read_dir(dir))?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    let mut found = Vec::new();
    for path in entries {
        let name = path.to_string_lossy();
        if path.is_dir() {
            found.extend(migrations(&path)?);
        } else if name.ends_with(".sql") && !name.ends_with(".down.sql") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Reads a folder of query data; a folder that does not exist is empty.
fn read(dir: &Path) -> Result<Data> {
    let mut data = Data::new();
    if !dir.is_dir() {
        return Ok(data);
    }
    for entry in at(dir, fs::read_dir(dir))?.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("query-") && name.ends_with(".json") {
            data.insert(name, at(&path, fs::read(&path))?);
        }
    }
    Ok(data)
}

/// One line for each file that differs, in the order of the names.
fn differences(old: &Data, new: &Data) -> Vec<String> {
    let mut names: Vec<_> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| match (old.get(name), new.get(name)) {
            (None, _) => Some(format!("{name} is new")),
            (_, None) => Some(format!("{name} is no longer used")),
            (before, after) if before != after => Some(format!("{name} has changed")),
            _ => None,
        })
        .collect()
}

/// A source file that looks changed to cargo while this value lives, so that its crate is compiled again.
///
/// Afterwards it looks as before, or the next test run would compile the crate and all that depends on it.
struct Touched {
    path: PathBuf,
    before: SystemTime,
    meanwhile: SystemTime,
}

impl Touched {
    fn new(path: &Path) -> Result<Self> {
        let modified = || at(path, fs::metadata(path).and_then(|metadata| metadata.modified()));
        let before = modified()?;
        #[expect(clippy::disallowed_methods, reason = "cargo compares with the clock of the files")]
        let now = SystemTime::now();
        set_modified(path, now)?;
        Ok(Self { path: path.to_owned(), before, meanwhile: modified()? })
    }
}

impl Drop for Touched {
    fn drop(&mut self) {
        // Somebody who saves the file in the meantime wants it compiled.
        let modified = fs::metadata(&self.path).and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| modified == self.meanwhile) {
            // At worst the crate is compiled once more than needed.
            let _ = set_modified(&self.path, self.before);
        }
    }
}

fn set_modified(path: &Path, time: SystemTime) -> Result<()> {
    at(path, File::options().append(true).open(path).and_then(|file| file.set_modified(time)))
}

/// A temporary database with all migrations applied.
struct Database {
    url: String,
    /// Kept for its end.
    _server: Option<Server>,
}

impl Database {
    fn sqlite(scratch: &Path, migrations: &[PathBuf]) -> Result<Self> {
        let file = scratch.join("queries.db");
        output(Command::new("python3").args(["-c", APPLY_SQLITE]).arg(&file).args(migrations))?;
        Ok(Self { url: format!("sqlite://{}", file.display()), _server: None })
    }

    fn postgres(scratch: &Path, migrations: &[PathBuf]) -> Result<Self> {
        let bin = setup::postgres()?;
        let server = Server::start(&bin, scratch)?;
        let socket = server.dir.display();
        let url = format!("postgres://{SERVER_USER}@localhost/postgres?host={socket}");
        for migration in migrations {
            output(
                Command::new(bin.join("psql"))
                    .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"])
                    .args(["--username", SERVER_USER, "--dbname", "postgres", "--host"])
                    .arg(&server.dir)
                    .arg("--file")
                    .arg(migration),
            )?;
        }
        Ok(Self { url, _server: Some(server) })
    }
}

/// A PostgreSQL server that listens on a socket in its own folder only.
struct Server {
    process: Child,
    dir: PathBuf,
}

impl Server {
    fn start(bin: &Path, scratch: &Path) -> Result<Self> {
        let dir = scratch.join("postgres");
        at(&dir, fs::create_dir(&dir))?;
        let as_user: Vec<String> = if setup::is_root()? {
            let id = |flag| output(Command::new("id").args([flag, SERVER_USER]));
            let (uid, gid) = (id("-u")?, id("-g")?);
            for dir in [scratch, &dir] {
                at(dir, chown(dir, uid.parse().ok(), gid.parse().ok()))?;
            }
            vec![format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]
        } else {
            Vec::new()
        };
        // An interrupted run takes its server along; QUIT lets the server remove its shared memory.
        let server = |program: &str| {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "QUIT"]).args(&as_user).arg("--").arg(bin.join(program));
            command
        };

        let data = dir.join("data");
        output(
            server("initdb")
                .args(["--username", SERVER_USER, "--auth", "trust", "--encoding", "UTF8"])
                .args(["--no-locale", "--no-sync", "--pgdata"])
                .arg(&data),
        )?;
        let log_path = dir.join("log");
        let log = at(&log_path, File::create(&log_path))?;
        let process = server("postgres")
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .args(["-c", "dynamic_shared_memory_type=mmap", "-k"])
            .arg(&dir)
            .arg("-D")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot run `setpriv` (package util-linux): {error}"))?;
        let mut server = Self { process, dir };
        let started = Instant::now();
        while !server.is_ready() {
            let ended = server.process.try_wait().map_err(|error| error.to_string())?.is_some();
            if ended || started.elapsed() > START_LIMIT {
                let log = fs::read_to_string(&log_path).unwrap_or_default();
                return Err(format!("PostgreSQL does not start:\n{log}"));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Whether the server has written `ready` into line 8 of its pid file.
    fn is_ready(&self) -> bool {
        let text = fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap_or_default();
        text.lines().nth(7).is_some_and(|state| state.trim() == "ready")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.process.id().to_string();
        // A server that cannot be told has ended already.
        let told = Command::new("sh").args(["-c", r#"kill -s QUIT "$1""#, "sh", &pid]).status();
        if told.is_ok_and(|status| status.success()) {
            let _ = self.process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Data, Scratch, differences, migrations};

    fn data(files: &[(&str, &str)]) -> Data {
        files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let old = data(&[("query-a.json", "1"), ("query-b.json", "1"), ("query-c.json", "1")]);
        let new = data(&[("query-a.json", "1"), ("query-b.json", "2"), ("query-d.json", "1")]);
        assert_eq!(
            differences(&old, &new),
            ["query-b.json has changed", "query-c.json is no longer used", "query-d.json is new"]
        );
        assert!(differences(&new, &new).is_empty());
    }

    #[test]
    fn migrations_are_found_in_the_order_of_their_paths() {
        let scratch = Scratch::new("migrations-test").unwrap();
        let dir = scratch.path();
        assert!(migrations(&dir.join("none")).unwrap().is_empty());
        for file in ["read/2.sql", "journal/1_b.sql", "journal/1_a.sql", "read/1.down.sql"] {
            let path = dir.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = migrations(dir).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(dir).unwrap()).collect();
        let expected = ["journal/1_a.sql", "journal/1_b.sql", "read/2.sql"];
        assert_eq!(names, expected.map(std::path::Path::new));
    }
}
