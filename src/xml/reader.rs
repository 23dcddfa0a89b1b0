//! Events to tree: what stands where, which names are bound, and no more than the limits allow, checked while reading.

use super::code;
use super::strict::{self, Checked, Fault, RawAttribute, Tag};
use super::tree::{Arena, Binding, Document, Element, NO_NAMESPACE, NONE, Span, StoredAttribute, Value, XML_NAMESPACE};
use crate::base::diagnostic::{Diagnostic, Position, Severity};
use crate::base::limits;
use quick_xml::events::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

pub(super) fn read(bytes: &[u8]) -> Result<Document, Diagnostic> {
    let read = strict::decode(bytes).and_then(|text| Ok((text, Builder::new(text).run()?)));
    match read {
        Ok((text, arena)) => Ok(Document { text: text.to_owned(), arena }),
        Err(fault) => Err(Diagnostic {
            severity: Severity::Error,
            at: position_of(bytes, fault.at),
            element: None,
            message: fault.message,
            code: fault.code,
        }),
    }
}

/// What was read so far. `open` are the elements whose end tag is still to come, `scope` the bindings in force by prefix.
struct Builder<'t> {
    text: &'t str,
    arena: Arena,
    open: Vec<u32>,
    scope: BTreeMap<&'t str, Vec<u32>>,
    uris: BTreeMap<String, u32>,
    cursor: Cursor<'t>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let mut builder = Self {
            text,
            arena: Arena::default(),
            open: Vec::new(),
            scope: BTreeMap::new(),
            uris: BTreeMap::new(),
            cursor: Cursor::new(text),
        };
        let none = builder.intern("");
        debug_assert_eq!(none, NO_NAMESPACE);
        let xml = builder.intern(XML_NAMESPACE);
        builder.scope.insert("xml", vec![xml]);
        builder
    }

    fn run(mut self) -> Checked<Arena> {
        // The byte order mark stays in the text, so that spans are offsets in the file.
        let base = if self.text.starts_with(strict::BOM) { strict::BOM.len() } else { 0 };
        let mut reader = quick_xml::Reader::from_str(&self.text[base..]);
        reader.config_mut().check_comments = true;
        if self.text[base..].starts_with(strict::BOM) {
            return Err(Fault::malformed(base, "the file has two byte order marks: remove one"));
        }
        loop {
            let start = base + reader.buffer_position() as usize;
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(_) if begins_doctype(&self.text[start..]) => return Err(doctype(start)),
                Err(error) => {
                    let at = base + reader.error_position() as usize;
                    return Err(Fault::malformed(at, error.to_string()));
                }
            };
            let span = start..base + reader.buffer_position() as usize;
            match event {
                Event::Start(_) | Event::Empty(_) => self.start(span)?,
                Event::End(_) => self.end(span)?,
                Event::Text(_) => self.characters(span)?,
                Event::CData(_) => self.cdata(span)?,
                Event::GeneralRef(_) => self.reference(span)?,
                Event::Comment(_) => strict::comment(self.text, span)?,
                Event::Decl(_) if span.start == base => strict::declaration(self.text, span)?,
                Event::Decl(_) | Event::PI(_) => strict::instruction(self.text, span)?,
                Event::DocType(_) => return Err(doctype(span.start)),
                Event::Eof => break,
            }
        }
        match (self.open.last(), self.arena.elements.first()) {
            (Some(&open), _) => {
                let element = &self.arena.elements[open as usize];
                let message = format!("<{}> is not closed: its end tag is missing", self.slice(&element.name));
                Err(Fault::malformed(element.start as usize, message))
            }
            (None, None) => Err(Fault::malformed(self.text.len(), "the file holds no element")),
            (None, Some(_)) => Ok(self.arena),
        }
    }

    fn start(&mut self, span: Range<usize>) -> Checked<()> {
        self.check_place(span.start)?;
        let tag = strict::start_tag(self.text, span.clone())?;
        let at = self.cursor.advance(span.start);
        let bindings = self.bind(&tag)?;
        let (namespace, name) = self.resolve(&tag.name, self.default_namespace())?;
        let attributes = self.attributes(&tag)?;
        let index = self.arena.elements.len() as u32;
        let parent = self.open.last().copied().unwrap_or(NONE);
        self.link(parent, index);
        let end = span.end as u32;
        self.arena.elements.push(Element {
            name: narrow(&name),
            namespace,
            start: span.start as u32,
            tag_end: end,
            content_end: end,
            end,
            attributes,
            bindings,
            parent,
            first_child: NONE,
            last_child: NONE,
            next: NONE,
            text: Value::Written(end..end),
            at,
        });
        if tag.empty {
            self.unbind(index);
        } else {
            self.open.push(index);
        }
        Ok(())
    }

    /// Whether another element may begin here.
    fn check_place(&self, at: usize) -> Checked<()> {
        let limit = |what: String| Err(Fault::new(at, code::LIMIT, what));
        if self.open.is_empty() && !self.arena.elements.is_empty() {
            return Err(Fault::malformed(at, "a second root element: one file holds one"));
        }
        if self.open.len() == limits::XML_DEPTH_MAX {
            return limit(format!("elements nest deeper than {}: flatten the model", limits::XML_DEPTH_MAX));
        }
        if self.arena.elements.len() == limits::XML_ELEMENTS_MAX {
            return limit(format!("the file has more than {} elements: split the model", limits::XML_ELEMENTS_MAX));
        }
        Ok(())
    }

    fn link(&mut self, parent: u32, child: u32) {
        if parent == NONE {
            return;
        }
        let last = std::mem::replace(&mut self.arena.elements[parent as usize].last_child, child);
        if last == NONE {
            self.arena.elements[parent as usize].first_child = child;
        } else {
            self.arena.elements[last as usize].next = child;
        }
    }

    fn end(&mut self, span: Range<usize>) -> Checked<()> {
        // quick-xml has compared the names; this checks what else stands in the tag.
        strict::end_tag(self.text, span.clone())?;
        let Some(index) = self.open.pop() else {
            return Err(Fault::malformed(span.start, "an end tag without start tag: remove it"));
        };
        let element = &mut self.arena.elements[index as usize];
        element.content_end = span.start as u32;
        element.end = span.end as u32;
        self.unbind(index);
        Ok(())
    }

    fn characters(&mut self, span: Range<usize>) -> Checked<()> {
        let raw = &self.text[span.clone()];
        if self.open.is_empty() {
            return match raw.find(|character| !strict::is_space(character)) {
                Some(at) => Err(stray(span.start + at)),
                None => Ok(()),
            };
        }
        strict::character_data(self.text, span.clone())?;
        self.append(span);
        Ok(())
    }

    fn cdata(&mut self, span: Range<usize>) -> Checked<()> {
        if self.open.is_empty() {
            return Err(stray(span.start));
        }
        self.append(span.start + "<![CDATA[".len()..span.end - "]]>".len());
        Ok(())
    }

    fn reference(&mut self, span: Range<usize>) -> Checked<()> {
        let Some(&open) = self.open.last() else {
            return Err(stray(span.start));
        };
        let name = self.text[span.clone()].trim_start_matches('&').trim_end_matches(';');
        let character = strict::reference(name, span.start)?;
        self.owned_text(open).push(character);
        Ok(())
    }

    /// Adds text to the innermost open element; a single piece stays where it is.
    fn append(&mut self, span: Range<usize>) {
        let open = *self.open.last().expect("the caller saw an open element");
        let text = self.text;
        let written = &text[span.clone()];
        let piece = strict::line_ends(written);
        match (&mut self.arena.elements[open as usize].text, piece) {
            (Value::Written(empty), None) if empty.start == empty.end => *empty = narrow(&span),
            (_, None) => self.owned_text(open).push_str(written),
            (_, Some(piece)) => self.owned_text(open).push_str(&piece),
        }
    }

    fn owned_text(&mut self, element: u32) -> &mut String {
        let slot = &mut self.arena.elements[element as usize].text;
        if let Value::Written(span) = slot {
            *slot = Value::Resolved(self.text[span.start as usize..span.end as usize].to_owned());
        }
        match slot {
            Value::Resolved(text) => text,
            Value::Written(_) => unreachable!("made owned above"),
        }
    }

    /// Puts the tag's namespace declarations in force.
    fn bind(&mut self, tag: &Tag) -> Checked<Span> {
        let first = self.arena.bindings.len() as u32;
        let mut seen = BTreeSet::new();
        for declared in &tag.namespaces {
            let name = &self.text[declared.name.clone()];
            let prefix = name.strip_prefix("xmlns:").unwrap_or_default();
            let value = self.value(declared)?;
            let uri = match &value {
                Value::Written(span) => self.slice(span),
                Value::Resolved(text) => text,
            };
            check_binding(prefix, uri).map_err(|words| Fault::new(declared.name.start, code::NAMESPACE, words))?;
            if !seen.insert(prefix) {
                return Err(twice(declared.name.start, name));
            }
            let uri = uri.to_owned();
            let uri = self.intern(&uri);
            self.scope.entry(prefix).or_default().push(uri);
            let start = declared.name.end - prefix.len();
            self.arena.bindings.push(Binding { prefix: narrow(&(start..declared.name.end)), uri });
        }
        Ok(first..self.arena.bindings.len() as u32)
    }

    fn unbind(&mut self, element: u32) {
        let Span { start, end } = self.arena.elements[element as usize].bindings;
        for binding in &self.arena.bindings[start as usize..end as usize] {
            let prefix = &self.text[binding.prefix.start as usize..binding.prefix.end as usize];
            self.scope.get_mut(prefix).expect("bound when the element began").pop();
        }
    }

    fn attributes(&mut self, tag: &Tag) -> Checked<Span> {
        let first = self.arena.attributes.len() as u32;
        let mut seen = BTreeSet::new();
        for raw in &tag.attributes {
            let (namespace, local) = self.resolve(&raw.name, NO_NAMESPACE)?;
            if !seen.insert((namespace, &self.text[local.clone()])) {
                return Err(twice(raw.name.start, &self.text[raw.name.clone()]));
            }
            let stored = StoredAttribute {
                span: narrow(&(raw.name.start..raw.value.end + 1)),
                local: narrow(&local),
                namespace,
                value: self.value(raw)?,
                at: self.cursor.advance(raw.name.start),
            };
            self.arena.attributes.push(stored);
        }
        Ok(first..self.arena.attributes.len() as u32)
    }

    fn value(&self, raw: &RawAttribute) -> Checked<Value> {
        let resolved = strict::attribute_value(self.text, raw.value.clone())?;
        Ok(resolved.map_or_else(|| Value::Written(narrow(&raw.value)), Value::Resolved))
    }

    /// Namespace and local part of a name; `bare` is the namespace of a name without prefix.
    fn resolve(&self, name: &Range<usize>, bare: u32) -> Checked<(u32, Range<usize>)> {
        let written = &self.text[name.clone()];
        let Some((prefix, local)) = written.split_once(':') else {
            return Ok((bare, name.clone()));
        };
        match self.scope.get(prefix).and_then(|bound| bound.last()) {
            Some(&uri) => Ok((uri, name.end - local.len()..name.end)),
            None => {
                let message = format!("the prefix {prefix:?} of {written:?} is not bound: declare xmlns:{prefix}");
                Err(Fault::new(name.start, code::NAMESPACE, message))
            }
        }
    }

    fn default_namespace(&self) -> u32 {
        self.scope.get("").and_then(|bound| bound.last()).copied().unwrap_or(NO_NAMESPACE)
    }

    fn intern(&mut self, uri: &str) -> u32 {
        if let Some(&known) = self.uris.get(uri) {
            return known;
        }
        let index = self.arena.uris.len() as u32;
        self.arena.uris.push(uri.to_owned());
        self.uris.insert(uri.to_owned(), index);
        index
    }

    fn slice(&self, span: &Span) -> &'t str {
        &self.text[span.start as usize..span.end as usize]
    }
}

/// Namespaces in XML 1.0, section 3: what may be bound to what.
fn check_binding(prefix: &str, uri: &str) -> Result<(), &'static str> {
    match (prefix, uri) {
        ("xml", XML_NAMESPACE) => Ok(()),
        ("xml", _) => Err("the prefix xml cannot be bound to another namespace"),
        ("xmlns", _) => Err("the prefix xmlns cannot be declared"),
        (_, XML_NAMESPACE | XMLNS_NAMESPACE) => Err("this namespace belongs to XML itself and cannot be bound"),
        ("", _) => Ok(()),
        (_, "") => Err("a prefix cannot be bound to nothing: give a namespace"),
        (_, _) => Ok(()),
    }
}

/// A document type is named as such even where quick-xml stumbles over it.
fn begins_doctype(rest: &str) -> bool {
    const START: &[u8] = b"<!DOCTYPE";
    let start = rest.as_bytes().get(..START.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(START))
}

fn doctype(at: usize) -> Fault {
    Fault::new(at, code::DOCTYPE, "a document type is not accepted: remove the <!DOCTYPE> declaration")
}

fn stray(at: usize) -> Fault {
    Fault::malformed(at, "text outside of the root element: remove it")
}

fn twice(at: usize, name: &str) -> Fault {
    Fault::malformed(at, format!("the attribute {name:?} stands here twice: remove one"))
}

fn narrow(span: &Range<usize>) -> Span {
    span.start as u32..span.end as u32
}

/// Line and column of offsets that never go back, so that all positions together cost one walk over the text.
struct Cursor<'t> {
    text: &'t str,
    offset: usize,
    line: u32,
    column: u32,
}

impl<'t> Cursor<'t> {
    fn new(text: &'t str) -> Self {
        let offset = if text.starts_with(strict::BOM) { strict::BOM.len() } else { 0 };
        Self { text, offset, line: 1, column: 1 }
    }

    fn advance(&mut self, to: usize) -> Position {
        let passed = &self.text[self.offset..to];
        for (at, character) in passed.char_indices() {
            let lone_return = character == '\r' && !self.text[self.offset + at + 1..].starts_with('\n');
            if character == '\n' || lone_return {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.offset = to;
        Position { line: self.line, column: self.column }
    }
}

/// The position of any offset, also in a file that is not UTF-8 behind it.
fn position_of(bytes: &[u8], offset: usize) -> Position {
    match std::str::from_utf8(&bytes[..offset.min(bytes.len())]) {
        Ok(text) if offset > 0 => Cursor::new(text).advance(text.len()),
        Ok(_) | Err(_) => Position { line: 1, column: 1 },
    }
}
