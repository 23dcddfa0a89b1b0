//! Work on whole lists and maps: comparison, membership, text. Rhai's own calls back into the engine for each element,
//! which takes a second for what counts as a few operations; these are bounded by the run's allowance of native work.
//!
//! As a text a list or map is its JSON.

use super::functions::{Answer, spend, too_large};
use crate::base::limits::JSON_DEPTH_MAX;
use rhai::{Array, Dynamic, Engine, FuncRegistration, ImmutableString, Map, NativeCallContext};

pub(super) fn register(engine: &mut Engine) {
    // Pure: they may be called on constants.
    let pure = |name: &str| FuncRegistration::new(name).with_purity(true);
    pure("==").register_into_engine(engine, |a: &mut Array, b: Array| same_lists(a, &b, JSON_DEPTH_MAX));
    pure("!=")
        .register_into_engine(engine, |a: &mut Array, b: Array| same_lists(a, &b, JSON_DEPTH_MAX).map(|same| !same));
    pure("==").register_into_engine(engine, |a: &mut Map, b: Map| same_maps(a, &b, JSON_DEPTH_MAX));
    pure("!=").register_into_engine(engine, |a: &mut Map, b: Map| same_maps(a, &b, JSON_DEPTH_MAX).map(|same| !same));
    pure("contains").register_into_engine(engine, |list: &mut Array, wanted: Dynamic| contains(list, &wanted));
    for name in ["to_string", "to_debug", "print", "debug"] {
        pure(name).register_into_engine(engine, |context: NativeCallContext, list: &mut Array| {
            let mut text = Text::new(&context);
            text.list(list, JSON_DEPTH_MAX).map(|()| text.whole)
        });
        pure(name).register_into_engine(engine, |context: NativeCallContext, map: &mut Map| {
            let mut text = Text::new(&context);
            text.map(map, JSON_DEPTH_MAX).map(|()| text.whole)
        });
    }
    pure("join").register_into_engine(engine, join);
    // Texts with other kinds; text with text and text with character are built in.
    engine
        .register_fn("+", |context: NativeCallContext, a: ImmutableString, b: Dynamic| joined(&context, &a.into(), &b))
        .register_fn("+", |context: NativeCallContext, a: Dynamic, b: ImmutableString| joined(&context, &a, &b.into()));
}

fn joined(context: &NativeCallContext, a: &Dynamic, b: &Dynamic) -> Answer<String> {
    let mut text = Text::new(context);
    text.plain(a)?;
    text.plain(b)?;
    Ok(text.whole)
}

fn contains(list: &Array, wanted: &Dynamic) -> Answer<bool> {
    for element in list {
        if same(element, wanted, JSON_DEPTH_MAX)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn same_lists(a: &Array, b: &Array, depth: usize) -> Answer<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b) {
        if !same(a, b, depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same_maps(a: &Map, b: &Map, depth: usize) -> Answer<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for ((a_key, a), (b_key, b)) in a.iter().zip(b) {
        if a_key != b_key || !same(a, b, depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// As Rhai's `==`: numbers by value, other kinds never equal each other.
fn same(a: &Dynamic, b: &Dynamic, depth: usize) -> Answer<bool> {
    let Some(below) = depth.checked_sub(1) else {
        return Err(too_large("depth of a value"));
    };
    spend(1)?;
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return Ok(a == b);
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return Ok(a == b);
    }
    if let (Some(a), Some(b)) = (a.read_lock::<ImmutableString>(), b.read_lock::<ImmutableString>()) {
        spend(a.len().min(b.len()) / 16)?;
        return Ok(*a == *b);
    }
    if let (Some(a), Some(b)) = (a.read_lock::<Array>(), b.read_lock::<Array>()) {
        return same_lists(&a, &b, below);
    }
    if let (Some(a), Some(b)) = (a.read_lock::<Map>(), b.read_lock::<Map>()) {
        return same_maps(&a, &b, below);
    }
    Ok(match (a.as_bool(), b.as_bool(), a.as_char(), b.as_char()) {
        (Ok(a), Ok(b), _, _) => a == b,
        (_, _, Ok(a), Ok(b)) => a == b,
        _ => a.is_unit() && b.is_unit(),
    })
}

fn number(value: &Dynamic) -> Option<f64> {
    match value.as_int() {
        Ok(whole) => Some(whole as f64),
        Err(_) => value.as_float().ok(),
    }
}

fn join(context: NativeCallContext, list: &mut Array, separator: &str) -> Answer<String> {
    let mut text = Text::new(&context);
    for (at, element) in list.iter().enumerate() {
        if at > 0 {
            text.push(separator)?;
        }
        text.plain(element)?;
    }
    Ok(text.whole)
}

/// A text in the making, as long as a text may be.
struct Text {
    whole: String,
    most: usize,
}

impl Text {
    fn new(context: &NativeCallContext) -> Self {
        Self { whole: String::new(), most: context.engine().max_string_size() }
    }

    fn push(&mut self, part: &str) -> Answer<()> {
        spend(1 + part.len() / 16)?;
        if self.whole.len() + part.len() > self.most {
            return Err(too_large("Length of string"));
        }
        self.whole.push_str(part);
        Ok(())
    }

    /// A text as it is, nothing for `()`, else JSON.
    fn plain(&mut self, value: &Dynamic) -> Answer<()> {
        match value.read_lock::<ImmutableString>() {
            Some(text) => self.push(&text),
            None if value.is_unit() => Ok(()),
            None => self.value(value, JSON_DEPTH_MAX),
        }
    }

    fn list(&mut self, list: &Array, depth: usize) -> Answer<()> {
        self.push("[")?;
        for (at, element) in list.iter().enumerate() {
            if at > 0 {
                self.push(",")?;
            }
            self.value(element, depth)?;
        }
        self.push("]")
    }

    fn map(&mut self, map: &Map, depth: usize) -> Answer<()> {
        self.push("{")?;
        for (at, (key, value)) in map.iter().enumerate() {
            if at > 0 {
                self.push(",")?;
            }
            self.quoted(key)?;
            self.push(":")?;
            self.value(value, depth)?;
        }
        self.push("}")
    }

    fn value(&mut self, value: &Dynamic, depth: usize) -> Answer<()> {
        let Some(below) = depth.checked_sub(1) else {
            return Err(too_large("depth of a value"));
        };
        if let Some(list) = value.read_lock::<Array>() {
            return self.list(&list, below);
        }
        if let Some(map) = value.read_lock::<Map>() {
            return self.map(&map, below);
        }
        if let Some(text) = value.read_lock::<ImmutableString>() {
            return self.quoted(&text);
        }
        if value.is_unit() {
            return self.push("null");
        }
        match value.as_float() {
            Ok(fraction) => self.push(&format!("{fraction:?}")),
            Err(_) => self.push(&value.to_string()),
        }
    }

    fn quoted(&mut self, text: &str) -> Answer<()> {
        self.push(&serde_json::Value::from(text).to_string())
    }
}
