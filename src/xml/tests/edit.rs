//! Edits change what they name and nothing else.

use crate::xml::{Document, Edit, EditError};

const MODEL: &str = "\u{feff}<?xml version='1.0'?>\r\n<a  x='1'\n   xmlns:p = \"u\" p:y='2'>\n  <!-- c -->\n  <b z=\"&#9;\"/>\n\n  <c>old &amp; <![CDATA[x]]></c>\n  <d><e/></d>\n</a><!-- end -->\n";

fn edited(
    change: impl for<'d> FnOnce(&mut Edit<'d>, &'d Document) -> Result<(), EditError>,
) -> Result<String, EditError> {
    let document = Document::parse(MODEL.as_bytes()).expect("a well-formed document of the test");
    let mut edit = Edit::new(&document);
    change(&mut edit, &document)?;
    edit.finish()
}

/// Checks that the edit does nothing but put `new` for `old`.
fn check(change: impl for<'d> FnOnce(&mut Edit<'d>, &'d Document) -> Result<(), EditError>, old: &str, new: &str) {
    assert_eq!(MODEL.matches(old).count(), 1, "{old:?} names one place");
    assert_eq!(edited(change).expect("an edit of the test"), MODEL.replace(old, new));
}

#[test]
fn no_edit_changes_no_byte() {
    assert_eq!(edited(|_, _| Ok(())).expect("nothing to do"), MODEL);
}

#[test]
fn attributes_are_set_in_their_place() {
    check(|edit, file| edit.set_attribute(file.root(), "x", "a\"<&>'\n"), "x='1'", "x=\"a&quot;&lt;&amp;>'&#10;\"");
    check(|edit, file| edit.set_attribute(file.root(), "p:y", "3"), "p:y='2'", "p:y=\"3\"");
    check(|edit, file| edit.set_attribute(file.root(), "y", "3"), "p:y='2'", "p:y='2' y=\"3\"");
    check(|edit, file| edit.set_attribute(file.element_by_index(1), "p:n", "1"), "/>\n\n", " p:n=\"1\"/>\n\n");
    check(|edit, file| edit.set_attribute(file.element_by_index(2), "n", ""), "<c>", "<c n=\"\">");
    let unbound = edited(|edit, file| edit.set_attribute(file.root(), "q:n", "1"));
    assert!(matches!(unbound, Err(EditError::UnboundPrefix(prefix)) if prefix == "q"));
}

#[test]
fn attributes_are_removed_with_the_blanks_before_them() {
    check(|edit, file| edit.remove_attribute(file.root(), "x"), "  x='1'", "");
    check(|edit, file| edit.remove_attribute(file.root(), "p:y"), " p:y='2'", "");
    check(|edit, file| edit.remove_attribute(file.root(), "none"), "</a>", "</a>");
}

#[test]
fn texts_are_replaced() {
    check(
        |edit, file| edit.set_text(file.element_by_index(2), "a < b & c"),
        "old &amp; <![CDATA[x]]>",
        "a &lt; b &amp; c",
    );
    check(|edit, file| edit.set_text(file.element_by_index(4), "t"), "<e/>", "<e>t</e>");
    let mixed = edited(|edit, file| edit.set_text(file.root(), "t"));
    assert!(matches!(mixed, Err(EditError::NotText(name)) if name == "a"));
}

#[test]
fn elements_come_and_go() {
    check(|edit, file| edit.insert_before(file.element_by_index(3), "<n/>"), "<d>", "<n/><d>");
    check(|edit, file| edit.insert_after(file.element_by_index(3), "<n/>"), "</d>", "</d><n/>");
    check(
        |edit, file| {
            edit.append(file.element_by_index(1), "<n/>");
            edit.append(file.element_by_index(1), "<m/>");
            edit.append(file.element_by_index(3), "<o/>");
            Ok(())
        },
        "<b z=\"&#9;\"/>\n\n  <c>old &amp; <![CDATA[x]]></c>\n  <d><e/>",
        "<b z=\"&#9;\"><n/><m/></b>\n\n  <c>old &amp; <![CDATA[x]]></c>\n  <d><e/><o/>",
    );
    check(|edit, file| edit.remove(file.element_by_index(1)), "\n  <b z=\"&#9;\"/>", "");
    check(|edit, file| edit.remove(file.element_by_index(4)), "<e/>", "");
    check(
        |edit, file| {
            edit.replace(file.element_by_index(3), "<f/>");
            Ok(())
        },
        "<d><e/></d>",
        "<f/>",
    );
    assert!(matches!(edited(|edit, file| edit.remove(file.root())), Err(EditError::Root)));
}

#[test]
fn edits_do_not_get_into_each_others_way() {
    let result = edited(|edit, file| {
        edit.set_attribute(file.element_by_index(1), "n", "1")?;
        edit.set_text(file.element_by_index(1), "t")?;
        edit.set_attribute(file.element_by_index(1), "m", "2")?;
        edit.remove(file.element_by_index(3))
    });
    let expected =
        MODEL.replace("<b z=\"&#9;\"/>", "<b z=\"&#9;\" n=\"1\" m=\"2\">t</b>").replace("\n  <d><e/></d>", "");
    assert_eq!(result.expect("an edit of the test"), expected);
    let twice = edited(|edit, file| {
        edit.remove(file.element_by_index(3))?;
        edit.set_attribute(file.element_by_index(4), "n", "1")
    });
    assert!(matches!(twice, Err(EditError::Overlap(_))));
    let broken = edited(|edit, file| edit.insert_after(file.element_by_index(3), "<n>"));
    assert!(matches!(broken, Err(EditError::Broken(_))));
}
