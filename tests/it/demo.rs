//! The demo: the road from shadow to enforce, walked by the binary itself.
//!
//! It refuses to repeat what the demo checks. Invariant: a demo that says "ok" has refused a real call, and leaves
//! nothing behind.

use serde_json::Value;

use crate::support::home::Home;

#[test]
fn the_demo_walks_from_shadow_to_enforce_and_leaves_nothing() {
    let told = Home::new().run(&["demo", "--json"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let story = told.json();
    assert_eq!((&story["ok"], &story["error"]), (&Value::Bool(true), &Value::Null), "{story}");
    let steps = story["steps"].as_array().unwrap();
    let facts = |step: &str| &steps.iter().find(|told| told["step"] == step).unwrap()["facts"];
    assert_eq!(facts("shadow")["row"]["verdict"], "deny");
    assert_eq!(facts("shadow")["row"]["outcome"], "forwarded");
    assert_eq!(facts("shadow")["note_exists"], false, "shadow stops nothing");
    assert_eq!(facts("enforce")["note_exists"], true, "enforce does");
    assert!(facts("enforce").to_string().contains("-32001"), "{story}");
    assert_eq!(story["folder"], Value::Null, "nothing is left to name");
}

#[test]
fn the_demo_that_people_read_has_no_colour_where_none_is_wanted() {
    let told = Home::new().run(&["demo"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.contains("WOULD DENY") && told.out.contains("BLOCKED"), "{}", told.out);
    assert!(!told.out.contains('\u{1b}'), "{}", told.out);
}
