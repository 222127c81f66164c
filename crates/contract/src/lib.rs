//! The wire form of every event.
