//! Profiles: each switch, and where its effect on the wire is shown.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tipring::Profile;

/// The name of a switch, a file of tests beside this crate, and the test in it.
const SHOWN: [(&str, &str, &str); 14] = [
    (
        "codecs",
        "cli/tests/profile.rs",
        "each_profile_is_seen_in_the_invite",
    ),
    (
        "early-media",
        "tsp-sip/tests/scripted/forked.rs",
        "a_policy_decides_whose_early_media_are_heard",
    ),
    (
        "identity",
        "tsp-sip/tests/scripted/identity.rs",
        "a_policy_says_which_field_carries_who_calls",
    ),
    (
        "info-digits",
        "tsp-sip/tests/scripted/message.rs",
        "digits_that_media_cannot_carry_go_by_info_one_by_one",
    ),
    (
        "instant-transfers",
        "tsp-sip/tests/scripted/transfer.rs",
        "peers_that_wait_for_nothing_else_are_told_at_once",
    ),
    (
        "lock-codec",
        "tsp-sip/tests/scripted/hold.rs",
        "one_codec_is_locked_by_a_further_offer",
    ),
    (
        "long-by-tcp",
        "tsp-sip/tests/scripted/long.rs",
        "settings_keep_long_requests_on_udp",
    ),
    (
        "numbers",
        "tsp-sip/tests/scripted/numbers.rs",
        "a_number_goes_to_the_provider_as_it_wants_it",
    ),
    (
        "optional-keys",
        "tsp-sip/tests/scripted/secured.rs",
        "who_refuses_the_secure_profile_is_called_in_the_clear_if_it_may_be",
    ),
    (
        "refresh-by",
        "tsp-sip/tests/scripted/timer.rs",
        "we_refresh_a_session",
    ),
    (
        "reliable",
        "tsp-sip/tests/scripted/reliable.rs",
        "a_policy_decides_whether_responses_are_acknowledged",
    ),
    (
        "send-replaces",
        "tsp-sip/tests/scripted/transfer.rs",
        "a_peer_that_takes_no_replaces_is_passed_on_without",
    ),
    (
        "session-min",
        "tsp-sip/tests/scripted/timer.rs",
        "we_ask_for_a_session_timer",
    ),
    (
        "srtp",
        "tsp-sip/tests/scripted/secured.rs",
        "our_offer_has_keys_only_where_it_may",
    ),
];

// Shows: every switch of a profile has a test of its effect on the wire
#[test]
fn every_switch_is_shown_on_the_wire() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for profile in Profile::all() {
        for switch in profile.switches() {
            let shown = SHOWN.iter().find(|(name, ..)| *name == switch.name);
            let (_, file, test) = shown.unwrap();
            let text = std::fs::read_to_string(format!("{root}/{file}")).unwrap();
            assert!(text.contains(&format!("fn {test}(")), "{file}: {test}");
        }
    }
}
