//! `objectFilter`: which objects of a list are meant, as `{"hostname": {"operation": "host-1"}}`.

use serde_json::Value;

/// Filters nest a few steps; a deeper one is an attack on the reader.
const DEPTH: u32 = 16;

pub(super) fn matches(filter: &Value, object: &Value) -> bool {
    within(filter, object, DEPTH)
}

fn within(filter: &Value, object: &Value, depth: u32) -> bool {
    if depth == 0 {
        return false;
    }
    if let Value::Array(list) = object {
        return list.iter().any(|one| within(filter, one, depth - 1));
    }
    let Value::Object(steps) = filter else {
        return true;
    };
    steps.iter().all(|(name, rest)| match name.as_str() {
        "operation" => compares(rest, object),
        name => within(rest, &object[name], depth - 1),
    })
}

/// `_=` is equality without case, `*=` contains, plain is equality.
fn compares(operation: &Value, value: &Value) -> bool {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return false,
    };
    let wanted = match operation {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let lower = |text: &str| text.to_lowercase();
    match wanted.split_at_checked(2) {
        Some(("_=", rest)) => lower(rest.trim()) == lower(&text),
        Some(("*=", rest)) => lower(&text).contains(&lower(rest.trim())),
        Some(_) | None => wanted == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_on_the_way_are_searched() {
        let order = json!({"id": 7, "items": [{"hostName": "a"}, {"hostName": "b"}]});
        let filter = |name: &str| json!({"items": {"hostName": {"operation": name}}});
        assert!(matches(&filter("b"), &order));
        assert!(matches(&filter("_= B"), &order));
        assert!(!matches(&filter("c"), &order));
        assert!(matches(&json!({"id": {"operation": 7}}), &order));
    }
}
