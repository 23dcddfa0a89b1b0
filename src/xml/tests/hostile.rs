//! Input made to hurt: refused soon, on a small stack, whatever it is.

use crate::base::limits;
use crate::xml::{Document, code};
use proptest::prelude::*;

/// Runs as the worker threads do at worst: half a megabyte of stack.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(test);
    thread.expect("a thread can be started").join().expect("the test holds");
}

fn refused(name: &str, text: &str, code: &str) {
    let refusal = Document::parse(text.as_bytes()).expect_err(name);
    assert_eq!(refusal.code, code, "{name}: {refusal}");
}

#[test]
fn bombs_are_refused_by_their_limit() {
    on_a_small_stack(|| {
        let deep = |count: usize| format!("{}{}", "<a>".repeat(count), "</a>".repeat(count));
        refused("a million deep", &deep(1_000_000), code::LIMIT);
        refused("as deep as fits", &deep(limits::XML_BYTES_MAX / 7), code::LIMIT);
        refused("one too deep", &deep(limits::XML_DEPTH_MAX + 1), code::LIMIT);
        refused("only openings", &"<a>".repeat(limits::XML_BYTES_MAX / 3), code::LIMIT);
        let attributes: String = (0..80_000).map(|n| format!("x{n}='1' ")).collect();
        refused("80 000 attributes", &format!("<a {attributes}/>"), code::LIMIT);
        let namespaces: String = (0..200_000).map(|n| format!("xmlns:n{n}='u' ")).collect();
        refused("200 000 namespaces", &format!("<a {namespaces}/>"), code::LIMIT);
        let some: String = (0..100_000).map(|n| format!("xmlns:n{n}='u' ")).collect();
        refused("namespaces within the bytes", &format!("<a {some}/>"), code::LIMIT);
        refused("a million children", &format!("<r>{}</r>", "<a/>".repeat(1_000_000)), code::LIMIT);
        refused("large", &format!("<r>{}</r>", " ".repeat(limits::XML_BYTES_MAX)), code::LIMIT);
        refused("quotes", &format!("<r x='{}", "a='".repeat(1_000_000)), code::MALFORMED);
        refused("ampersands", &format!("<r>{}</r>", "&".repeat(1_000_000)), code::MALFORMED);
        refused("comments that stay open", &"<!--".repeat(500_000), code::MALFORMED);
        refused("brackets", &format!("<r>{}", "<![CDATA[".repeat(400_000)), code::MALFORMED);
    });
}

#[test]
fn document_types_are_refused_unread() {
    let laughs = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]><l>&b;</l>";
    let outside = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>";
    let parameter = "<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://192.0.2.1/x'>%p;]><a/>";
    let system = "<!DOCTYPE a SYSTEM 'http://192.0.2.1/x.dtd'><a/>";
    let late = "<a><!DOCTYPE b></a>";
    let nested = format!("<!DOCTYPE a [{}", "<!ELEMENT b (c)>".repeat(200_000));
    for text in [laughs, outside, parameter, system, late, &nested] {
        refused("document type", text, code::DOCTYPE);
    }
}

#[test]
fn what_is_just_within_the_limits_is_read() {
    on_a_small_stack(|| {
        let read = |text: String| Document::parse(text.as_bytes()).map(|document| document.elements().count());
        let depth = limits::XML_DEPTH_MAX;
        assert_eq!(read(format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth))), Ok(depth));
        assert_eq!(
            read(format!("<r>{}</r>", "<a/>".repeat(limits::XML_ELEMENTS_MAX - 1))),
            Ok(limits::XML_ELEMENTS_MAX)
        );
        let attributes: String = (0..limits::XML_ATTRIBUTES_MAX).map(|n| format!(" x{n}=''")).collect();
        let namespaces: String = (0..limits::XML_NAMESPACES_MAX).map(|n| format!(" xmlns:n{n}='u'")).collect();
        assert_eq!(read(format!("<r{attributes}{namespaces}/>")), Ok(1));
        let long = "x".repeat(limits::XML_BYTES_MAX - "<r></r>".len());
        assert_eq!(read(format!("<r>{long}</r>")), Ok(1));
    });
}

/// The dearest document within the limits that we know of: every prefix of a deep scope, asked for in every element.
#[test]
fn full_scopes_are_read() {
    let mut text = String::new();
    for depth in 0..limits::XML_DEPTH_MAX - 1 {
        let names: String =
            (0..limits::XML_NAMESPACES_MAX).map(|n| format!(" xmlns:n{depth}-{n}='u{depth}-{n}'")).collect();
        text.push_str(&format!("<a{names}>"));
    }
    let attributes: String = (0..60).map(|n| format!(" n0-{n}:x=''")).collect();
    text.push_str(&format!("<a{attributes}/>").repeat(3_000));
    text.push_str(&"</a>".repeat(limits::XML_DEPTH_MAX - 1));
    let document = Document::parse(text.as_bytes()).expect("within the limits");
    assert_eq!(document.elements().count(), 3_000 + limits::XML_DEPTH_MAX - 1);
}

const SEED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<b:d xmlns:b=\"u\" xmlns='v' id='1'>\r\n<!-- c --><b:p x=\"&lt;&#65;\">a&amp;<![CDATA[<>]]>\
     </b:p><?pi data?><e b:y='ö'/></b:d>\n";

proptest! {
    /// Cuts and pastes of a document: no panic, and what we accept the independent reader accepts and reads alike.
    #[test]
    fn mangled_documents_are_judged_alike(
        cuts in proptest::collection::vec((0..SEED.len(), 0..12_usize, 0..SEED.len(), 0..12_usize), 0..4),
        odd in proptest::option::of((0..SEED.len(), proptest::sample::select(vec!["<", ">", "&", "'", "\"", "]]>", "--", "\u{1}", "\u{feff}", ":", "/", "xmlns:q='u'", "<x>", "</x>", "&#0;"]))),
    ) {
        let mut bytes = SEED.as_bytes().to_vec();
        for (from, length, to, gone) in cuts {
            let from = from.min(bytes.len());
            let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
            let to = to.min(bytes.len());
            bytes.splice(to..(to + gone).min(bytes.len()), piece);
        }
        if let Some((place, odd)) = odd {
            let place = place.min(bytes.len());
            bytes.splice(place..place, odd.bytes());
        }
        let Ok(document) = Document::parse(&bytes) else { return Ok(()) };
        let text = std::str::from_utf8(&bytes).expect("accepted");
        let judge = roxmltree::Document::parse(text);
        prop_assert!(judge.is_ok(), "{text:?} is accepted, the judge says {:?}", judge.err());
        let judge = judge.expect("checked above");
        super::suites::compare(&document, &judge).map_err(TestCaseError::fail)?;
    }
}
