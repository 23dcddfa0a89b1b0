//! The tree: an arena of elements in document order over one text. Nothing here recurses, so depth costs no stack.

use super::reader;
use crate::base::diagnostic::{Diagnostic, Position};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// No element: the parent of the root, the sibling of the last child.
pub(super) const NONE: u32 = u32::MAX;
/// The index of the empty namespace in `uris`.
pub(super) const NO_NAMESPACE: u32 = 0;
pub(super) const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// A well-formed document and its bytes as they came.
pub struct Document {
    pub(super) text: String,
    pub(super) arena: Arena,
}

/// Offsets are 32 bits wide: the limit on bytes is far below.
#[derive(Default)]
pub(super) struct Arena {
    pub(super) elements: Vec<Element>,
    pub(super) attributes: Vec<StoredAttribute>,
    pub(super) bindings: Vec<Binding>,
    pub(super) uris: Vec<String>,
}

pub(super) type Span = Range<u32>;

pub(super) struct Element {
    /// The local name.
    pub(super) name: Span,
    pub(super) namespace: u32,
    pub(super) start: u32,
    /// Behind the `>` of the start tag.
    pub(super) tag_end: u32,
    /// At the `<` of the end tag; the same as `end` in an empty tag.
    pub(super) content_end: u32,
    pub(super) end: u32,
    pub(super) attributes: Span,
    pub(super) bindings: Span,
    pub(super) parent: u32,
    pub(super) first_child: u32,
    pub(super) last_child: u32,
    pub(super) next: u32,
    pub(super) text: Value,
    pub(super) at: Position,
}

pub(super) struct StoredAttribute {
    /// From the first byte of the name to the one behind the closing quote.
    pub(super) span: Span,
    pub(super) local: Span,
    pub(super) namespace: u32,
    pub(super) value: Value,
    pub(super) at: Position,
}

/// A namespace declaration on an element.
pub(super) struct Binding {
    pub(super) prefix: Span,
    pub(super) uri: u32,
}

/// A value as it stands in the text, or resolved where the text says it otherwise.
pub(super) enum Value {
    Written(Span),
    Resolved(String),
}

#[derive(Clone, Copy)]
pub struct ElementRef<'d> {
    document: &'d Document,
    index: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attribute<'d> {
    /// Empty: without namespace.
    pub namespace: &'d str,
    pub local: &'d str,
    pub value: &'d str,
    pub position: Position,
}

impl Document {
    /// Reads within the limits; the first fault ends reading.
    pub fn parse(bytes: &[u8]) -> Result<Document, Diagnostic> {
        reader::read(bytes)
    }

    pub fn root(&self) -> ElementRef<'_> {
        self.element_by_index(0)
    }

    /// The file as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The element of an index that [`ElementRef::index`] gave. Indices count elements in document order.
    pub fn element_by_index(&self, ix: usize) -> ElementRef<'_> {
        assert!(ix < self.arena.elements.len(), "an index comes from an element of this document");
        ElementRef { document: self, index: ix as u32 }
    }

    /// Every element in document order.
    pub fn elements(&self) -> impl Iterator<Item = ElementRef<'_>> {
        (0..self.arena.elements.len() as u32).map(|index| ElementRef { document: self, index })
    }

    fn slice(&self, span: &Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn value<'d>(&'d self, value: &'d Value) -> &'d str {
        match value {
            Value::Written(span) => self.slice(span),
            Value::Resolved(text) => text,
        }
    }

    fn uri(&self, ix: u32) -> &str {
        &self.arena.uris[ix as usize]
    }
}

impl<'d> ElementRef<'d> {
    /// Stable in this document; the root is 0.
    pub fn index(self) -> usize {
        self.index as usize
    }

    pub fn document(self) -> &'d Document {
        self.document
    }

    /// The local name.
    pub fn name(self) -> &'d str {
        self.document.slice(&self.element().name)
    }

    /// The URI; empty if none.
    pub fn namespace(self) -> &'d str {
        self.document.uri(self.element().namespace)
    }

    pub fn is(self, namespace: &str, local: &str) -> bool {
        self.name() == local && self.namespace() == namespace
    }

    /// The value of an attribute without namespace.
    pub fn attribute(self, local: &str) -> Option<&'d str> {
        self.attribute_ns("", local)
    }

    pub fn attribute_ns(self, namespace: &str, local: &str) -> Option<&'d str> {
        self.stored_attribute(namespace, local).map(|found| self.document.value(&found.value))
    }

    /// In the order of the text, without namespace declarations.
    pub fn attributes(self) -> impl Iterator<Item = Attribute<'d>> {
        let document = self.document;
        self.stored_attributes().iter().map(move |stored| Attribute {
            namespace: document.uri(stored.namespace),
            local: document.slice(&stored.local),
            value: document.value(&stored.value),
            position: stored.at,
        })
    }

    pub fn parent(self) -> Option<ElementRef<'d>> {
        self.at(self.element().parent)
    }

    /// This element's parent, its parent, and so on to the root.
    pub fn ancestors(self) -> impl Iterator<Item = ElementRef<'d>> {
        std::iter::successors(self.parent(), |element| element.parent())
    }

    /// Elements only, in document order.
    pub fn children(self) -> impl Iterator<Item = ElementRef<'d>> {
        std::iter::successors(self.at(self.element().first_child), |child| child.at(child.element().next))
    }

    /// The first such child.
    pub fn child(self, namespace: &str, local: &str) -> Option<ElementRef<'d>> {
        self.children().find(|child| child.is(namespace, local))
    }

    /// This element and all below it, in document order.
    pub fn descendants(self) -> impl Iterator<Item = ElementRef<'d>> {
        let end = self.element().end;
        let document = self.document;
        let later = (self.index..document.arena.elements.len() as u32).map(move |index| ElementRef { document, index });
        later.take_while(move |element| element.element().start < end)
    }

    /// The character data and CDATA directly in this element, joined and unescaped.
    pub fn text(self) -> Cow<'d, str> {
        Cow::Borrowed(self.document.value(&self.element().text))
    }

    /// Of the start tag.
    pub fn position(self) -> Position {
        self.element().at
    }

    /// Of the attribute without namespace; the element's where it has none such.
    pub fn attribute_position(self, local: &str) -> Position {
        self.stored_attribute("", local).map_or(self.element().at, |stored| stored.at)
    }

    /// Bytes from the `<` of the start tag to the end of the end tag.
    pub fn span(self) -> Range<usize> {
        let element = self.element();
        element.start as usize..element.end as usize
    }

    /// Bytes between start tag and end tag; empty for an empty tag.
    pub fn content_span(self) -> Range<usize> {
        let element = self.element();
        element.tag_end as usize..element.content_end as usize
    }

    /// The namespace of a prefix at this place. The prefix `""` is the default namespace, `Some("")` where there is none.
    pub fn resolve_prefix(self, prefix: &str) -> Option<&'d str> {
        if prefix == "xml" {
            return Some(XML_NAMESPACE);
        }
        let own = std::iter::once(self).chain(self.ancestors());
        let found = own.flat_map(ElementRef::bindings).find(|(bound, _)| *bound == prefix);
        found.map(|(_, uri)| uri).or(prefix.is_empty().then_some(""))
    }

    /// The namespaces declared on this element: prefix and URI.
    pub(super) fn bindings(self) -> impl Iterator<Item = (&'d str, &'d str)> {
        let document = self.document;
        let Span { start, end } = self.element().bindings;
        let list = &document.arena.bindings[start as usize..end as usize];
        list.iter().map(move |binding| (document.slice(&binding.prefix), document.uri(binding.uri)))
    }

    pub(super) fn element(self) -> &'d Element {
        &self.document.arena.elements[self.index as usize]
    }

    pub(super) fn stored_attribute(self, namespace: &str, local: &str) -> Option<&'d StoredAttribute> {
        let document = self.document;
        self.stored_attributes()
            .iter()
            .find(|stored| document.slice(&stored.local) == local && document.uri(stored.namespace) == namespace)
    }

    fn stored_attributes(self) -> &'d [StoredAttribute] {
        let Span { start, end } = self.element().attributes;
        &self.document.arena.attributes[start as usize..end as usize]
    }

    fn at(self, index: u32) -> Option<ElementRef<'d>> {
        (index != NONE).then_some(ElementRef { document: self.document, index })
    }
}

impl PartialEq for ElementRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.index == other.index
    }
}

impl Eq for ElementRef<'_> {}

impl fmt::Debug for ElementRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.position();
        write!(f, "<{}> at {}:{}", self.name(), at.line, at.column)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document of {} elements, root {:?}", self.arena.elements.len(), self.root())
    }
}
