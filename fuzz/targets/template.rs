//! A template is one, or is refused with its place; it never takes down whoever reads it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zhoubao_composer::Template;

fuzz_target!(|text: &str| {
    let Ok(template) = Template::parse(text) else { return };
    let again = Template::parse(text).expect("the same twice");
    assert_eq!(template.digest(), again.digest());
    let _ = template.check(&[]);
    let _ =
        (template.title(), template.submission_sections(), template.imports(), template.settable());
});
