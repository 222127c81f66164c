//! One suite for each port: what every adapter must do. For tests only.

pub mod blobs;
pub mod journal;
pub mod store;
