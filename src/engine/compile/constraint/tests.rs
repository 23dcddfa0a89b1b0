//! Rules on small drawings: `a>b` is a flow, and an id says what it is by its first letters.

use super::super::{compile, no_resources};

/// The rules that a drawing breaks, each as `rule element`.
fn broken(flows: &str, more: &str) -> Vec<String> {
    let mut nodes = std::collections::BTreeSet::new();
    let mut drawn = String::new();
    for (index, flow) in flows.split_whitespace().enumerate() {
        let (from, to) = flow.split_once('>').expect("a flow is a>b");
        let condition = format!("<conditionExpression>${{f{index}}}</conditionExpression>");
        let condition = if from.starts_with("xor") { condition.as_str() } else { "" };
        drawn.push_str(&format!(
            "<sequenceFlow id=\"f{index}\" sourceRef=\"{from}\" targetRef=\"{to}\">{condition}</sequenceFlow>"
        ));
        nodes.extend([from, to]);
    }
    for id in nodes {
        let kind = match id.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "start" => "startEvent",
            "end" => "endEvent",
            "and" => "parallelGateway",
            "xor" => "exclusiveGateway",
            "or" => "inclusiveGateway",
            "late" => continue,
            _task => "userTask",
        };
        drawn.push_str(&format!("<{kind} id=\"{id}\"/>"));
    }
    let file = format!(
        "<definitions xmlns=\"http://www.omg.org/spec/BPMN/20100524/MODEL\" id=\"d\" targetNamespace=\"urn:t\">\
         <process id=\"p\" isExecutable=\"true\">{drawn}{more}</process></definitions>"
    );
    let found = compile(file.as_bytes(), &no_resources).map_or_else(|found| found, |compiled| compiled.warnings);
    let word = |d: &crate::base::diagnostic::Diagnostic| format!("{} {}", d.code, d.element.as_deref().unwrap_or("-"));
    found.iter().filter(|d| d.code != "no-default").map(word).collect()
}

#[test]
fn a_join_behind_a_choice_never_completes() {
    assert_eq!(broken("start>xor xor>A xor>B A>and B>and and>end", ""), ["join-never-complete and"]);
    // three are awaited, and two come
    let flows = "start>and1 and1>A and1>xor xor>B xor>C A>and2 B>and2 C>and2 and2>end";
    assert_eq!(broken(flows, ""), ["join-never-complete and2"]);
    // once around the loop is still one token
    assert_eq!(broken("start>A A>xor xor>A xor>B xor>C B>and C>and and>end", ""), ["join-never-complete and"]);
}

#[test]
fn a_join_that_can_complete_is_left_alone() {
    for flows in [
        "start>and1 and1>A and1>B A>and2 B>and2 and2>end",
        // a task forks as well
        "start>A A>B A>C B>and C>and and>end",
        // each side comes twice
        "start>and1 and1>A and1>B A>xor B>xor xor>C xor>D C>and2 D>and2 and2>end",
        // the choice is merged before the join
        "start>and1 and1>xor1 xor1>A xor1>B A>xor2 B>xor2 and1>C xor2>and2 C>and2 and2>end",
        // the fork is behind the choice
        "start>xor xor>end1 xor>and1 and1>A and1>B A>and2 B>and2 and2>end2",
        // a loop that forks has no bound
        "start>A A>and1 and1>xor1 and1>xor2 xor1>A xor1>B xor2>B xor2>C B>and2 C>and2 and2>end",
        "start>or1 or1>A or1>B A>and B>and and>end",
    ] {
        assert_eq!(broken(flows, ""), [""; 0], "{flows}");
    }
    // an event that happens again and again
    let late = "<boundaryEvent id=\"late\" attachedToRef=\"A\" cancelActivity=\"false\"><timerEventDefinition>\
                <timeCycle>R/PT1H</timeCycle></timerEventDefinition></boundaryEvent>";
    assert_eq!(broken("start>A A>xor late>xor xor>B xor>C B>and C>and and>end", late), [""; 0]);
}

#[test]
fn a_way_past_a_join_leaves_the_other_side_waiting() {
    let flows = "start>and1 and1>A and1>xor A>and2 xor>B B>and2 xor>C C>end1 and2>end2";
    assert_eq!(broken(flows, ""), ["join-never-complete and2"]);
    // unless the way ends all
    let end = "<endEvent id=\"all\"><terminateEventDefinition/></endEvent>\
               <sequenceFlow id=\"last\" sourceRef=\"C\" targetRef=\"all\"/>";
    let flows = "start>and1 and1>A and1>xor A>and2 xor>B B>and2 xor>C and2>end2";
    assert_eq!(broken(flows, end), [""; 0]);
}

#[test]
fn what_no_token_reaches_is_reported_once() {
    assert_eq!(broken("start>A A>end B>C C>end", ""), ["unreachable B"]);
    assert_eq!(broken("start>A A>end B>C C>B", ""), ["unreachable B"]);
    // without a start event the process begins wherever no flow leads
    assert_eq!(broken("A>B C>D", ""), [""; 0]);
    assert_eq!(broken("start>and and>A and>B A>end", ""), ["path-without-end B"]);
}

#[test]
fn conditions_that_exclude_each_other_need_no_default() {
    let choice = |one: &str, other: &str| {
        let file = format!(
            "<definitions xmlns=\"http://www.omg.org/spec/BPMN/20100524/MODEL\" id=\"d\" targetNamespace=\"urn:t\">\
             <process id=\"p\" isExecutable=\"true\"><exclusiveGateway id=\"xor\"/><task id=\"A\"/><task id=\"B\"/>\
             <sequenceFlow id=\"a\" sourceRef=\"xor\" targetRef=\"A\"><conditionExpression>{one}</conditionExpression></sequenceFlow>\
             <sequenceFlow id=\"b\" sourceRef=\"xor\" targetRef=\"B\"><conditionExpression>{other}</conditionExpression></sequenceFlow>\
             </process></definitions>"
        );
        compile(file.as_bytes(), &no_resources).map(|compiled| compiled.warnings.len())
    };
    assert_eq!(choice("${a}", "${!a}"), Ok(0));
    assert_eq!(choice("${not a}", "${a}"), Ok(0));
    assert_eq!(choice("${a == 'x'}", "${a != 'x'}"), Ok(0));
    assert_eq!(choice("${a &gt; 1}", "${a &lt;= 1}"), Ok(0));
    assert_eq!(choice("${a}", "${true}"), Ok(0));
    assert_eq!(choice("${a &gt; 1}", "${a &lt; 1}"), Ok(1));
    assert_eq!(choice("${a == 'x'}", "${a == 'y'}"), Ok(1));
    assert_eq!(choice("${a == 1 &amp;&amp; b}", "${a != 1 &amp;&amp; b}"), Ok(1));
}
