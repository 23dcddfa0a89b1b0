//! Types that a model defines itself, as far as they tell where a text is a date: JSON has none, and the evaluator makes
//! null of a text where a date is declared.

use super::dmn::is_dmn;
use super::value::{self, Kind};
use crate::xml::{Document, ElementRef};
use dsntk_feel::Name;
use dsntk_feel::values::Value as Feel;

/// A type may be made of itself; what nests deeper is not looked into.
const DEPTH_MAX: usize = 16;

#[derive(Clone, Debug)]
pub(super) enum Shape {
    Time(Kind),
    /// Also of each element of a list, for one element stands for a list of one.
    Parts(Vec<(Name, Shape)>),
}

/// The shape of a type; none where no text can be a date.
pub(super) fn of(document: &Document, type_ref: &str) -> Option<Shape> {
    of_type(document, type_ref, DEPTH_MAX)
}

fn of_type(document: &Document, type_ref: &str, depth: usize) -> Option<Shape> {
    let below = depth.checked_sub(1)?;
    let type_ref = type_ref.trim();
    let own = document.root().children().filter(|child| child.name() == "itemDefinition" && is_dmn(*child));
    let own = own.into_iter().find(|child| child.attribute("name").map(str::trim) == Some(type_ref));
    match own {
        Some(own) => of_definition(document, own, below),
        None => Kind::named(type_ref)
            .filter(|kind| matches!(kind, Kind::Date | Kind::Time | Kind::DateTime | Kind::Duration))
            .map(Shape::Time),
    }
}

fn of_definition(document: &Document, definition: ElementRef<'_>, depth: usize) -> Option<Shape> {
    let below = depth.checked_sub(1)?;
    if let Some(type_ref) = definition.children().find(|child| child.name() == "typeRef") {
        return of_type(document, &type_ref.text(), below);
    }
    let components = definition.children().filter(|child| child.name() == "itemComponent");
    let parts = components.filter_map(|component| {
        Some((Name::from(component.attribute("name")?.trim()), of_definition(document, component, below)?))
    });
    let parts: Vec<(Name, Shape)> = parts.collect();
    (!parts.is_empty()).then_some(Shape::Parts(parts))
}

/// The value with its texts read as the dates that they are declared to be.
pub(super) fn read(value: Feel, shape: &Shape) -> Feel {
    match (value, shape) {
        (Feel::List(list), shape) => Feel::List(list.into_iter().map(|element| read(element, shape)).collect()),
        (value, Shape::Time(kind)) => value::typed(value, *kind),
        (Feel::Context(mut context), Shape::Parts(parts)) => {
            for (name, shape) in parts {
                if let Some(part) = context.get_entry(name).cloned() {
                    context.set_entry(name, read(part, shape));
                }
            }
            Feel::Context(context)
        }
        (other, Shape::Parts(_)) => other,
    }
}
