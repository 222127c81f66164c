//! Characters without a glyph.

use zhoubao_typesetting::fonts::{NoFace, choose, describe};
use zhoubao_typesetting::{PagesError, Role};

use crate::sample::{FONTS, document, heading, laid_out, paragraph, refused};

#[test]
fn a_character_that_no_face_has_is_refused_by_its_name() {
    let strange = document(vec![
        paragraph("近日，商务厅二级巡视员戢焜文同志调研。"),
        paragraph("王𫟵同志、李𫟵同志到大厅，\u{E000}。"),
        heading(1, "一、𫟵"),
    ]);
    let PagesError::Missing { missing } = refused(&strange) else { panic!("another error") };
    let found: Vec<_> = missing.iter().map(|it| (it.character, it.block, it.role)).collect();
    let expected =
        [('𫟵', 7, Role::FangSong), ('\u{E000}', 7, Role::FangSong), ('𫟵', 8, Role::Hei)];
    assert_eq!(found, expected);
    let text = missing[0].to_string();
    assert!(
        text.contains("「𫟵」(U+2B7F5)")
            && text.contains("仿宋")
            && text.contains("第 8 段「王𫟵同志"),
        "{text}"
    );
}

#[test]
fn what_is_not_printed_by_itself_is_refused() {
    for strange in [
        '\t',
        '\n',
        '\0',
        '\u{7f}',
        '\u{ad}',
        '\u{200b}',
        '\u{200d}',
        '\u{202e}',
        '\u{2028}',
        '\u{2066}',
        '\u{feff}',
        '\u{fe00}',
        '\u{e0100}',
        '\u{e0041}',
    ] {
        let error = refused(&document(vec![paragraph(&format!("文{strange}字"))]));
        let PagesError::Missing { missing } = &error else { panic!("{strange:?}: {error}") };
        assert_eq!(missing[0].character, strange);
        let text = error.to_string();
        assert!(text.contains(&format!("U+{:04X}", u32::from(strange))), "{text}");
        assert!(!text.contains(strange), "it is named, not printed: {text:?}");
    }
    // A letter with a mark is printed where the face has both as one.
    laid_out(&document(vec![paragraph("\u{e9}"), paragraph("e\u{301}")]));
    let error = refused(&document(vec![paragraph("q\u{301}")]));
    assert!(matches!(error, PagesError::Composed { .. }), "{error}");
}

#[test]
fn a_character_from_another_face_is_listed() {
    assert!(
        laid_out(&document(vec![paragraph("戢焜文、APP、1.5%、“引号”—…·")]))
            .substitutions
            .is_empty()
    );
    let document = document(vec![paragraph("鿫"), heading(1, "鿫"), paragraph("再说鿫")]);
    let pages = laid_out(&document);
    let listed: Vec<_> =
        pages.substitutions.iter().map(|it| (it.character, it.block, it.role)).collect();
    assert_eq!(listed, [('鿫', 6, Role::FangSong)]);
    let used = &pages.substitutions[0].used;
    // What is listed is what was used.
    for run in pages.pages.iter().flat_map(|it| &it.runs) {
        if run.text().contains('鿫') {
            assert_eq!(&FONTS.faces()[run.face].name, used);
        }
    }
}

#[test]
fn a_role_without_a_face_is_named() {
    let files: Vec<_> = zhoubao_test_support::fonts()
        .unwrap()
        .into_iter()
        .filter(|path| !path.ends_with("LXGWWenKai-Regular.ttf"))
        .map(|path| describe((), &std::fs::read(path).unwrap()))
        .collect();
    let error = choose(&files).unwrap_err();
    assert_eq!(error, NoFace { role: Role::Kai });
    assert!(error.to_string().contains("楷体") && error.to_string().contains("LXGW WenKai"));
    assert_eq!(choose(&[describe((), b"no font")]).unwrap_err().role, Role::Title);
}
