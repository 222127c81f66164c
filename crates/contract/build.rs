//! Compiles `proto/` without `protoc`: protox reads it, prost writes the types, pbjson their JSON, and `schemas` says
//! what that JSON looks like.

#[path = "build/schemas.rs"]
mod schemas;

use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 7] = [
    "zhoubao/v1/window.proto",
    "zhoubao/v1/authorization.proto",
    "zhoubao/v1/desk.proto",
    "zhoubao/v1/issue.proto",
    "zhoubao/v1/setup.proto",
    "zhoubao/v1/quarantine.proto",
    "zhoubao/v1/audit.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    println!("cargo::rerun-if-changed={root}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");

    let mut compiler = protox::Compiler::new([root])?;
    compiler.include_source_info(true).include_imports(true).open_files(FILES)?;

    let descriptors = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("schemas.json"), schemas::of(compiler.file_descriptor_set())?)?;
    // In order of the keys, so that equal events have equal bytes.
    prost_build::Config::new().btree_map(["."]).compile_fds(compiler.file_descriptor_set())?;
    pbjson_build::Builder::new()
        .register_descriptors(&descriptors)?
        // A new field must be ignorable (design §4), so that an old reader goes on reading.
        .ignore_unknown_fields()
        .btree_map(["."])
        .build(&[".zhoubao.v1"])?;
    Ok(())
}
