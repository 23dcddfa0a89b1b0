//! Floor 1: a checked XML tree with byte spans.
//!
//! XML 1.0 (fifth edition) with Namespaces in XML 1.0 (third edition), UTF-8 only, without document types. quick-xml cuts the
//! text into events, `strict` refuses what it lets pass, `reader` builds the tree within the limits, `edit` splices bytes.

mod edit;
mod reader;
mod strict;
#[cfg(test)]
mod tests;
mod tree;

pub use edit::{Edit, EditError, escaped_attribute, escaped_text};
pub use tree::{Attribute, Document, ElementRef};

/// Words of a refusal for tools: the `code` of its diagnostic.
pub mod code {
    pub const ENCODING: &str = "xml-encoding";
    pub const LIMIT: &str = "xml-limit";
    pub const DOCTYPE: &str = "xml-doctype";
    pub const MALFORMED: &str = "xml-malformed";
    pub const NAMESPACE: &str = "xml-namespace";
}
