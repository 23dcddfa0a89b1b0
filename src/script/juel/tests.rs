//! The rules of the dialect's reference, one by one.

use crate::script::testing::Fixed;
use crate::script::{Compiled, EvaluationError, Language};
use serde_json::{Value, json};

fn around() -> Fixed {
    Fixed::new(json!({
        "x": 3, "y": 2.5, "s": "abc", "num": "42", "flag": true, "yes": "true", "nul": null,
        "list": [1, 2, 3], "none": [], "map": {"a": {"b": [10, 20]}, "k": "v"}, "blank": "", "nothing": {},
        "big": u64::MAX, "json": "{\"name\": \"n\", \"list\": [1], \"ok\": true}", "due": "2026-11-22T10:00:00+01:00"
    }))
}

fn eval_in(around: &mut Fixed, text: &str) -> Result<Value, EvaluationError> {
    match Compiled::compile(Language::Juel, text) {
        Ok(compiled) => compiled.evaluate(around),
        Err(error) => panic!("{text}: {error} at {:?}", error.offset),
    }
}

fn eval(text: &str) -> Result<Value, EvaluationError> {
    eval_in(&mut around(), text)
}

#[track_caller]
fn check(cases: &[(&str, Value)]) {
    for (text, wanted) in cases {
        let whole = format!("${{{text}}}");
        assert_eq!(eval(&whole).as_ref(), Ok(wanted), "{whole}");
    }
}

#[track_caller]
fn fails(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        let whole = format!("${{{text}}}");
        let error = eval(&whole).expect_err(&whole).to_string();
        assert!(error.contains(wanted), "{whole}: {error}");
    }
}

#[track_caller]
fn refused(text: &str, offset: usize, wanted: &str) {
    let error = Compiled::compile(Language::Juel, text).expect_err(text);
    assert!(error.message.contains(wanted), "{text}: {error}");
    assert_eq!(error.offset, Some(offset), "{text}: {error}");
}

#[test]
fn literals() {
    check(&[
        ("1", json!(1)),
        ("1.5", json!(1.5)),
        ("2e3", json!(2000.0)),
        ("'a\"b'", json!("a\"b")),
        ("\"a'b\"", json!("a'b")),
        (r"'a\'b\\c'", json!("a'b\\c")),
        ("true", json!(true)),
        ("null", json!(null)),
        ("'}'", json!("}")),
        (".5", json!(0.5)),
        ("1e-2", json!(0.01)),
        ("''", json!("")),
        ("false", json!(false)),
        ("-x", json!(-3)),
        ("- -x", json!(3)),
    ]);
}

#[test]
fn arithmetic() {
    check(&[
        ("1 + 2 * 3", json!(7)),
        ("(1 + 2) * 3", json!(9)),
        ("10 - 2 - 3", json!(5)),
        ("7 / 2", json!(3.5)),
        ("6 div 2", json!(3.0)),
        ("7 % 4", json!(3)),
        ("7 mod 4", json!(3)),
        ("7.5 % 2", json!(1.5)),
        ("x + 1", json!(4)),
        ("y * 2", json!(5.0)),
        ("num + 1", json!(43)),
        ("'1.5' + 1", json!(2.5)),
        ("nul + 1", json!(1)),
        ("blank + 1", json!(1)),
        ("big + 0", json!(u64::MAX)),
        ("2 - -1", json!(3)),
        ("6 / 3", json!(2.0)),
        ("nul / 2", json!(0.0)),
        ("1 + 2 - 3 * 4 / 5 % 6", json!(0.6000000000000001)),
        ("-(1 + 2)", json!(-3)),
        ("' 7 ' * 2", json!(14)),
    ]);
    fails(&[
        ("s + 1", "the text \"abc\" is no number; to join texts write them side by side"),
        ("s + s", "is no number"),
        ("flag + 1", "the Boolean true is no number"),
        ("list + 1", "a list of 3 is no number"),
        ("big + 1", "too large"),
        ("9223372036854775807 * 9223372036854775807", "too large"),
        ("1e308 * 10", "too large"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("'inf' + 1", "no number"),
        ("'nan' + 1", "no number"),
    ]);
}

#[test]
fn comparison() {
    check(&[
        ("x == 3", json!(true)),
        ("x == 3.0", json!(true)),
        ("x eq '3'", json!(true)),
        ("x == s", json!(false)),
        ("x != s", json!(true)),
        ("s ne 'abd'", json!(true)),
        ("flag == 'true'", json!(true)),
        ("flag == 'yes'", json!(false)),
        ("flag == true", json!(true)),
        ("nul == null", json!(true)),
        ("nul != null", json!(false)),
        ("x == null", json!(false)),
        ("list == list", json!(true)),
        ("map.a.b[0] == 10.0", json!(true)),
        ("x < 4", json!(true)),
        ("x lt 3", json!(false)),
        ("x le 3", json!(true)),
        ("x gt 2.5", json!(true)),
        ("x ge 4", json!(false)),
        ("num > 5", json!(true)),
        ("s < 'abd'", json!(true)),
        ("nul < 1", json!(false)),
        ("nul >= null", json!(false)),
        ("1 > nul", json!(false)),
        ("big > 9223372036854775807", json!(true)),
        ("due == '2026-11-22T10:00:00+01:00'", json!(true)),
        ("due < now()", json!(true)),
        ("due < '2026-11-22T09:30:00Z'", json!(true)),
        ("1 < 2 == true", json!(true)),
        ("null == nul && !(null == blank)", json!(true)),
        ("nul <= null || nul > null || nul < null", json!(false)),
        ("'10' > '9'", json!(false)),
        ("10 > '9'", json!(true)),
        ("list == none", json!(false)),
        ("map.a == map.a && map != nothing", json!(true)),
    ]);
    fails(&[
        ("s < 1", "the text \"abc\" is no number"),
        ("flag < true", "have no order"),
        ("list < 1", "have no order"),
    ]);
}

#[test]
fn logic_and_choice() {
    check(&[
        ("flag && x > 2", json!(true)),
        ("flag and not (x > 2)", json!(false)),
        ("!flag || x == 3", json!(true)),
        ("false && missing", json!(false)),
        ("true || missing", json!(true)),
        ("true or missing and missing", json!(true)),
        ("false && missing || true", json!(true)),
        ("yes && true", json!(true)),
        ("!nul", json!(true)),
        ("empty nul && empty blank && empty none && empty nothing", json!(true)),
        ("empty list || empty s || empty 0 || empty false", json!(false)),
        ("not empty list", json!(true)),
        ("x > 2 ? 'many' : 'few'", json!("many")),
        ("x > 9 ? missing : x > 2 ? 'b' : 'c'", json!("b")),
        ("(x > 9 || flag) ? 1 : 2", json!(1)),
    ]);
    fails(&[
        ("!x", "the number 3 is neither true nor false"),
        ("s && true", "neither true nor false"),
        ("true && missing", "there is no variable \"missing\""),
        ("missing == null", "there is no variable \"missing\""),
        ("empty missing", "there is no variable \"missing\" here: set it before, or ask with execution.hasVariable"),
        ("x ? 1 : 2", "the number 3 is neither true nor false"),
        ("list || true", "neither true nor false"),
    ]);
}

#[test]
fn paths() {
    check(&[
        ("map.a.b[1]", json!(20)),
        ("map['a'][\"b\"][0]", json!(10)),
        ("map.a['b'].size()", json!(2)),
        ("map.zzz", json!(null)),
        ("map.zzz.deeper.still", json!(null)),
        ("nul.a", json!(null)),
        ("nul[0]", json!(null)),
        ("list[0]", json!(1)),
        ("list['1']", json!(2)),
        ("list[7]", json!(null)),
        ("list[-1]", json!(null)),
        ("map.empty", json!(null)),
        ("map.and", json!(null)),
        ("map['zzz']", json!(null)),
        ("nul['a'].b", json!(null)),
        ("list[x - 1]", json!(3)),
        ("map[s.equals('abc') ? 'k' : 'a']", json!("v")),
    ]);
    fails(&[
        ("s.length", "has no property \"length\"; write length()"),
        ("list.size", "write size()"),
        ("list['a']", "indexed by a whole number"),
        ("x[0]", "cannot be indexed"),
        ("nul.contains('a')", "a method of null"),
        ("map.zzz.size()", "a method of null"),
        ("nul.isEmpty()", "a method of null"),
        ("flag.name", "has no property \"name\""),
    ]);
}

#[test]
fn methods() {
    check(&[
        ("'äbc'.length()", json!(3)),
        ("s.contains('b')", json!(true)),
        ("s.startsWith('ab') && s.endsWith('bc')", json!(true)),
        ("s.substring(1)", json!("bc")),
        ("s.substring(0, 2)", json!("ab")),
        ("s.toUpperCase().toLowerCase()", json!("abc")),
        ("'  a '.trim()", json!("a")),
        ("'a.b.c'.replace('.', '-')", json!("a-b-c")),
        ("'a,b,,'.split(',')", json!(["a", "b"])),
        ("'a|b'.split('|')", json!(["a", "b"])),
        (r"'a|b'.split('\\|')", json!(["a", "b"])),
        (r"'a, b,c'.split(',\\s*')", json!(["a", "b", "c"])),
        ("'ab'.split('')", json!(["a", "b"])),
        ("s.equals('abc')", json!(true)),
        ("list.size()", json!(3)),
        ("map.size()", json!(2)),
        ("none.isEmpty() && blank.isEmpty() && nothing.isEmpty()", json!(true)),
        ("list.contains(2) && !list.contains(9)", json!(true)),
        ("map.contains('a')", json!(true)),
        ("list.get(2)", json!(3)),
        ("map.get('k')", json!("v")),
        ("map.get('zzz')", json!(null)),
        ("map.containsKey('k')", json!(true)),
        ("map.keySet()", json!(["a", "k"])),
        ("map.keySet().contains('a')", json!(true)),
        ("S(json).prop('name').stringValue()", json!("n")),
        ("JSON(json).prop('list').elements().get(0).numberValue()", json!(1)),
        ("S(json).prop('ok').boolValue()", json!(true)),
        ("S(json).hasProp('zzz')", json!(false)),
        ("JSON(map).prop('k').value()", json!("v")),
        ("'a1b'.contains(1)", json!(true)),
        ("list.contains('2')", json!(true)),
        ("x.equals(3.0) && !nothing.equals(none)", json!(true)),
        ("S(list).elements().size()", json!(3)),
        ("S('7').value() + S('1').numberValue()", json!(8)),
        ("list.get('0')", json!(1)),
    ]);
    fails(&[
        ("x.length()", "the number 3 is no text"),
        ("s.substring(2, 9)", "the text has 3 characters"),
        ("s.substring(2, 1)", "the text has 3 characters"),
        ("list.get(3)", "the list has 3 elements"),
        ("s.size()", "neither list nor map"),
        ("list.keySet()", "is no map"),
        ("S('{')", "this is no JSON"),
        ("S(json).prop('zzz')", "there is no property \"zzz\": ask with hasProp"),
        ("S(json).prop('name').numberValue()", "is no number"),
        (r"s.split('[')", "split: "),
        ("S(json).elements()", "is no list"),
        ("S(list).prop('a')", "is no map"),
        ("S(list).hasProp('a')", "is no map"),
        ("S(json).prop('name').boolValue()", "is no Boolean"),
        ("x.stringValue()", "the number 3 is no text"),
        ("map.value()", "is no text, number or Boolean"),
        ("x.contains(3)", "it is neither text nor list nor map"),
        ("s.get(0)", "neither list nor map"),
        ("list.get('a')", "a whole number is expected"),
    ]);
}

#[test]
fn who_and_where() {
    check(&[
        ("execution.processInstanceId", json!("17")),
        ("execution.getProcessInstanceId()", json!("17")),
        ("execution.processBusinessKey", json!("wave-1")),
        ("execution.getProcessBusinessKey()", json!("wave-1")),
        ("execution.id", json!("17:3")),
        ("execution.currentActivityName", json!("Check it")),
        ("execution.tenantId", json!(null)),
        ("execution.getVariable('x')", json!(3)),
        ("execution.getVariable('zzz')", json!(null)),
        ("execution.hasVariable('x') && !execution.hasVariable('zzz')", json!(true)),
        ("execution.hasVariable('nul')", json!(true)),
        ("execution.businessKey", json!("wave-1")),
        ("execution.getProcessDefinitionId()", json!("p:1:5")),
        ("execution.currentActivityId", json!("check")),
        ("currentUser()", json!("demo")),
        ("authenticatedUserId", json!("demo")),
        ("currentUserGroups()", json!(["leads", "staff"])),
        ("currentUserGroups().contains('leads')", json!(true)),
    ]);
}

#[test]
fn a_task_in_user_tasks_and_a_variable_elsewhere() {
    let mut inside = around();
    inside.in_task = true;
    assert_eq!(eval_in(&mut inside, "${task.name} ${task.assignee} ${task.getId()}"), Ok(json!("Check it mary 17:9")));
    let mut outside = Fixed::new(json!({"task": {"name": "a", "gb": 4}}));
    assert_eq!(eval_in(&mut outside, "${task.name}-${task.gb}"), Ok(json!("a-4")));
    assert_eq!(eval_in(&mut outside, "${task.getName()}-${task.size()}"), Ok(json!("a-2")));
    assert_eq!(eval_in(&mut inside, "${task.getVariable('x') + 1}"), Ok(json!(4)));
    assert_eq!(eval_in(&mut inside, "${task.setVariable('x', 5)}${task.hasVariable('x')}"), Ok(json!("true")));
    assert_eq!(inside.variables["x"], json!(5));
    fails(&[
        ("task.name", "known in user tasks only"),
        ("task.getAssignee()", "known in user tasks only"),
        ("task.zzz", "a task has no property \"zzz\""),
    ]);
}

#[test]
fn set_variable_takes_effect_at_the_end_or_not_at_all() {
    let mut here = around();
    let text = "${execution.setVariable('x', 7)}${execution.getVariable('x')}";
    assert_eq!(eval_in(&mut here, text), Ok(json!("7")));
    assert_eq!(here.variables["x"], json!(7));
    assert!(eval_in(&mut here, "${execution.setVariable('x', 8)}${missing}").is_err());
    assert_eq!(here.variables["x"], json!(7), "the failed evaluation has changed nothing");
}

#[test]
fn time_is_the_engines() {
    check(&[
        ("now()", json!("2026-11-22T10:00:00.000Z")),
        ("dateTime().plusDays(1).toDate()", json!("2026-11-23T10:00:00.000Z")),
        ("dateTime().plusMonths(1).minusYears(1).plusWeeks(-1)", json!("2025-12-15T10:00:00.000Z")),
        ("dateTime().plusHours(x).plusMinutes(5).minusSeconds(1).plusMillis(7)", json!("2026-11-22T13:04:59.007Z")),
        ("dateTime().withTimeAtStartOfDay().withHourOfDay(8).withMinuteOfHour(30)", json!("2026-11-22T08:30:00.000Z")),
        ("due.plusHours(1)", json!("2026-11-22T10:00:00.000Z")),
        ("now().minusDays(1).minusHours(1).minusMinutes(1).minusMillis(1)", json!("2026-11-21T08:58:59.999Z")),
        ("now().minusWeeks(1).minusMonths(1).plusYears(1).plusSeconds(1)", json!("2027-10-15T10:00:01.000Z")),
        ("now().withSecondOfMinute(9)", json!("2026-11-22T10:00:09.000Z")),
        ("dateTime() == now() && now().plusDays(1) > now()", json!(true)),
        ("'2026-11-22T10:00:00.000+0000'.toDate()", json!("2026-11-22T10:00:00.000Z")),
    ]);
    fails(&[
        ("s.plusDays(1)", "is no date and time"),
        ("now().plusYears(99999999)", "leaves the calendar"),
        ("now().plusDays('a')", "a whole number is expected"),
        ("now().withHourOfDay(24)", "leaves the calendar"),
        ("now().plusDays(9223372036854775807)", "leaves the calendar"),
    ]);
}

#[test]
fn text_around_makes_a_text() {
    assert_eq!(eval("wave-${x}"), Ok(json!("wave-3")));
    assert_eq!(eval("#{s}${y}"), Ok(json!("abc2.5")));
    assert_eq!(eval("[${nul}]"), Ok(json!("[]")));
    assert_eq!(eval("${map.a} and ${list}"), Ok(json!("{\"b\":[10,20]} and [1,2,3]")));
    assert_eq!(eval("\n   ${x}\n  "), Ok(json!(3)), "line breaks of a pretty printer are no text");
    assert_eq!(eval(" ${x} ${x} "), Ok(json!(" 3 3 ")));
    assert_eq!(eval(r"\${x} is ${x}"), Ok(json!("${x} is 3")));
    assert_eq!(eval("ä ${s}"), Ok(json!("ä abc")));
    let literal = Compiled::compile(Language::Juel, r"costs \${5}").unwrap();
    assert_eq!(literal.is_literal(), Some("costs ${5}"));
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    refused("${foo(1)}", 2, "there is no function \"foo\"");
    refused("ä ${x.getClass()}", 6, "there is no method \"getClass\"");
    refused("${execution.zzz}", 12, "there is no property of execution \"zzz\"");
    refused("${execution.getEngineServices()}", 12, "there is no method of execution");
    refused("${execution}", 2, "execution is no value by itself");
    refused("${externalTask}", 2, "externalTask is no value by itself");
    refused("${externalTask.colour}", 15, "there is no property of externalTask");
    refused("${task.setColour(1)}", 7, "there is no method of task");
    refused("${x = 3}", 4, "write == to compare");
    refused("${x +}", 5, "the end of the expression stands where a value is expected");
    refused("${x y}", 4, "\"y\" stands where an operator or } is expected");
    refused("${x", 3, "the expression is not closed");
    refused("a ${}", 4, "the expression is empty");
    refused("${'abc}", 2, "the text is not closed");
    refused("${(x}", 4, "stands where ) is expected");
    refused("${s.contains()}", 4, "contains takes 1 arguments, here are 0");
    refused("${s.substring(1,2,3)}", 4, "takes 1 to 2 arguments, here are 3");
    refused("${x & y}", 4, "write && or and");
    refused("${'a\\n'}", 5, "only \\, ' and \" may follow");
    refused("${99999999999999999999}", 2, "is too large");
    refused("${1a}", 2, "must not begin with a digit");
    refused("${fn:length(x)}", 2, "functions with a prefix");
    refused("${x; y}", 3, "\";\" is not known here");
    refused("${x.y()}", 4, "there is no method \"y\"");
    refused("#{now(1)}", 2, "now takes 0 arguments, here are 1");
    refused("${task.zzz()}", 7, "there is no method of task \"zzz\"");
    refused("${execution.getVariable()}", 12, "getVariable takes 1 arguments, here are 0");
    refused("${x instanceof y}", 4, "stands where an operator or } is expected");
    refused("a ${x} ${y z}", 11, "stands where an operator or } is expected");
    refused("${{1}}", 2, "lists and maps cannot be written");
}

#[test]
fn limits() {
    let deep = |n: usize| format!("${{{}1{}}}", "(".repeat(n), ")".repeat(n));
    assert_eq!(eval(&deep(63)), Ok(json!(1)));
    let error = Compiled::compile(Language::Juel, &deep(64)).unwrap_err();
    assert_eq!((error.offset, error.message.contains("deeper than 64")), (Some(2 + 64), true));
    for prefix in ["!", "- ", "empty ", "list[", "x ? 1 : ", "s.contains("] {
        let text = format!("${{{}", prefix.repeat(500));
        let error = Compiled::compile(Language::Juel, &text).unwrap_err();
        assert!(error.message.contains("deeper than"), "{prefix}: {error}");
    }
    let long = format!("${{{}1}}", "1+".repeat(1500));
    assert_eq!(eval(&long), Ok(json!(1501)), "a long chain does not nest");
    let path = format!("${{nul{}}}", ".a".repeat(1500));
    assert_eq!(eval(&path), Ok(json!(null)));
    let too_long = format!("${{{}1}}", "1+".repeat(5000));
    assert!(Compiled::compile(Language::Juel, &too_long).unwrap_err().message.contains("8192 bytes"));
    assert!(Compiled::compile(Language::Juel, &"x".repeat(20_000)).is_ok(), "a text is no expression");
}

#[test]
fn work_on_large_variables_is_bounded() {
    let mut here = Fixed::new(json!({"t": "x".repeat(1_000_000)}));
    let many = format!("${{{}false}}", "t == 'a' || ".repeat(500));
    assert!(matches!(eval_in(&mut here, &many), Err(EvaluationError::Budget(_))));
    assert!(matches!(eval_in(&mut here, "${t.replace('x', t)}"), Err(EvaluationError::Budget(_))));
    assert!(matches!(eval_in(&mut here, "${t}${t}"), Err(EvaluationError::Budget(_))));
    assert!(matches!(eval_in(&mut here, "${t.split('')}"), Err(EvaluationError::Budget(_))));
    let nested = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let mut here = Fixed::new(json!({ "nested": nested }));
    assert!(matches!(eval_in(&mut here, "${S(nested)}"), Err(EvaluationError::Budget(_))));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[${}#a-z0-9 .()'\"\\\\+*/<>=!&|?:\\[\\],äé-]{0,60}") {
            for whole in [text.clone(), format!("${{{text}}}")] {
                if let Ok(compiled) = Compiled::compile(Language::Juel, &whole) {
                    let _ = compiled.evaluate(&mut around());
                }
            }
        }

        #[test]
        fn words_in_any_order_do_not_panic(words in proptest::collection::vec(
            prop::sample::select(vec!["x", "s", "list", "map", "nul", "1", "2.5", "'t'", "+", "-", "*", "/", "%", "==", "<",
                "&&", "||", "!", "empty", "?", ":", "(", ")", "[", "]", ".", ",", "size()", "split(", "plusDays(", "execution",
                "getVariable(", "now()", "task", "S("]), 1..14)) {
            if let Ok(compiled) = Compiled::compile(Language::Juel, &format!("${{{}}}", words.join(" "))) {
                let _ = compiled.evaluate(&mut around());
            }
        }
    }
}
