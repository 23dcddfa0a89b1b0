//! Edits by splicing bytes: what an edit does not name stays as it is, down to comments, blanks and the order of attributes.
//!
//! An [`Edit`] collects changes against one document and applies them at once; the result is read again by the strict
//! reader, so that an edit cannot make a file that will not deploy.

use super::strict;
use super::tree::{Document, ElementRef};
use crate::base::diagnostic::Diagnostic;
use std::collections::BTreeMap;
use std::ops::Range;

#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("two edits change the same place (bytes {} to {}): make one of them", .0.start, .0.end)]
    Overlap(Range<usize>),
    #[error("<{0}> holds elements: edit those, or replace it as a whole")]
    NotText(String),
    #[error("the prefix {0:?} is not bound here: declare xmlns:{0}, or use a bound one")]
    UnboundPrefix(String),
    #[error("the root element cannot be removed, and nothing stands beside it")]
    Root,
    #[error("after this edit the file is not readable: {0}")]
    Broken(Diagnostic),
}

pub struct Edit<'d> {
    document: &'d Document,
    splices: Vec<Splice>,
    /// New content of empty tags, which have no place for it yet.
    filled: BTreeMap<usize, String>,
}

struct Splice {
    range: Range<usize>,
    text: String,
}

impl<'d> Edit<'d> {
    pub fn new(document: &'d Document) -> Self {
        Self { document, splices: Vec::new(), filled: BTreeMap::new() }
    }

    /// Sets `name` (as written, such as `camunda:topic`); an attribute of the same meaning keeps its place and prefix.
    pub fn set_attribute(&mut self, element: ElementRef<'d>, name: &str, value: &str) -> Result<(), EditError> {
        let value = escaped_attribute(value);
        let (namespace, local) = meaning(element, name)?;
        match element.stored_attribute(namespace, local) {
            Some(found) => {
                let span = found.span.start as usize..found.span.end as usize;
                let written = &self.document.text()[span.clone()];
                let name_length = written.find(|character| character == '=' || strict::is_space(character));
                let name = &written[..name_length.expect("an attribute has a value")];
                self.splice(span, format!("{name}=\"{value}\""));
            }
            None => {
                let end = tag_text_end(element);
                self.splice(end..end, format!(" {name}=\"{value}\""));
            }
        }
        Ok(())
    }

    /// Removes an attribute with the blanks before it; nothing happens where there is none.
    pub fn remove_attribute(&mut self, element: ElementRef<'d>, name: &str) -> Result<(), EditError> {
        let (namespace, local) = meaning(element, name)?;
        if let Some(found) = element.stored_attribute(namespace, local) {
            let before = self.document.text()[..found.span.start as usize].trim_end_matches(strict::is_space);
            self.splice(before.len()..found.span.end as usize, String::new());
        }
        Ok(())
    }

    /// Replaces the text of an element without child elements, comments and CDATA in it included.
    pub fn set_text(&mut self, element: ElementRef<'d>, text: &str) -> Result<(), EditError> {
        if element.children().next().is_some() {
            return Err(EditError::NotText(element.name().to_owned()));
        }
        let text = escaped_text(text);
        if is_empty_tag(element) {
            self.filled.insert(element.index(), text);
        } else {
            self.splice(element.content_span(), text);
        }
        Ok(())
    }

    /// Inserts markup as the last thing in an element.
    pub fn append(&mut self, element: ElementRef<'d>, fragment: &str) {
        if is_empty_tag(element) {
            self.filled.entry(element.index()).or_default().push_str(fragment);
        } else {
            let end = element.content_span().end;
            self.splice(end..end, fragment.to_owned());
        }
    }

    pub fn insert_before(&mut self, element: ElementRef<'d>, fragment: &str) -> Result<(), EditError> {
        let at = beside(element)?.start;
        self.splice(at..at, fragment.to_owned());
        Ok(())
    }

    pub fn insert_after(&mut self, element: ElementRef<'d>, fragment: &str) -> Result<(), EditError> {
        let at = beside(element)?.end;
        self.splice(at..at, fragment.to_owned());
        Ok(())
    }

    /// Puts markup in the place of an element.
    pub fn replace(&mut self, element: ElementRef<'d>, fragment: &str) {
        self.splice(element.span(), fragment.to_owned());
    }

    /// Removes an element; a line that holds nothing else goes with it.
    pub fn remove(&mut self, element: ElementRef<'d>) -> Result<(), EditError> {
        let span = beside(element)?;
        let text = self.document.text();
        let before = text[..span.start].trim_end_matches([' ', '\t']);
        let alone = before.ends_with('\n') && text[span.end..].starts_with(['\n', '\r']);
        let start = if alone { line_break_before(before) } else { span.start };
        self.splice(start..span.end, String::new());
        Ok(())
    }

    /// The new text. Without edits it is the old one, byte for byte.
    pub fn finish(mut self) -> Result<String, EditError> {
        for (index, content) in std::mem::take(&mut self.filled) {
            let element = self.document.element_by_index(index);
            let end = element.span().end;
            let name = qualified_name(element);
            self.splice(end - "/>".len()..end, format!(">{content}</{name}>"));
        }
        // Stable: what was inserted first at one place comes first, and before what replaces the place.
        self.splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
        let old = self.document.text();
        let mut new = String::with_capacity(old.len());
        let mut kept = 0;
        for splice in &self.splices {
            if splice.range.start < kept {
                return Err(EditError::Overlap(splice.range.clone()));
            }
            new.push_str(&old[kept..splice.range.start]);
            new.push_str(&splice.text);
            kept = splice.range.end;
        }
        new.push_str(&old[kept..]);
        if !self.splices.is_empty() {
            Document::parse(new.as_bytes()).map_err(EditError::Broken)?;
        }
        Ok(new)
    }

    fn splice(&mut self, range: Range<usize>, text: String) {
        self.splices.push(Splice { range, text });
    }
}

/// Text as it may stand between tags.
pub fn escaped_text(text: &str) -> String {
    escaped(text, |character| match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\r' => Some("&#13;"),
        _ => None,
    })
}

/// Text as it may stand in double quotes; line breaks and tabs survive reading.
pub fn escaped_attribute(text: &str) -> String {
    escaped(text, |character| match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '"' => Some("&quot;"),
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        _ => None,
    })
}

fn escaped(text: &str, escape: impl Fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match escape(character) {
            Some(written) => out.push_str(written),
            None => out.push(character),
        }
    }
    out
}

/// Namespace and local part of an attribute's name at this element.
fn meaning<'a>(element: ElementRef<'a>, name: &'a str) -> Result<(&'a str, &'a str), EditError> {
    match name.split_once(':') {
        None => Ok(("", name)),
        Some((prefix, local)) => match element.resolve_prefix(prefix) {
            Some(namespace) => Ok((namespace, local)),
            None => Err(EditError::UnboundPrefix(prefix.to_owned())),
        },
    }
}

fn is_empty_tag(element: ElementRef<'_>) -> bool {
    element.content_span().start == element.span().end
}

/// Behind the last attribute of the start tag.
fn tag_text_end(element: ElementRef<'_>) -> usize {
    let text = &element.document().text()[..element.content_span().start];
    let inside = text.strip_suffix("/>").or_else(|| text.strip_suffix('>')).expect("a start tag ends so");
    inside.trim_end_matches(strict::is_space).len()
}

fn qualified_name(element: ElementRef<'_>) -> &str {
    &element.document().text()[element.span().start + 1..element.element().name.end as usize]
}

fn beside(element: ElementRef<'_>) -> Result<Range<usize>, EditError> {
    if element.parent().is_none() { Err(EditError::Root) } else { Ok(element.span()) }
}

/// The offset of the line break that ends `before`.
fn line_break_before(before: &str) -> usize {
    let line = before.strip_suffix('\n').unwrap_or(before);
    line.strip_suffix('\r').unwrap_or(line).len()
}
