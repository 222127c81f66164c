//! Whatever a department files is taken or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zhoubao_composer::submission;

fuzz_target!(|text: &str| {
    let first = submission::check(text, &[]);
    assert_eq!(first.is_ok(), submission::check(text, &[]).is_ok());
});
