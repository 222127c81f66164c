//! Sends a real service whatever its OpenAPI document allows, and what it does not (`tests/api`).

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Result, cargo, output, root, run, say};
use crate::setup;

/// Builds the program, and runs schemathesis on it; the arguments are those of `tests/api/run.py`.
pub(crate) fn run_all(arguments: &[&str]) -> Result<()> {
    setup::fonts()?;
    let python = python()?;
    run(&mut cargo(&["build", "--locked", "--package", "zhoubao"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
    let script = root().join("tests/api/run.py");
    let program = target.join("debug/zhoubao");
    run(Command::new(python).arg(script).arg("--zhoubao").arg(program).args(arguments))
}

/// A Python that has schemathesis at the version of `tests/api/requirements.txt`.
fn python() -> Result<PathBuf> {
    let folder = root().join(".tools/api");
    let python = folder.join("bin/python");
    if !python.exists() {
        say("making a virtual environment for schemathesis");
        output(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    let requirements = root().join("tests/api/requirements.txt");
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    output(Command::new(&python).args(install).arg("--requirement").arg(requirements))?;
    Ok(python)
}
