//! A line of a copy of the journal, a row of the read models and a receipt are what they say, or nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zhoubao_contract::archive::{leaf_line, read_leaf_line};
use zhoubao_contract::receipt::Receipt;
use zhoubao_projections::entry::Entry;

fuzz_target!(|data: &[u8]| {
    if let Some(stored) = read_leaf_line(data) {
        let line = leaf_line(&stored);
        assert_eq!(read_leaf_line(line.as_bytes()).as_ref(), Some(&stored));
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(entry) = Entry::parse(&text) {
        let mut line = String::new();
        entry.write(&mut line);
        assert_eq!(line, text);
    }
    assert!(Receipt::verify(&text).is_err(), "nobody signs by chance");
});
