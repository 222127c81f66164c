//! The `zhoubao` program; everything is in the library of the same name.

use std::process::ExitCode;

/// A projector over NATS makes some forty small texts per event on one thread and drops them on another, which the
/// system's allocator does for a sixth of the whole time more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    zhoubao::main(std::env::args_os())
}
