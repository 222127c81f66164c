//! Links the program of the tests at a fixed address: they start it thousands of times, and moving it to a random one
//! takes a third of a short command's time. What is released keeps the random address, which makes attacks harder.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|it| it == "linux");
    if is_linux && std::env::var("PROFILE").is_ok_and(|it| it == "debug") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
