//! The clock rule of the house: speed lives in `benches/`. A test on the real clock bounds what it waits for by this
//! machine's patience (`world/patience.rs`) and nothing else; what must be quick is shown in virtual time, by order, or
//! by a count.
//!
//! Enters: the files under `tests/it`, and the clauses of `engine::testing`. Leaves: every line that bounds time by a figure of its own, with its reason.

use super::{assert_none, files};

/// Where the factor is applied to a figure.
const SCALES: [&str; 3] = ["patience(", "patience::<B>(", "at_this_pace("];
/// It applies the factor; this file speaks of breaches; a handler's world tells a clock that stands from one that runs.
const MAY: [&str; 3] = ["tests/it/world/patience.rs", "tests/it/house/clock.rs", "engine/src/testing/world/mod.rs"];

/// A function: its lines with their numbers, whether it is a test, and whether that runs in virtual time.
struct Function<'t> {
    lines: Vec<(usize, &'t str)>,
    is_test: bool,
    is_virtual: bool,
}

/// The outermost functions of a file as rustfmt leaves them: each ends at a brace as deep as its beginning.
fn functions(text: &str) -> Vec<Function<'_>> {
    let (mut found, mut attributes, mut lines) = (Vec::new(), String::new(), text.lines().enumerate());
    while let Some((n, line)) = lines.next() {
        let code = line.trim_start();
        let is_word = |word: &str| word.starts_with("pub") || ["async", "const"].contains(&word);
        let begins = |head: &str| head.split_whitespace().all(is_word);
        if !code.split_once("fn ").is_some_and(|(head, _)| begins(head)) {
            // A test in a macro has its attribute behind a `$(`.
            let is_attribute = code.trim_start_matches("$(").starts_with("#[");
            attributes = if is_attribute { attributes + code } else { String::new() };
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - code.len()]);
        let mut body = vec![(n + 1, line)];
        if !line.ends_with(['}', ';']) {
            body.extend(lines.by_ref().map(|(n, line)| (n + 1, line)).take_while(|(_, line)| !line.starts_with(&end)));
        }
        // Only a clock that stands can be moved by hand.
        let moves = body.iter().any(|(_, line)| line.contains("time::advance(") || line.contains("time::pause()"));
        let (is_test, is_virtual) = (attributes.contains("test"), attributes.contains("start_paused = true") || moves);
        found.push(Function { lines: body, is_test, is_virtual });
        attributes.clear();
    }
    found
}

/// Does `code` call this, and nothing that merely ends like it?
fn calls(code: &str, name: &str) -> bool {
    let is_whole = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(name).any(|(at, _)| is_whole(at))
}

/// Why this line of a function on the real clock may not stand; `timed`: names of what was measured there.
fn breach(code: &str, is_scaled: bool, timed: &mut Vec<String>) -> Option<&'static str> {
    // To go on for so long is no bound.
    let is_wait = code.starts_with("while ");
    let goes_by_patience = SCALES.iter().any(|scale| code.contains(scale));
    if (calls(code, "timeout(") || calls(code, "timeout_at(")) && !goes_by_patience && !is_scaled {
        return Some("waits for as long as it says itself: patience(…) is how long a test waits");
    }
    let measured = code.split_once(".elapsed()").map(|(_, after)| after);
    if let Some(name) = measured.and(code.strip_prefix("let ")).and_then(|rest| rest.split([' ', ':']).next()) {
        timed.push(name.trim_start_matches('(').to_owned());
    }
    let bound = |after: &str| after.trim_start().trim_start_matches(')').trim_start().starts_with('<');
    let in_range = code.contains(".contains(&") && measured.is_some();
    let by_name = |name: &String| {
        code.match_indices(name.as_str()).any(|(at, name)| {
            bound(&code[at + name.len()..]) && !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
        })
    };
    let is_bound = measured.is_some_and(bound) || in_range || timed.iter().any(by_name);
    (is_bound && !is_wait && !goes_by_patience)
        .then_some("asserts speed: show it in virtual time, by order or by a count, or wait by patience(…)")
}

/// The breaches of one file. What a file's tests share runs as they do; alone it may run on any clock.
fn breaches(name: &str, text: &str) -> Vec<String> {
    let functions = functions(text);
    let tests = || functions.iter().filter(|function| function.is_test);
    let all_virtual = tests().count() > 0 && tests().all(|test| test.is_virtual);
    let mut found = Vec::new();
    for function in functions.iter().filter(|function| !function.is_virtual && (function.is_test || !all_virtual)) {
        let is_scaled = function.lines.iter().any(|(_, line)| line.contains("patience(within)"));
        let mut timed = Vec::new();
        for (n, line) in &function.lines {
            let code = line.trim();
            if code.starts_with("//") || code.contains("println!") {
                continue;
            }
            let why = breach(code, is_scaled && code.contains("within"), &mut timed);
            found.extend(why.map(|why| format!("{name}:{n} {why}:\n    {code}")));
        }
    }
    found
}

#[test]
fn no_test_asserts_speed_on_the_real_clock() {
    let in_folder = |folder: &'static str| {
        files(folder, &[".rs"]).into_iter().map(move |(name, text)| (format!("{folder}/{name}"), text))
    };
    let all = ["tests/it", "engine/src/testing"].into_iter().flat_map(in_folder);
    let all = all.filter(|(name, _)| !MAY.contains(&name.as_str()));
    assert_none(&all.flat_map(|(name, text)| breaches(&name, &text)).collect::<Vec<_>>());
}

#[test]
fn a_bound_of_ones_own_is_found_and_one_by_patience_is_not() {
    let on = |attribute: &str, code: &str| {
        breaches("x.rs", &format!("#[{attribute}]\nasync fn it_is_quick() {{\n    {code}\n}}\n")).len()
    };
    let refused = [
        "timeout(Duration::from_secs(5), call).await.unwrap();",
        "let answer = tokio::time::timeout(SOON, call).await;",
        "timeout_at(began + SOON, call).await.unwrap();",
        "assert!(began.elapsed() < seconds(3), \"slow\");",
        "assert!((began.elapsed()) <= seconds(3));",
        "assert!((seconds(1)..seconds(3)).contains(&began.elapsed()));",
        "if began.elapsed() < seconds(3) { return; }",
        "let took = began.elapsed();\n    assert!(took < seconds(3));",
        "assert!(\n        began.elapsed() < seconds(3),\n        \"slow\"\n    );",
    ];
    let allowed = [
        "timeout(patience(SOON), call).await.unwrap();",
        "let within = patience(within);\n    timeout(within, call).await.unwrap();",
        "assert!(began.elapsed() < patience(SOON));",
        "assert!(began.elapsed() >= seconds(1), \"too early\");",
        "println!(\"took {:?}\", began.elapsed());",
        "while began.elapsed() < OUTAGE {\n    }",
        "let took = began.elapsed();\n    assert!(mistook < 3 && took > seconds(3));",
        "config.set_connection_timeout(SECOND);",
        "// timeout(SOON, call) would not do",
    ];
    for code in refused {
        assert_eq!((on("tokio::test", code), on("tokio::test(start_paused = true)", code)), (1, 0), "{code}");
    }
    for code in allowed {
        assert_eq!(on("tokio::test", code), 0, "{code}");
    }
}
