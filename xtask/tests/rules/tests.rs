//! Every rule is shown something that breaks it, and something near that does not.

use super::*;

fn edge(from: &str, to: &str, ships: bool) -> Edge {
    Edge {
        from: from.into(),
        to: to.into(),
        ships,
    }
}

#[test]
fn members_in_another_order_are_seen() {
    let swapped = "members = [\n    \"crates/netsim\",\n    \"crates/msp-core\",\n]\n";
    assert_eq!(members_out_of_order(swapped).len(), 1);
}

#[test]
fn a_crate_without_a_place_is_seen() {
    assert_eq!(unknown_crates(&["tipring".into(), "utils".into()]).len(), 1);
}

#[test]
fn a_crate_that_looks_down_is_seen() {
    assert_eq!(
        against_the_order(&[edge("msp-core", "tipring", true)]).len(),
        1
    );
    assert_eq!(
        against_the_order(&[edge("msp-rtp", "tsp-sip", false)]).len(),
        1
    );
    assert_eq!(
        against_the_order(&[edge("msp-rtp", "msp-rtp", false)]).len(),
        1
    );
    assert!(against_the_order(&[edge("tipring", "msp-core", true)]).is_empty());
}

#[test]
fn an_acquaintance_of_the_halves_is_seen_through_others() {
    let edges = [
        edge("tsp-sip", "msp-terminals", true),
        edge("msp-terminals", "msp-engine", true),
    ];
    assert_eq!(reaches(&edges, "tsp-sip", "msp-engine").len(), 1);
    let in_tests = [edge("tsp-sip", "msp-engine", false)];
    assert!(reaches(&in_tests, "tsp-sip", "msp-engine").is_empty());
}

#[test]
fn words_of_signalling_are_seen_as_whole_words() {
    let path = Path::new("crates/msp-core/src/lib.rs");
    assert_eq!(
        signalling_words(path, "/// The SIP call.\n/// See RFC 3261 17.").len(),
        2
    );
    assert!(
        signalling_words(
            path,
            "/// Sipping tea, gossip, a disinvited guest, RFC 3550."
        )
        .is_empty()
    );
}

#[test]
fn unsafe_code_and_a_root_that_allows_it_are_seen() {
    let lib = Path::new("crates/codecs/src/lib.rs");
    assert_eq!(unsafe_outside_home(lib, "pub fn f() {}").len(), 1);
    assert_eq!(
        unsafe_outside_home(lib, "#![forbid(unsafe_code)]\nfn f() { unsafe { g() } }").len(),
        1
    );
    assert!(unsafe_outside_home(lib, "#![forbid(unsafe_code)]\n// no unsafe here").is_empty());
    assert!(
        unsafe_outside_home(Path::new("crates/msp-engine/src/sys.rs"), "unsafe { f() }").is_empty()
    );
}

#[test]
fn a_long_file_is_seen_and_its_tests_do_not_count() {
    let path = Path::new("crates/codecs/src/long.rs");
    let code = "fn f() {}\n";
    assert_eq!(too_long(path, &code.repeat(801)).len(), 1);
    assert!(too_long(path, &code.repeat(800)).is_empty());
    let with_tests = format!(
        "{}#[cfg(test)]\nmod tests {{\n{}}}\n",
        code.repeat(700),
        code.repeat(700)
    );
    assert!(too_long(path, &with_tests).is_empty());
    assert!(
        too_long(
            Path::new("crates/codecs/src/long/tests.rs"),
            &code.repeat(900)
        )
        .is_empty()
    );
}

#[test]
fn what_is_left_for_later_is_seen() {
    let path = Path::new("docs/guide.md");
    for mark in [
        concat!("// TO", "DO: later"),
        concat!("# FIX", "ME"),
        concat!("    to", "do!()"),
    ] {
        assert_eq!(left_for_later(path, mark).len(), 1, "{mark}");
    }
    assert!(left_for_later(path, "the Todos of Spain; METHODOLOGY").is_empty());
}

#[test]
fn a_second_version_is_seen() {
    assert_eq!(
        second_version(Path::new("crates/msp-dsp/src/mixer_v2.rs")).len(),
        1
    );
    assert_eq!(
        second_version(Path::new("crates/msp-dsp/src/mixer.rs.orig")).len(),
        1
    );
    assert!(second_version(Path::new("crates/msp-dsp/src/renewal.rs")).is_empty());
}

#[test]
fn a_path_of_a_machine_is_seen() {
    let path = Path::new("docs/guide.md");
    assert_eq!(
        machine_paths(path, concat!("see /ho", "me/someone/x.wav")).len(),
        1
    );
    assert!(
        machine_paths(
            path,
            "see docs/measurements.md, rework/ and ../shared/corpora"
        )
        .is_empty()
    );
}
