//! Attributes that look like the vocabulary and are not: misspelt, or without its prefix. Both would be ignored without a
//! word, and the task would have no assignee.

use super::check::owner;
use super::verdict::{attribute_verdict, known_attributes};
use crate::base::diagnostic::Findings;
use crate::xml::{Attribute, ElementRef};

const MISSPELT: &str = "misspelt-attribute";
const WITHOUT_PREFIX: &str = "attribute-without-prefix";
/// Letters that may be wrong, missing or too many.
const SLIPS_MAX: usize = 2;
/// Shorter names are near too many others.
const LENGTH_MIN: usize = 5;

/// BPMN's own attributes that bear a name of the vocabulary.
const BOTH: &[&str] = &["type", "expression", "exclusive", "resource", "priority"];

/// An unknown name that is near one which means something here. Others may be meant for other tools.
pub(super) fn check_prefixed(element: ElementRef<'_>, attribute: &Attribute<'_>, found: &mut Findings) {
    let name = attribute.local;
    if attribute_verdict(element.name(), name).is_some() || name.chars().count() < LENGTH_MIN {
        return;
    }
    let near = known_attributes(element.name()).map(|known| (slips(name, known), known)).min();
    if let Some((slips, known)) = near
        && slips <= SLIPS_MAX
    {
        let message = format!(
            "the attribute {name:?} of <{}> is unknown, so it has no effect. Was {known:?} meant?",
            element.name()
        );
        found.warn(attribute.position, owner(element), MISSPELT, message);
    }
}

/// A name of the vocabulary in BPMN's own space, where it means nothing.
pub(super) fn check_bare(element: ElementRef<'_>, attribute: &Attribute<'_>, found: &mut Findings) {
    let name = attribute.local;
    if !BOTH.contains(&name) && known_attributes(element.name()).any(|known| known == name) {
        let message = format!(
            "the attribute {name:?} of <{}> has no prefix, so it has no effect. Write camunda:{name}",
            element.name()
        );
        found.warn(attribute.position, owner(element), WITHOUT_PREFIX, message);
    }
}

/// How many letters to change, add or take away to turn one word into the other; more than `SLIPS_MAX` is not counted out.
/// Capitals do not count: names that differ in them alone are the nearest.
fn slips(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    if one.chars().count().abs_diff(other.len()) > SLIPS_MAX {
        return SLIPS_MAX + 1;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, expected) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter.to_lowercase().ne(expected.to_lowercase()));
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::slips;

    #[test]
    fn slips_are_counted() {
        assert_eq!(slips("asignee", "assignee"), 1);
        assert_eq!(slips("Assignee", "assignee"), 0);
        assert_eq!(slips("candidateGroup", "candidateGroups"), 1);
        assert_eq!(slips("topic", "resultVariable"), 3);
    }
}
