use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The error is a text for the person at the keyboard; nothing here is handled by a program.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// Root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Says one step on standard error.
pub(crate) fn say(step: &str) {
    eprintln!("xtask: {step}");
}

/// The cargo that runs this program, where the caller is.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(arguments);
    command
}

/// Runs a command that prints for itself, and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| cannot_run(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", text(command))) }
}

/// Runs a command to its end and gives its standard output; its errors become part of ours.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| cannot_run(command, &error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        // Most say on standard error what went wrong; tests say it on the other.
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        Err(format!("`{}` failed ({}):\n{}", text(command), output.status, said.trim()))
    }
}

/// Names the path in an error of the file system.
pub(crate) fn at<T>(path: &Path, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| format!("`{}`: {error}", path.display()))
}

/// A temporary directory that goes away with its value.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes a directory whose name begins with `name`.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("zhoubao-{name}-{}", std::process::id()));
        // Left by a process of the same number that was killed.
        if path.exists() {
            at(&path, std::fs::remove_dir_all(&path))?;
        }
        at(&path, std::fs::create_dir(&path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed here is removed with the system's temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The command as a person would type it, without the scripts among its arguments.
pub(crate) fn text(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .map(|word| if word.contains('\n') { "…".to_owned() } else { word.into_owned() })
        .collect::<Vec<_>>()
        .join(" ")
}

fn cannot_run(command: &Command, error: &std::io::Error) -> String {
    format!("cannot run `{}`: {error}", command.get_program().to_string_lossy())
}
