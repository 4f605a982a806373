//! Why a call ended, from a status and from Reason (RFC 3326): one cause for what servers say in many ways.

use super::interface::EndCause;
use crate::wire::{Headers, Reason, StatusCode};

/// The cause of a refusal. A status that says what is the matter is believed; where it says little, a Reason of the
/// telephone network may say more.
pub(super) fn of_refusal(status: StatusCode, headers: &Headers) -> EndCause {
    if elsewhere(headers) {
        return EndCause::CompletedElsewhere;
    }
    let by_status = match status.code() {
        300..400 => EndCause::Forwarded,
        486 | 600 => EndCause::Busy,
        404 | 410 | 416 | 484 | 485 | 604 => EndCause::BadAddress,
        408 | 480 => EndCause::NoAnswer,
        487 => EndCause::Cancelled,
        403 | 603 => EndCause::Declined,
        415 | 488 | 606 => EndCause::Incompatible,
        433 | 607 | 608 => EndCause::Blocked,
        503 => EndCause::Congestion,
        _ => EndCause::Refused,
    };
    let vague = matches!(
        by_status,
        EndCause::Refused | EndCause::NoAnswer | EndCause::Congestion | EndCause::Cancelled
    );
    of_network(headers).filter(|_| vague).unwrap_or(by_status)
}

/// The call was taken at another phone (RFC 3326 section 2).
pub(super) fn elsewhere(headers: &Headers) -> bool {
    let taken = |r: &Reason| r.is_of(Reason::SIP) && r.cause == Some(200);
    headers.reasons().any(|r| taken(&r))
        || of_network(headers) == Some(EndCause::CompletedElsewhere)
}

/// What a cause of ITU-T Q.850 says.
fn of_network(headers: &Headers) -> Option<EndCause> {
    let of_isup = |r: Reason| r.cause.filter(|_| r.is_of(Reason::Q850));
    Some(match headers.reasons().find_map(of_isup)? {
        17 => EndCause::Busy,
        1 | 22 | 28 => EndCause::BadAddress,
        18..=20 => EndCause::NoAnswer,
        21 => EndCause::Declined,
        26 => EndCause::CompletedElsewhere,
        34 | 38 | 41 | 42 | 47 => EndCause::Congestion,
        65 | 79 | 88 => EndCause::Incompatible,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::HeaderName;

    #[test]
    fn a_status_that_says_enough_is_believed_and_a_reason_says_the_rest() {
        let cause = |code, reason: &'static str| {
            let mut headers = Headers::new();
            if !reason.is_empty() {
                headers.put(HeaderName::Reason, reason);
            }
            of_refusal(StatusCode::new(code).unwrap(), &headers)
        };
        for (code, reason, wanted) in [
            (302, "", EndCause::Forwarded),
            (486, "", EndCause::Busy),
            (600, "", EndCause::Busy),
            (404, "", EndCause::BadAddress),
            (484, "", EndCause::BadAddress),
            (480, "", EndCause::NoAnswer),
            (480, "Q.850;cause=17", EndCause::Busy),
            (486, "Q.850;cause=21", EndCause::Busy),
            (603, "", EndCause::Declined),
            (503, "", EndCause::Congestion),
            (500, "Q.850;cause=34", EndCause::Congestion),
            (503, "Q.850;cause=1", EndCause::BadAddress),
            (500, "Q.850;cause=127", EndCause::Refused),
            (488, "", EndCause::Incompatible),
            (608, "", EndCause::Blocked),
            (
                487,
                "SIP;cause=200;text=\"Call completed elsewhere\"",
                EndCause::CompletedElsewhere,
            ),
            (487, "Q.850;cause=26", EndCause::CompletedElsewhere),
            (487, "", EndCause::Cancelled),
            (420, "", EndCause::Refused),
        ] {
            assert_eq!(cause(code, reason), wanted, "{code} {reason}");
        }
    }
}
