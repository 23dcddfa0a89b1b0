//! What the tree says about names, values, texts and places.

use crate::base::diagnostic::Position;
use crate::xml::{Document, ElementRef};

fn read(text: &str) -> Document {
    Document::parse(text.as_bytes()).expect("a well-formed document of the test")
}

fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn names_resolve_where_they_stand() {
    let document = read("<a xmlns='u' xmlns:p='v' p:x='1' x='2'><p:b xmlns:p='w' xmlns=''><c p:x='3'/></p:b><d/></a>");
    let root = document.root();
    let [b, d] = root.children().collect::<Vec<_>>()[..] else { panic!("two children") };
    let c = b.children().next().expect("one child");
    assert!(root.is("u", "a") && b.is("w", "b") && c.is("", "c") && d.is("u", "d"));
    assert_eq!(root.attribute("x"), Some("2"), "without prefix, without namespace");
    assert_eq!((root.attribute_ns("v", "x"), root.attribute_ns("u", "x")), (Some("1"), None));
    assert_eq!(c.attribute_ns("w", "x"), Some("3"));
    assert_eq!((c.resolve_prefix("p"), d.resolve_prefix("p"), d.resolve_prefix("q")), (Some("w"), Some("v"), None));
    assert_eq!((c.resolve_prefix(""), d.resolve_prefix("")), (Some(""), Some("u")));
    assert_eq!(root.resolve_prefix("xml"), Some("http://www.w3.org/XML/1998/namespace"));
    let listed: Vec<_> = root.attributes().map(|one| (one.namespace, one.local, one.value)).collect();
    assert_eq!(listed, [("v", "x", "1"), ("", "x", "2")], "declarations are no attributes");
}

#[test]
fn elements_know_their_neighbours() {
    let document = read("<a><b><c/></b><d/><b/></a>");
    let root = document.root();
    let name = |element: ElementRef<'_>| element.name().to_owned();
    assert_eq!(root.children().map(name).collect::<String>(), "bdb");
    assert_eq!(root.descendants().map(name).collect::<String>(), "abcdb");
    assert_eq!(document.elements().map(name).collect::<String>(), "abcdb");
    let c = document.element_by_index(2);
    assert_eq!((c.name(), c.index()), ("c", 2));
    assert_eq!(c.ancestors().map(name).collect::<String>(), "ba");
    assert_eq!(c.descendants().count(), 1, "what follows is not below");
    assert_eq!(root.parent(), None);
    assert_eq!(root.child("", "b").map(ElementRef::index), Some(1));
    assert_eq!(root.child("", "x"), None);
    assert_eq!(c.parent(), root.child("", "b"));
}

#[test]
fn values_come_without_escapes() {
    let document = read(
        "<a x=' a\t&#9;b\r\nc&lt;&#x1F600;' y='\"'>x &amp; y<![CDATA[ <z> &amp; ]]><b>no</b>\r\nend<!-- c -->&#13;</a>",
    );
    let root = document.root();
    assert_eq!(root.attribute("x"), Some(" a \tb c<\u{1f600}"));
    assert_eq!(root.attribute("y"), Some("\""));
    assert_eq!(root.text(), "x & y <z> &amp; \nend\r");
    let document = read("<a><b/><c></c><d> plain </d><e>&gt;</e></a>");
    let texts: Vec<_> = document.root().children().map(|child| child.text().into_owned()).collect();
    assert_eq!(texts, ["", "", " plain ", ">"]);
}

#[test]
fn positions_count_lines_and_characters() {
    let document = read("\u{feff}<a ä='ö'\n  x='1'>\r\n<!-- ü --><b/>\r<c\n\n\ty='2' ü:z='3' xmlns:ü='u'/></a>");
    let root = document.root();
    let [b, c] = root.children().collect::<Vec<_>>()[..] else { panic!("two children") };
    assert_eq!(root.position(), at(1, 1), "the byte order mark is no character of the line");
    assert_eq!(root.attribute_position("ä"), at(1, 4));
    assert_eq!(root.attribute_position("x"), at(2, 3));
    assert_eq!(root.attribute_position("none"), at(1, 1));
    assert_eq!((b.position(), c.position()), (at(3, 11), at(4, 1)));
    assert_eq!(c.attribute_position("y"), at(6, 2));
    assert_eq!(c.attributes().map(|one| one.position).collect::<Vec<_>>(), [at(6, 2), at(6, 8)]);
}

#[test]
fn spans_are_bytes_of_the_file() {
    let text = "\u{feff}<?xml version='1.0'?>\n<ä:a xmlns:ä='u'>ö<b x='1' />t<c >d</c ></ä:a>\n";
    let document = read(text);
    assert_eq!(document.text(), text);
    let of = |index: usize| {
        let element = document.element_by_index(index);
        (&text[element.span()], &text[element.content_span()])
    };
    assert_eq!(of(0), ("<ä:a xmlns:ä='u'>ö<b x='1' />t<c >d</c ></ä:a>", "ö<b x='1' />t<c >d</c >"));
    assert_eq!(of(1), ("<b x='1' />", ""));
    assert_eq!(of(2), ("<c >d</c >", "d"));
}

#[test]
fn refusals_name_the_place_and_the_remedy() {
    let table = [
        ("<a>\n  <b>\n</a>", "3:1: ill-formed document: expected `</b>`, but `</a>` was found"),
        ("<a>\n  <b>", "2:3: <b> is not closed: its end tag is missing"),
        ("<a>ä&foo;</a>", "1:5: &foo is not a known entity: write &amp; for &, or the character itself"),
        ("<a/>\n<b/>", "2:1: a second root element: one file holds one"),
        ("<a/>\n x", "2:2: text outside of the root element: remove it"),
        ("<a x='1'\n x='2'/>", "2:2: the attribute \"x\" stands here twice: remove one"),
        ("<a><q:b/></a>", "1:5: the prefix \"q\" of \"q:b\" is not bound: declare xmlns:q"),
        ("<a>\u{1}</a>", "1:4: XML forbids the character U+0001: remove it"),
        ("\n<!DOCTYPE a><a/>", "2:1: a document type is not accepted: remove the <!DOCTYPE> declaration"),
        ("<!doctype a><a/>", "1:1: a document type is not accepted: remove the <!DOCTYPE> declaration"),
        ("<!DOCTYPE a [", "1:1: a document type is not accepted: remove the <!DOCTYPE> declaration"),
        ("<!DOCTYPE><a/>", "1:1: a document type is not accepted: remove the <!DOCTYPE> declaration"),
        (
            "<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
            "1:31: the declared encoding is \"ISO-8859-1\": save it as UTF-8",
        ),
        ("", "1:1: the file holds no element"),
    ];
    for (text, expected) in table {
        assert_eq!(Document::parse(text.as_bytes()).expect_err(text).to_string(), expected, "{text}");
    }
}

#[test]
fn only_utf_8_is_read() {
    let utf_16 = |order: fn(u16) -> [u8; 2], mark: bool| {
        let text = if mark { "\u{feff}<a/>" } else { "<a/>" };
        text.encode_utf16().flat_map(order).collect::<Vec<u8>>()
    };
    let files: [&[u8]; 6] = [
        &utf_16(u16::to_le_bytes, true),
        &utf_16(u16::to_be_bytes, true),
        &utf_16(u16::to_le_bytes, false),
        &utf_16(u16::to_be_bytes, false),
        b"\0\0\xfe\xff\0\0\0<",
        b"<?xml version='1.0' encoding='windows-1252'?><a/>",
    ];
    for file in files {
        assert_eq!(Document::parse(file).expect_err("not UTF-8").code, crate::xml::code::ENCODING);
    }
    let latin = Document::parse(b"<a>\n \xe4</a>").expect_err("not UTF-8");
    assert_eq!(latin.to_string(), "2:2: byte 5 is not UTF-8 (0xE4): save it as UTF-8");
}
