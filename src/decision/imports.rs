//! Imports of other DMN files: what a file imports, directly or over others, among the files that are deployed with it.
//!
//! DMN 1.5, 6.3.3: an import names the namespace of the model that it takes elements from.

use super::dmn::is_dmn;
use crate::base::diagnostic::{Findings, Position};
use crate::xml::Document;

/// Kinds of imports of the standard that are no decisions.
const FOREIGN: [&str; 2] = ["PMML", "XMLSchema"];

struct Import<'d> {
    namespace: &'d str,
    kind: &'d str,
    at: Position,
}

fn imports(document: &Document) -> impl Iterator<Item = Import<'_>> {
    let children = document.root().children().filter(|child| child.name() == "import" && is_dmn(*child));
    children.map(|import| Import {
        namespace: import.attribute("namespace").unwrap_or_default(),
        kind: import.attribute("importType").unwrap_or_default(),
        at: import.position(),
    })
}

/// The files that could be imported, with their places. What is wrong with one is said where that one is read; a file that
/// imports nothing needs none.
pub(super) fn readable(document: &Document, others: &[&[u8]]) -> Vec<(usize, Document)> {
    let wanted = if imports(document).next().is_some() { others } else { &[] };
    let read = |(place, bytes): (usize, &&[u8])| Some((place, Document::parse(bytes).ok()?));
    wanted.iter().enumerate().filter_map(read).collect()
}

fn namespace(document: &Document) -> Option<&str> {
    document.root().attribute("namespace")
}

/// The files that `document` imports, each after those that it imports itself, with their places; what is wrong goes to
/// `found`.
pub(super) fn resolve(
    document: &Document,
    others: Vec<(usize, Document)>,
    found: &mut Findings,
) -> Vec<(usize, Document)> {
    let mut order: Vec<usize> = Vec::new();
    let mut path: Vec<usize> = Vec::new();
    for import in imports(document) {
        // What is wrong in an imported file shows where this one imports it.
        let at = import.at;
        follow(&import, (document, &others), &mut path, &mut order, &mut |message| {
            found.error(at, None, "dmn-import", message);
        });
    }
    let mut others: Vec<Option<(usize, Document)>> = others.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| others[at].take()).collect()
}

/// Recursion is bounded: no file comes twice, and their number is that of a deployment.
fn follow(
    import: &Import<'_>,
    (document, others): (&Document, &[(usize, Document)]),
    path: &mut Vec<usize>,
    order: &mut Vec<usize>,
    wrong: &mut dyn FnMut(String),
) {
    let wanted = import.namespace;
    if wanted.is_empty() {
        return wrong("an import names the namespace of another DMN file: write it, or take the import out".into());
    }
    if let Some(kind) = FOREIGN.iter().find(|kind| import.kind.contains(**kind)) {
        return wrong(format!("imports of {kind} do not run here: only DMN files can be imported"));
    }
    let mut named = (0..others.len()).filter(|at| namespace(&others[*at].1) == Some(wanted));
    let (first, second) = (named.next(), named.next());
    if namespace(document) == Some(wanted) || first.is_some_and(|at| path.contains(&at)) {
        return wrong(format!("the import of {wanted:?} leads back to the file that imports: break the circle"));
    }
    if second.is_some() {
        return wrong(format!(
            "several files of the deployment have the namespace {wanted:?}: give each one of its own"
        ));
    }
    let Some(at) = first else {
        return wrong(format!(
            "no other file of this deployment has the namespace {wanted:?}, which is imported: deploy the file with this namespace together with this one, or correct the import"
        ));
    };
    if order.contains(&at) {
        return;
    }
    path.push(at);
    for inner in imports(&others[at].1) {
        follow(&inner, (document, others), path, order, wrong);
    }
    path.pop();
    order.push(at);
}

#[cfg(test)]
mod tests {
    use crate::base::time::Timestamp;
    use crate::decision::{DecisionModel, DecisionResult, Evaluated};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    const NOW: Timestamp = Timestamp(0);

    fn file(content: &str) -> String {
        named("urn:m", content)
    }

    /// A file with this namespace.
    fn named(namespace: &str, content: &str) -> String {
        format!(
            "<definitions xmlns=\"https://www.omg.org/spec/DMN/20191111/MODEL/\" id=\"f\" name=\"file of {namespace}\" namespace=\"{namespace}\">{content}</definitions>"
        )
    }

    const WEATHER: &str = r##"<inputData id="c" name="celsius"><variable name="celsius" typeRef="number"/></inputData>
        <inputData id="s" name="since"><variable name="since" typeRef="date"/></inputData>
        <decision id="season" name="Season"><variable name="Season"/><informationRequirement><requiredInput href="#c"/></informationRequirement>
        <decisionTable><input><inputExpression><text>celsius</text></inputExpression></input><output name="Season"/>
        <rule><inputEntry><text>&lt; 10</text></inputEntry><outputEntry><text>"winter"</text></outputEntry></rule>
        <rule><inputEntry><text>&gt;= 10</text></inputEntry><outputEntry><text>"summer"</text></outputEntry></rule></decisionTable></decision>
        <decision id="year" name="Year of it"><variable name="Year of it"/><informationRequirement><requiredInput href="#s"/></informationRequirement>
        <informationRequirement><requiredDecision href="#season"/></informationRequirement>
        <literalExpression><text>Season + " " + string(since.year)</text></literalExpression></decision>"##;

    fn import(namespace: &str, name: &str) -> String {
        format!(
            r#"<import name="{name}" namespace="{namespace}" importType="https://www.omg.org/spec/DMN/20191111/MODEL/"/>"#
        )
    }

    /// A decision over others of the file `w`.
    fn over(ids: &[&str], text: &str) -> String {
        let required = |id: &&str| {
            format!(r##"<informationRequirement><requiredDecision href="{id}"/></informationRequirement>"##)
        };
        format!(
            r##"<decision id="d" name="Decision"><variable name="Decision"/>{}<literalExpression><text>{text}</text></literalExpression></decision>"##,
            ids.iter().map(required).collect::<String>()
        )
    }

    #[test]
    fn another_file_gives_its_decisions() {
        let weather = named("urn:w", WEATHER);
        let main = file(&format!(
            "{}{}",
            import("urn:w", "w"),
            over(&["urn:w#season", "urn:w#year"], "[w.Season, w.Year of it]")
        ));
        let model = DecisionModel::parse_with(main.as_bytes(), &[weather.as_bytes()]).unwrap();
        let variables: BTreeMap<String, Value> =
            [("celsius".into(), json!(5)), ("since".into(), json!("2026-11-22"))].into();
        let result = model.evaluate("d", &variables, NOW).unwrap();
        assert_eq!(result.value, json!(["winter", "winter 2026"]));
        let told = |other, id: &str, rules: &[usize]| (other, id.to_owned(), rules.to_vec());
        let evaluated = |result: &DecisionResult| -> Vec<_> {
            let rules = |one: &Evaluated| one.rules.iter().map(|rule| rule.number).collect();
            result.evaluated.iter().map(|one| (one.other, one.decision.clone(), rules(one))).collect()
        };
        let wanted = [told(Some(0), "season", &[1]), told(Some(0), "year", &[]), told(None, "d", &[])];
        assert_eq!(evaluated(&result), wanted);
        assert_eq!(result.evaluated[0].inputs[0].value, json!(5));
        // Over a third file, which is imported by the second only.
        let middle =
            named("urn:mid", &format!("{}{}", import("urn:w", "w"), over(&["urn:w#season"], "upper case(w.Season)")));
        let top = file(&format!("{}{}", import("urn:mid", "middle"), over(&["urn:mid#d"], "middle.Decision + \"!\"")));
        let model = DecisionModel::parse_with(top.as_bytes(), &[weather.as_bytes(), middle.as_bytes()]).unwrap();
        let result = model.evaluate("d", &variables, NOW).unwrap();
        assert_eq!(result.value, json!("WINTER!"));
        let wanted = [told(Some(0), "season", &[1]), told(Some(1), "d", &[]), told(None, "d", &[])];
        assert_eq!(evaluated(&result), wanted);
    }

    #[test]
    fn what_cannot_be_imported_says_why() {
        let weather = named("urn:w", WEATHER);
        let undeclared = named("urn:w", &WEATHER.replace("<text>celsius</text>", "<text>fahrenheit</text>"));
        let back = named("urn:w", &format!("{}{WEATHER}", import("urn:m", "m")));
        let (one, two) = (named("urn:1", &import("urn:2", "two")), named("urn:2", &import("urn:1", "one")));
        let main =
            |namespace: &str, target: &str| file(&format!("{}{}", import(namespace, "w"), over(&[target], "w.Season")));
        let (good, lone) = (main("urn:w", "urn:w#season"), file(&over(&["urn:w#season"], "w.Season")));
        let cases: [(&str, Vec<&str>, &str); 12] = [
            (&good, vec![], "no other file of this deployment has the namespace \"urn:w\", which is imported"),
            (&good, vec![&one], "no other file of this deployment has the namespace \"urn:w\""),
            (&good, vec!["<broken", &one], "no other file of this deployment has the namespace \"urn:w\""),
            (&good, vec![&weather, &weather], "several files of the deployment have the namespace \"urn:w\""),
            (&good, vec![&back], "leads back to the file that imports"),
            (&good, vec![&undeclared], "the imported decision \"Season\": \"fahrenheit\" is not declared"),
            (&main("urn:m", "#d"), vec![&weather], "leads back to the file that imports"),
            (&main("urn:1", "urn:1#d"), vec![&one, &two], "leads back to the file that imports"),
            (
                &main("urn:w", "urn:w#none"),
                vec![&weather],
                "requires none, which is no decision of the imported file \"urn:w\"",
            ),
            (&lone, vec![&weather], "requires season of \"urn:w\": import this namespace"),
            (
                &good.replace("namespace=\"urn:w\"", ""),
                vec![&weather],
                "an import names the namespace of another DMN file",
            ),
            (
                &good.replace("https://www.omg.org/spec/DMN/20191111/MODEL/\"/>", "http://www.dmg.org/PMML-4_3\"/>"),
                vec![&weather],
                "imports of PMML do not run here",
            ),
        ];
        for (main, others, wanted) in cases {
            let others: Vec<&[u8]> = others.iter().map(|other| other.as_bytes()).collect();
            let found = DecisionModel::parse_with(main.as_bytes(), &others).expect_err(wanted);
            let words: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert!(words.iter().any(|words| words.contains(wanted)), "{wanted}: {words:#?}");
        }
        let library = named("urn:l", "<itemDefinition name=\"t\"><typeRef>number</typeRef></itemDefinition>");
        assert!(DecisionModel::parse(library.as_bytes()).is_ok_and(|model| model.decisions().is_empty()));
    }
}
