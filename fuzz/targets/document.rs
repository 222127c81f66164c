//! A published issue that comes back from outside is read, or refused; what is read is printed again in every form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zhoubao_composer::{csv, docx, html, json, txt};

fuzz_target!(|data: &[u8]| {
    let Ok(document) = json::read(data) else { return };
    let again = json::export(&document);
    let read = json::read(&again).expect("what was written is read");
    assert_eq!(json::digest(&read), json::digest(&document));
    let _ = (txt::export(&document), html::export(&document), csv::export(&document));
    let _ = docx::export(&document);
});
