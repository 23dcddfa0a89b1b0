//! Conformance cases of DMN beside the repository: every case gives its value, but where a function calls out to Java.
//!
//! An expected null may also come as an error: what the standard makes null with a warning is a failure here, so that a
//! process does not go on with a value that nobody meant. A limit is never a pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Number, Value};
use transhume::base::time::Timestamp;
use transhume::decision::{DecisionError, DecisionModel};
use transhume::xml::{Document, ElementRef};

use crate::support::need::{skip, suites};
use crate::support::say::say;

const NOW: Timestamp = Timestamp(1_795_341_600_000); // 2026-11-22T10:00:00Z

/// Groups whose decisions call Java, with the words of their refusal.
const JAVA: &str = "functions in Java do not run here";

/// What is not reached, with its reason. A case that passes must be struck here.
const OPEN: [(&str, &str); 0] = [];

#[test]
fn conformance_cases_give_their_values() {
    let folder = suites().join("dmn");
    if !folder.is_dir() {
        return skip("dmn", &format!("{} is missing (TRANSHUME_SUITES names another folder)", folder.display()));
    }
    let mut count = Count::default();
    for group in groups(&folder) {
        count.group(&group);
    }
    say(format!(
        "decisions: {} conformance cases passed ({} expected null and got an error), {} refused because they call Java, {} open, {} failed",
        count.passed,
        count.errors,
        count.java,
        count.open.len(),
        count.failed.len()
    ));
    for (case, reason) in OPEN {
        say(format!("decisions: {case} is open: {reason}"));
    }
    assert!(count.failed.is_empty(), "{}\n", count.failed.join("\n"));
    assert!(count.passed > 0, "no case was found in {}", folder.display());
}

#[derive(Default)]
struct Count {
    passed: usize,
    /// Of the passed: those whose expected null came as an error.
    errors: usize,
    java: usize,
    open: Vec<String>,
    failed: Vec<String>,
}

impl Count {
    fn group(&mut self, group: &Path) {
        for file in files(group, ".xml") {
            let bytes = fs::read(&file).expect("a test file can be read");
            let document = Document::parse(&bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let model = text_of(document.root(), "modelName").expect("a test file names its model");
            let model = model_of(group, &model);
            for case in named(document.root(), "testCase") {
                let name = format!("{} {}", stem(&file), case.attribute("id").unwrap_or_default());
                let outcome = match &model {
                    Ok(model) => run(model, case),
                    Err(refusal) => Err(format!("refused: {refusal}")),
                };
                let is_open = OPEN.iter().any(|(open, _)| *open == name);
                match outcome {
                    Ok(_) if is_open => self.failed.push(format!("{name} passes: strike it from the open ones")),
                    Ok(is_error) => {
                        self.passed += 1;
                        self.errors += usize::from(is_error);
                    }
                    Err(refusal) if refusal.contains(JAVA) => self.java += 1,
                    Err(wrong) if is_open => self.open.push(format!("{name}: {wrong}")),
                    Err(wrong) => self.failed.push(format!("{name}: {wrong}")),
                }
            }
        }
    }
}

fn model_of(group: &Path, name: &str) -> Result<DecisionModel, String> {
    let bytes = fs::read(group.join(name)).map_err(|e| format!("{name}: {e}"))?;
    let others = files(group, ".dmn").into_iter().filter(|file| !file.ends_with(name));
    let others: Vec<Vec<u8>> = others.map(|file| fs::read(file).expect("a model can be read")).collect();
    let others: Vec<&[u8]> = others.iter().map(Vec::as_slice).collect();
    DecisionModel::parse_with(&bytes, &others)
        .map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// Whether an expected null came as an error.
fn run(model: &DecisionModel, case: ElementRef<'_>) -> Result<bool, String> {
    let inputs: BTreeMap<String, Value> = named(case, "inputNode")
        .map(|input| (input.attribute("name").unwrap_or_default().to_owned(), value(input)))
        .collect();
    let types: BTreeMap<String, String> = named(case, "inputNode")
        .filter_map(|input| Some((input.attribute("name")?.to_owned(), kind(named(input, "value").next()?)?)))
        .collect();
    let mut is_error = false;
    let several = named(case, "resultNode").count() > 1;
    for node in named(case, "resultNode") {
        let invoked = case.attribute("invocableName").or(node.attribute("name")).unwrap_or_default();
        let infos = [model.decisions(), model.services()].concat();
        let info = infos.iter().find(|info| info.name == invoked).ok_or(format!("there is no \"{invoked}\""))?;
        let expected = named(node, "expected").next().map_or(Value::Null, value);
        match model.evaluate_typed(&info.id, &inputs, &types, NOW) {
            Ok(result) if alike(output(&result.value, node, several), &expected) => {}
            Err(error) if expected.is_null() && is_failure(&error) => is_error = true,
            Ok(result) => return Err(format!("{invoked} is {}, expected {expected}", result.value)),
            Err(error) => return Err(format!("{invoked}: {error}, expected {expected}")),
        }
    }
    Ok(is_error)
}

fn is_failure(error: &DecisionError) -> bool {
    matches!(error.cause(), DecisionError::Failed(_) | DecisionError::MissingVariable(_))
}

/// What is asked of a result: of a service with several outputs each by its name.
fn output<'v>(value: &'v Value, node: ElementRef<'_>, several: bool) -> &'v Value {
    let named = node.attribute("name").and_then(|name| value.get(name));
    named
        .filter(|_| several && node.parent().is_some_and(|case| case.attribute("invocableName").is_some()))
        .unwrap_or(value)
}

/// The type of a value by its name in XML Schema.
fn kind(value: ElementRef<'_>) -> Option<String> {
    let declared = value.attributes().find(|attribute| attribute.local == "type")?;
    declared.value.rsplit(':').next().map(str::to_owned)
}

/// Numbers by value, moments by instant, all else deeply.
fn alike(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            (a - b).abs() <= 1e-8 * a.abs().max(b.abs()).max(1e-8)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
        }
        (Value::String(a), Value::String(b)) => a == b || (instant(a).is_some() && instant(a) == instant(b)),
        (a, b) => a == b,
    }
}

fn instant(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

/// What a node, item or component holds: a list, components, or a value.
fn value(holder: ElementRef<'_>) -> Value {
    if let Some(list) = named(holder, "list").next() {
        return named(list, "item").map(value).collect();
    }
    let components =
        named(holder, "component").map(|part| (part.attribute("name").unwrap_or_default().into(), value(part)));
    let components: Map<String, Value> = components.collect();
    match named(holder, "value").next() {
        Some(single) => scalar(single),
        None if components.is_empty() => Value::Null,
        None => Value::Object(components),
    }
}

fn scalar(value: ElementRef<'_>) -> Value {
    let of_schema =
        |name| value.attributes().find(|attribute| attribute.local == name).map(|attribute| attribute.value);
    if of_schema("nil") == Some("true") {
        return Value::Null;
    }
    let text = value.text();
    let kind = of_schema("type").unwrap_or_default();
    match kind.rsplit(':').next().unwrap_or_default() {
        "boolean" => Value::Bool(text.trim() == "true"),
        "decimal" | "double" | "integer" | "int" | "long" | "float" => {
            let number: f64 = text.trim().parse().unwrap_or_else(|_| panic!("{text} is no number"));
            match number.fract() == 0.0 && number.abs() < 9e15 {
                true => Value::from(number as i64),
                false => Number::from_f64(number).map_or(Value::Null, Value::Number),
            }
        }
        "string" => Value::String(text.into_owned()),
        _ => Value::String(text.trim().to_owned()),
    }
}

fn groups(folder: &Path) -> Vec<PathBuf> {
    let levels = entries(folder).into_iter().filter(|path| path.is_dir());
    levels.flat_map(|level| entries(&level)).filter(|path| path.is_dir()).collect()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("a folder can be listed").path()).collect();
    paths.sort();
    paths
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn named<'d>(element: ElementRef<'d>, name: &'d str) -> impl Iterator<Item = ElementRef<'d>> {
    element.children().filter(move |child| child.name() == name)
}

fn text_of(element: ElementRef<'_>, name: &str) -> Option<String> {
    named(element, name).next().map(|child| child.text().trim().to_owned())
}
