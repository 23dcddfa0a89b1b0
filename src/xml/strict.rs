//! What quick-xml lets pass and XML 1.0 does not: characters, names, references, tags, comments, declarations, encodings.
//!
//! Each check takes the whole text and a byte range, so that a fault knows its place in the file.

use super::code;
use crate::base::limits;
use std::ops::Range;

/// A refusal with its byte offset; the reader turns the offset into line and column.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(at: usize, code: &'static str, message: impl Into<String>) -> Self {
        Self { at, code, message: message.into() }
    }

    pub(super) fn malformed(at: usize, message: impl Into<String>) -> Self {
        Self::new(at, code::MALFORMED, message)
    }
}

pub(super) type Checked<T> = Result<T, Fault>;

pub(super) const BOM: &str = "\u{feff}";
const UTF_8_WANTED: &str = "save it as UTF-8";

/// The text of a file: small enough, UTF-8, and only characters that XML allows. Offsets of faults are in `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Checked<&str> {
    if bytes.len() > limits::XML_BYTES_MAX {
        let message =
            format!("the file has {} bytes, the limit is {}: split the model", bytes.len(), limits::XML_BYTES_MAX);
        return Err(Fault::new(0, code::LIMIT, message));
    }
    let wide = [&b"\xff\xfe"[..], b"\xfe\xff", b"\0\0\xfe\xff", b"<\0", b"\0<", b"\0\0\0<"];
    if wide.iter().any(|start| bytes.starts_with(start)) {
        return Err(Fault::new(0, code::ENCODING, format!("the file is UTF-16 or UTF-32: {UTF_8_WANTED}")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Fault::new(at, code::ENCODING, format!("byte {at} is not UTF-8 (0x{:02X}): {UTF_8_WANTED}", bytes[at]))
    })?;
    match text.char_indices().find(|&(_, character)| !is_char(character)) {
        Some((at, character)) => Err(forbidden(at, character)),
        None => Ok(text),
    }
}

/// A start tag or empty tag, cut into byte ranges of the text.
#[derive(Debug, Default)]
pub(super) struct Tag {
    pub(super) name: Range<usize>,
    pub(super) attributes: Vec<RawAttribute>,
    pub(super) namespaces: Vec<RawAttribute>,
    pub(super) empty: bool,
}

#[derive(Debug)]
pub(super) struct RawAttribute {
    pub(super) name: Range<usize>,
    /// Between the quotes, as written.
    pub(super) value: Range<usize>,
}

/// `<name attribute="value" …>` or `<name … />` within the limits; `xmlns` declarations are kept apart.
pub(super) fn start_tag(text: &str, span: Range<usize>) -> Checked<Tag> {
    let mut scan = Scan { text, at: span.start, end: span.end };
    scan.expect('<')?;
    let mut tag = Tag { name: scan.qualified_name()?, ..Tag::default() };
    loop {
        let spaced = scan.skip_space();
        if scan.take('/') {
            tag.empty = true;
            break;
        }
        if scan.peek() == Some('>') {
            break;
        }
        if !spaced {
            return Err(Fault::malformed(scan.at, "a space is missing before the attribute"));
        }
        let attribute = scan.attribute()?;
        let name = &text[attribute.name.clone()];
        let (list, max, what) = if name == "xmlns" || name.starts_with("xmlns:") {
            (&mut tag.namespaces, limits::XML_NAMESPACES_MAX, "namespaces")
        } else {
            (&mut tag.attributes, limits::XML_ATTRIBUTES_MAX, "attributes")
        };
        if list.len() == max {
            let message = format!("the element has more than {max} {what}: remove some");
            return Err(Fault::new(attribute.name.start, code::LIMIT, message));
        }
        list.push(attribute);
    }
    scan.expect('>')?;
    Ok(tag)
}

/// `</name>`: the name.
pub(super) fn end_tag(text: &str, span: Range<usize>) -> Checked<Range<usize>> {
    let mut scan = Scan { text, at: span.start, end: span.end };
    scan.expect('<')?;
    scan.expect('/')?;
    let name = scan.qualified_name()?;
    scan.skip_space();
    scan.expect('>')?;
    Ok(name)
}

/// `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`.
pub(super) fn declaration(text: &str, span: Range<usize>) -> Checked<()> {
    let mut scan = Scan { text, at: span.start + "<?xml".len(), end: span.end - "?>".len() };
    let mut expected = ["version", "encoding", "standalone"].as_slice();
    loop {
        let spaced = scan.skip_space();
        if scan.at == scan.end {
            break;
        }
        let at = scan.at;
        if !spaced {
            return Err(Fault::malformed(at, "a space is missing in the XML declaration"));
        }
        let attribute = scan.attribute()?;
        let (name, value) = (&text[attribute.name], &text[attribute.value.clone()]);
        let place = expected.iter().position(|known| *known == name);
        let allowed = place.filter(|place| *place == 0 || expected.len() < 3);
        let Some(place) = allowed else {
            return Err(Fault::malformed(
                at,
                "the XML declaration holds version, encoding and standalone, in this order",
            ));
        };
        expected = &expected[place + 1..];
        declared(name, value, attribute.value.start)?;
    }
    if expected.len() == 3 {
        return Err(Fault::malformed(span.start, "the XML declaration needs version=\"1.0\""));
    }
    Ok(())
}

fn declared(name: &str, value: &str, at: usize) -> Checked<()> {
    match name {
        "version" => {
            let minor = value.strip_prefix("1.").unwrap_or_default();
            if minor.is_empty() || !minor.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Fault::malformed(at, format!("XML version {value:?} is unknown: write 1.0")));
            }
        }
        "encoding" => {
            if !value.eq_ignore_ascii_case("utf-8") {
                return Err(Fault::new(
                    at,
                    code::ENCODING,
                    format!("the declared encoding is {value:?}: {UTF_8_WANTED}"),
                ));
            }
        }
        _ => {
            if value != "yes" && value != "no" {
                return Err(Fault::malformed(at, "standalone is yes or no"));
            }
        }
    }
    Ok(())
}

/// `<?target data?>`.
pub(super) fn instruction(text: &str, span: Range<usize>) -> Checked<()> {
    let mut scan = Scan { text, at: span.start + "<?".len(), end: span.end - "?>".len() };
    let name = scan.name()?;
    if text[name.clone()].contains(':') {
        return Err(Fault::new(name.start, code::NAMESPACE, "the name of a processing instruction has no colon"));
    }
    if text[name.clone()].eq_ignore_ascii_case("xml") {
        return Err(Fault::malformed(span.start, "the XML declaration stands once, at the very start of the file"));
    }
    if !scan.skip_space() && scan.at != scan.end {
        return Err(Fault::malformed(scan.at, "a space is missing after the name of the processing instruction"));
    }
    Ok(())
}

/// `<!-- … -->` without `--` inside.
pub(super) fn comment(text: &str, span: Range<usize>) -> Checked<()> {
    let raw = &text[span.clone()];
    let inside = raw.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
    match inside {
        Some(inside) if !inside.contains("--") && !inside.ends_with('-') => Ok(()),
        Some(_) | None => Err(Fault::malformed(span.start, "a comment must not contain -- or end in --->")),
    }
}

/// An attribute's value as XML hands it over; `None`: as written.
pub(super) fn attribute_value(text: &str, span: Range<usize>) -> Checked<Option<String>> {
    let raw = &text[span.clone()];
    if let Some(at) = raw.find('<') {
        return Err(Fault::malformed(span.start + at, "write &lt; for < in an attribute"));
    }
    if !raw.contains(['&', '\t', '\n', '\r']) {
        return Ok(None);
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(found) = rest.find(['&', '\t', '\n', '\r']) {
        value.push_str(&rest[..found]);
        let at = span.end - rest.len() + found;
        let special = &rest[found..];
        let length = if special.starts_with('&') {
            let end = special.find(';').ok_or_else(|| unknown_reference(at, special))?;
            value.push(reference(&special[1..end], at)?);
            end + 1
        } else {
            value.push(' ');
            if special.starts_with("\r\n") { 2 } else { 1 }
        };
        rest = &special[length..];
    }
    value.push_str(rest);
    Ok(Some(value))
}

/// Line ends as XML hands them over; `None`: as written.
pub(super) fn line_ends(raw: &str) -> Option<String> {
    raw.contains('\r').then(|| raw.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Character data between tags.
pub(super) fn character_data(text: &str, span: Range<usize>) -> Checked<()> {
    match text[span.clone()].find("]]>") {
        Some(at) => Err(Fault::malformed(span.start + at, "write ]]&gt; for ]]> in text")),
        None => Ok(()),
    }
}

/// The character behind `&name;`, `&#10;` or `&#xA;`.
pub(super) fn reference(name: &str, at: usize) -> Checked<char> {
    let Some(number) = name.strip_prefix('#') else {
        return match name {
            "amp" => Ok('&'),
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "apos" => Ok('\''),
            "quot" => Ok('"'),
            _ => Err(unknown_reference(at, name)),
        };
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // `from_str_radix` takes a sign, XML does not.
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(unknown_reference(at, name));
    }
    let code = u32::from_str_radix(digits, radix).ok();
    match code.and_then(char::from_u32) {
        Some(character) if is_char(character) => Ok(character),
        Some(character) => Err(forbidden(at, character)),
        None => Err(Fault::malformed(at, format!("&{name}; is not a character: remove it"))),
    }
}

fn unknown_reference(at: usize, name: &str) -> Fault {
    let name: String = name.trim_start_matches('&').chars().take(20).collect();
    Fault::malformed(at, format!("&{name} is not a known entity: write &amp; for &, or the character itself"))
}

fn forbidden(at: usize, character: char) -> Fault {
    Fault::malformed(at, format!("XML forbids the character U+{:04X}: remove it", u32::from(character)))
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    end: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..self.end].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Checked<()> {
        if self.take(wanted) {
            return Ok(());
        }
        let found = self.peek().map_or("the end".to_owned(), |found| format!("{found:?}"));
        Err(Fault::malformed(self.at, format!("{wanted:?} is expected here, not {found}")))
    }

    fn skip_space(&mut self) -> bool {
        let rest = &self.text[self.at..self.end];
        let trimmed = rest.trim_start_matches(is_space);
        self.at += rest.len() - trimmed.len();
        rest.len() != trimmed.len()
    }

    fn name(&mut self) -> Checked<Range<usize>> {
        let rest = &self.text[self.at..self.end];
        let length = rest.find(|character| !is_name_char(character)).unwrap_or(rest.len());
        if !rest.starts_with(is_name_start) {
            return Err(Fault::malformed(self.at, "a name is expected here"));
        }
        self.at += length;
        Ok(self.at - length..self.at)
    }

    /// `name` or `prefix:name`.
    fn qualified_name(&mut self) -> Checked<Range<usize>> {
        let range = self.name()?;
        let name = &self.text[range.clone()];
        let mut parts = name.split(':');
        if parts.clone().count() > 2 || !parts.all(|part| part.starts_with(is_name_start)) {
            return Err(Fault::new(range.start, code::NAMESPACE, format!("{name:?} is not a name or prefix:name")));
        }
        Ok(range)
    }

    fn attribute(&mut self) -> Checked<RawAttribute> {
        let name = self.qualified_name()?;
        self.skip_space();
        self.expect('=')?;
        self.skip_space();
        let quote = match self.peek() {
            Some(quote @ ('"' | '\'')) => quote,
            Some(_) | None => {
                return Err(Fault::malformed(self.at, "the value of an attribute stands in quotes"));
            }
        };
        let start = self.at + 1;
        let Some(length) = self.text[start..self.end].find(quote) else {
            return Err(Fault::malformed(self.at, format!("the closing {quote} is missing")));
        };
        self.at = start + length + 1;
        Ok(RawAttribute { name, value: start..start + length })
    }
}

pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// XML 1.0, production 2. Surrogates cannot occur in a Rust string.
fn is_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// XML 1.0, production 4, which counts the colon.
fn is_name_start(character: char) -> bool {
    matches!(character,
        ':' | 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// XML 1.0, production 4a.
fn is_name_char(character: char) -> bool {
    is_name_start(character)
        || matches!(character, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}
