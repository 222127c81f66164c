//! The `zhoubao` program; everything is in the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    zhoubao::main(std::env::args_os())
}
