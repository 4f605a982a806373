//! Bugs of the playout that adapts.

use super::played;
use crate::mutate::Bug;

pub(super) const BUGS: &[Bug] = &[
    played(
        None,
        "playout::tests::adaptive::packets_that_come_late_together_are_played_from_their_start",
        "what came late is left out although there is time for it",
        "crates/msp-rtp/src/playout/adapt.rs",
        "            if «late > 0» {",
        "false",
    ),
    played(
        None,
        "playout::tests::adaptive::what_was_made_up_is_counted_by_its_cause",
        "what came late counts as lost",
        "crates/msp-rtp/src/playout/adapt.rs",
        "            stats.concealed_late += «moved»;",
        "0",
    ),
    played(
        Some("adaptive"),
        "jitter_that_comes_and_goes_is_followed_both_ways",
        "a delay that is too long stays",
        "crates/msp-rtp/src/playout/adapt.rs",
        "        if «surplus == 0» {",
        "surplus >= 0",
    ),
    played(
        Some("adaptive"),
        "jitter_of_60_ms_is_waited_for_and_no_longer",
        "what comes late costs nothing",
        "crates/msp-rtp/src/playout/delay.rs",
        "            let cost = bin as f32 + «self.price * late / known»;",
        "0.0",
    ),
];
