//! The bugs, by what finds them.

mod around;
mod described;
mod parts;
mod phone;
mod playout;
mod scripted;
mod simulated;
mod terminals;

use super::{Bug, Suite};

/// All of them. Their order gives them their numbers.
pub(super) fn all() -> Vec<&'static Bug> {
    let lists = [
        simulated::BUGS,
        scripted::BUGS,
        around::BUGS,
        parts::BUGS,
        described::BUGS,
        phone::BUGS,
        terminals::BUGS,
        playout::BUGS,
    ];
    lists.into_iter().flatten().collect()
}

/// Tests of `tsp-sip`.
const fn sip(file: Option<&'static str>) -> Suite {
    Suite {
        package: "tsp-sip",
        folder: "crates/tsp-sip",
        file,
    }
}

/// One that networks of phones find, which nobody wrote a script for.
const fn simulated(
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    let suite = sip(Some("simulation"));
    Bug {
        what,
        file,
        place,
        to,
        suite,
        test: None,
    }
}

const fn found_by(
    suite: Suite,
    test: &'static str,
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    Bug {
        what,
        file,
        place,
        to,
        suite,
        test: Some(test),
    }
}

/// One that a peer finds which speaks by literal bytes.
const fn scripted(
    test: &'static str,
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    found_by(sip(Some("scripted")), test, what, file, place, to)
}

/// One that the rules which all providers share find.
const fn shared(
    test: &'static str,
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    let suite = Suite {
        package: "msp-core",
        folder: "crates/msp-core",
        file: Some("provider"),
    };
    found_by(suite, test, what, file, place, to)
}

/// One that the tests of streams that flow find.
const fn connected(
    test: &'static str,
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    let suite = Suite {
        package: "msp-engine",
        folder: "crates/msp-engine",
        file: Some("media"),
    };
    found_by(suite, test, what, file, place, to)
}

/// One that a playout which adapts finds.
const fn played(
    file: Option<&'static str>,
    test: &'static str,
    what: &'static str,
    at: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    let suite = Suite {
        package: "msp-rtp",
        folder: "crates/msp-rtp",
        file,
    };
    found_by(suite, test, what, at, place, to)
}

/// One that a test of terminals finds.
const fn terminal(
    test: &'static str,
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    let suite = Suite {
        package: "msp-terminals",
        folder: "crates/terminals",
        file: None,
    };
    found_by(suite, test, what, file, place, to)
}

/// One that a test beside the code finds.
const fn beside(
    test: &'static str,
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    found_by(sip(None), test, what, file, place, to)
}

/// One that the test of a file of `tsp-sip` finds.
const fn of_file(
    suite: &'static str,
    test: &'static str,
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    found_by(sip(Some(suite)), test, what, file, place, to)
}

/// One that packets under SRTP find.
const fn secured(
    test: &'static str,
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    let suite = Suite {
        package: "msp-rtp",
        folder: "crates/msp-rtp",
        file: Some("secured"),
    };
    found_by(suite, test, what, file, place, to)
}

/// One that session descriptions find.
const fn described(
    test: &'static str,
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    let suite = Suite {
        package: "tsp-sdp",
        folder: "crates/sdp",
        file: Some("it"),
    };
    found_by(suite, test, what, file, place, to)
}

/// One that whole phones find, over sockets.
const fn phone(
    suite: &'static str,
    test: &'static str,
    what: &'static str,
    file: &'static str,
    place: &'static str,
    to: &'static str,
) -> Bug {
    let suite = Suite {
        package: "tipring",
        folder: "crates/tipring",
        file: Some(suite),
    };
    found_by(suite, test, what, file, place, to)
}
