//! Hostile scripts end, soon and with little memory, inline and in full; and what scripts can call is a known list.

use super::*;
use crate::script::testing::Fixed;
use serde_json::json;

/// The stack of an ordinary thread; a script must not overflow it.
const STACK_BYTES: usize = 2 * 1024 * 1024;

fn hostile() -> Vec<(&'static str, String)> {
    let own = |text: &str| text.to_owned();
    vec![
        ("loop", own("loop {}")),
        ("nested while", own("let x=0; while true { while true { x+=1; } }")),
        ("string doubling", own("let s=\"x\"; loop { s += s; }")),
        ("string by template", own("let s=\"x\"; loop { s = `${s}${s}`; }")),
        ("string join", own("let a=[\"xxxxxxxxxxxxxxxx\"]; loop { a = [a.join(\"\"), a.join(\"\")]; }")),
        ("array doubling", own("let a=[1]; loop { a += a; }")),
        ("array pad", own("let a=[]; a.pad(2000000000, 0); a")),
        ("blob", own("let b = blob(2000000000, 0); b")),
        ("nested pairs", own("let a=[0]; loop { a=[a,a]; }")),
        ("nested lists", own("let a=[0]; loop { a=[a]; }")),
        ("nested maps", own("let a=#{}; loop { a=#{a: a}; }")),
        ("nested by push", own("let a=[]; loop { let b=[]; b.push(a); a=b; }")),
        ("map growth", own("let m=#{}; let i=0; loop { m[i.to_string()]=i; i+=1; }")),
        ("recursion", own("fn f(n){ f(n+1) } f(0)")),
        ("deep recursion in arguments", own("fn f(n){ [[[[f(n+1)]]]] } f(0)")),
        ("fork recursion", own("fn f(n){ if n>25 {1} else {f(n+1)+f(n+1)} } f(0)")),
        ("closure recursion", own("let f = |f, n| f.call(f, n+1); f.call(f, 0)")),
        ("range collect", own("let a=[]; for i in 0..1000000000000 { a.push(i); } a")),
        ("deep brackets", format!("{}1{}", "(".repeat(30_000), ")".repeat(30_000))),
        ("deep lists", format!("{}{}", "[".repeat(30_000), "]".repeat(30_000))),
        ("deep negation", format!("{}1", "-".repeat(30_000))),
        ("deep blocks", format!("{}{}", "{".repeat(30_000), "}".repeat(30_000))),
        ("long sum", format!("{}1", "1+".repeat(30_000))),
        ("long path", format!("let a = #{{}}; a{}", ".a".repeat(30_000))),
        ("eval", own("eval(\"1+1\")")),
        ("import", own("import \"/etc/passwd\" as p; 1")),
        ("overflow", own("let x = 9223372036854775807; x + 1")),
        ("division", own("1 / 0")),
        ("split", own("let s=\"\"; for i in 0..4000 { s += \"a\"; } let r=[]; loop { r.push(s.split(\"\")); }")),
        ("split and drop", own("let s=\"\"; for i in 0..900 { s += \"a\"; } loop { s.split(\"\"); }")),
        ("sort closure", own("let a=[]; a.pad(9000,1); loop { a.sort(|x,y| 0); }")),
        ("sort", own("let a=[]; for i in 0..900 { a.push((i*7919)%997); } loop { let b = a; b.sort(); }")),
        (
            "sort without order",
            own(
                "let b=[]; for k in 0..900 { b.push((k*7919)%4999); } b.sort(|x,y| if (x*y)%3==0 {1} else {-1}); b.len()",
            ),
        ),
        ("filter", own("let a=[]; a.pad(9000,1); loop { a.filter(|x| true); }")),
        (
            "nested filter",
            own("let a=[]; a.pad(9000,1); a.filter(|x| a.filter(|y| a.filter(|z| true).len() > 0).len() > 0)"),
        ),
        ("reduce", own("let a=[]; a.pad(9000,1); loop { a.reduce(|s,x| 0, 0); }")),
        ("replace", own("let s=\"\"; for i in 0..4000 { s += \"a\"; } loop { s.replace(\"a\", s); }")),
        ("compare", own("let a=[]; a.pad(900,[1]); let b=[]; b.pad(900,[1]); loop { a == b }")),
        (
            "compare short",
            own("let a=[]; a.pad(400,1); let b=[]; b.pad(400,1); let n = 0; loop { if a == b { n += 1; } }"),
        ),
        ("member", own("let a=[]; a.pad(900,1); let n = 0; loop { if 2 in a { n += 1; } }")),
        ("dedup", own("let a=[]; a.pad(900,1); loop { let b = a; b.dedup(); }")),
        ("template of a list", own("let a=[]; a.pad(900,1); loop { `${a}` }")),
        ("print a list", own("let a=[]; a.pad(900,1); loop { print(a) }")),
        (
            "read a variable",
            own(
                "let a=\"\"; for i in 0..900 { a += i; } set_variable(\"v\", a.split(\"\")); loop { get_variable(\"v\") }",
            ),
        ),
        ("to_string", own("let a=[]; a.pad(900,1); loop { a.to_string() }")),
        ("reverse", own("let a=[]; a.pad(900,1); loop { a.reverse(); }")),
        ("copy", own("let a=[]; a.pad(900,1); loop { let b = a; b.push(1); }")),
        ("power", own("2 ** 9223372036854775807")),
        ("shift", own("1 << 9223372036854775807")),
        ("timestamp", own("let t = timestamp(); t")),
        ("sleep", own("sleep(3600); 1")),
        ("big literal", format!("let s = \"{}\"; s.len()", "x".repeat(60_000))),
        ("many variables", own("let i = 0; loop { i += 1; set_variable(`v${i}`, i); }")),
        ("large variables", own("let a=[]; a.pad(900,1); let i = 0; loop { i += 1; set_variable(`v${i}`, a); }")),
        ("own functions", (0..100).map(|i| format!("fn f{i}() {{}} ")).collect()),
        ("own variables", (0..1000).map(|i| format!("let v{i} = 1; ")).collect()),
        ("print", own("loop { print(\"x\"); }")),
    ]
}

fn ends(budget: Budget) {
    let begin = |(name, text): (&'static str, String)| {
        let run = move || match Program::compile(&text) {
            Ok(program) => program.run(budget, &mut Fixed::new(json!({}))).map(|value| value.to_string().len()),
            Err(error) => Err(RunError::Failed(error.message)),
        };
        (name, std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap())
    };
    let running: Vec<_> = hostile().into_iter().map(begin).collect();
    for (name, thread) in running {
        let outcome = thread.join();
        println!("{budget:?} {name:28} {:?}", outcome.as_ref().ok());
        // That it ends at all is the point: without a budget many of them would not.
        assert!(outcome.is_ok(), "{name} panicked");
    }
}

#[test]
fn hostile_scripts_end_inline() {
    ends(Budget::Inline);
}

#[test]
fn hostile_scripts_end_in_full() {
    ends(Budget::Full);
}

/// All that scripts can call by name, with the number of arguments.
fn callable(budget: Budget) -> BTreeSet<String> {
    let named = |info: rhai::FuncInfo| {
        let name = info.metadata.name.as_str();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        is_name.then(|| format!("{name}/{}", info.metadata.num_params))
    };
    engine(budget).collect_fn_metadata(None, named, true).into_iter().collect()
}

#[test]
fn what_scripts_can_call_is_a_known_list() {
    assert_eq!(callable(Budget::Inline), callable(Budget::Full));
    let found: Vec<String> = callable(Budget::Full).into_iter().collect();
    assert_eq!(found.join(" "), CALLABLE.split_whitespace().collect::<Vec<_>>().join(" "));
}

/// No clock, no sleep, no files, no `eval`; of what takes long, see above.
const CALLABLE: &str = "
    E/0 PI/0 abs/1 acos/1 acosh/1 add_candidate_group/1 add_candidate_user/1 all/2 append/2 asin/1 asinh/1 atan/1 atan/2 atanh/1 bits/1
    bits/2 bits/3 bpmn_error/1 bpmn_error/2 ceiling/1 chars/1 chars/2 chars/3 chop/2 clear/1
    contains/2 cos/1 cosh/1 debug/0 debug/1 dedup/1 dedup/2 delete_candidate_group/1
    delete_candidate_user/1 drain/2 drain/3 end/1 ends_with/2
    exp/1 extract/2 extract/3 fill_with/2 filter/2 find/2 find/3 find_map/2 find_map/3 floor/1
    for_each/2 fraction/1 get$bits/1 get$ceiling/1 get$chars/1 get$code/1 get$end/1 get$floor/1
    get$fraction/1 get$int/1 get$is_empty/1 get$is_even/1 get$is_exclusive/1 get$is_finite/1
    get$is_inclusive/1 get$is_infinite/1 get$is_nan/1 get$is_odd/1 get$is_zero/1 get$len/1
    get$message/1 get$round/1 get$start/1 get/2 get_variable/1 has_variable/1 hypot/2 index_of/2
    index_of/3 insert/3 int/1 is_empty/1 is_even/1 is_exclusive/1 is_finite/1 is_inclusive/1
    is_infinite/1 is_nan/1 is_odd/1 is_zero/1 join/2 keys/1 len/1 ln/1 log/1 log/2 map/2 max/2
    min/2 mixin/2 now/0 order/1 order/2 order_by/2 order_desc/1 pad/3 parse_float/1 parse_int/1
    parse_int/2 pop/1 print/0 print/1 push/2 range/2 range/3 reduce/2 reduce/3 reduce_rev/2
    reduce_rev/3 remove/2 replace/3 retain/2 retain/3 reverse/1 round/1 set/3 set_assignee/1 set_description/1
    set_due_date/1 set_follow_up_date/1 set_name/1 set_owner/1 set_priority/1 set_variable/2
    shift/1 sign/1 sin/1 sinh/1 some/2 sort/1 sort/2 sort_by/2 sort_desc/1 splice/3 splice/4
    split/2 sqrt/1 start/1 starts_with/2 sub_string/2 sub_string/3 tan/1 tanh/1 to_binary/1
    to_debug/1 to_degrees/1 to_float/1 to_hex/1 to_int/1 to_json/1 to_lower/1 to_octal/1
    to_radians/1 to_string/1 to_upper/1 trim/1 truncate/2 values/1 zip/3
";

#[test]
fn natives_that_take_callbacks_are_known_by_name() {
    let takers = |info: rhai::FuncInfo| {
        let callback = std::any::TypeId::of::<rhai::FnPtr>();
        let own = ["name", "is_anonymous", "debug", "to_debug"];
        let name = info.metadata.name.to_string();
        let takes = info.metadata.param_types.contains(&callback) && !own.contains(&name.as_str());
        takes.then_some(name)
    };
    let found: BTreeSet<String> = engine(Budget::Inline).collect_fn_metadata(None, takers, true).into_iter().collect();
    assert_eq!(found, CALLBACK_TAKERS.iter().map(ToString::to_string).collect());
}
