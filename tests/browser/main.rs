//! The pages as people see them: a real browser, driven by key and link, over a real service.
//!
//! Start with `machine`, which runs browser, service and the cable between them.

mod desk;
mod machine;
mod pages;
mod provider;
#[path = "../slipped.rs"]
mod slipped;
mod wall;
mod window;
