//! Digits by INFO (RFC 6086, and the older use that RFC 2976 left open).

use std::time::Duration;

use bytes::Bytes;
use msp_core::id::{CallKey, LegId};
use msp_core::link::{Digit, ToMsp};
use msp_core::time::Instant;

use super::UserAgent;
use super::interface::CallEventKind;
use super::requests::Aside;
use crate::transaction::ServerId;
use crate::wire::{HeaderName, Method, Request, StatusCode};

/// Digits of one call that wait for their turn, at most.
const MAX_DIGITS: usize = 64;

/// How long a digit is pressed if nobody says.
const PRESSED: Duration = Duration::from_millis(160);

/// The longest digit that is believed.
const LONGEST: Duration = Duration::from_secs(10);

/// The type that most peers take.
const RELAY: &str = "application/dtmf-relay";

impl UserAgent {
    /// A digit that the media half has no way for: it travels by INFO, one at a time, for they have an order.
    pub(super) fn relay_digit(&mut self, now: Instant, key: CallKey, digit: Digit, held: Duration) {
        let call = self.calls.get_mut(&key).filter(|c| !c.is_over());
        let up = call.and_then(|c| c.chosen.is_some().then_some(c));
        match up {
            Some(call)
                if self.services.config.requests.info_digits && call.digits.len() < MAX_DIGITS =>
            {
                call.digits.push_back((digit, held));
                if call.digits.len() == 1 {
                    self.send_digit(now, key);
                }
            }
            _ => self.digit_lost(key, digit),
        }
    }

    fn digit_lost(&mut self, key: CallKey, digit: Digit) {
        self.services.stats.unsent_digits += 1;
        self.services.tell(key, CallEventKind::UnsentDigit(digit));
    }

    fn send_digit(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key).filter(|c| !c.is_over()) else {
            return;
        };
        let Some((digit, held)) = call.digits.front().copied() else {
            return;
        };
        let Some(leg) = call.confirmed() else { return };
        let leg_id = leg.id;
        let mut request = leg.dialog.request(Method::Info);
        request.headers.put(HeaderName::ContentType, RELAY);
        let body = format!("Signal={digit}\r\nDuration={}\r\n", held.as_millis());
        request.body = body.into();
        self.send_aside(now, key, leg_id, request, key, Aside::Digit(digit));
    }

    /// The peer answered our INFO.
    pub(super) fn digit_answered(
        &mut self,
        now: Instant,
        key: CallKey,
        digit: Digit,
        status: StatusCode,
    ) {
        let Some(call) = self.calls.get_mut(&key).filter(|c| !c.is_over()) else {
            return;
        };
        call.digits.pop_front();
        if !status.is_success() {
            self.digit_lost(key, digit);
        }
        self.send_digit(now, key);
    }

    /// An INFO within a call came. What has no body is an old way to see whether the call lives.
    pub(super) fn informed(
        &mut self,
        now: Instant,
        id: ServerId,
        request: &Request,
        key: CallKey,
        leg: LegId,
    ) {
        let headers = &request.headers;
        if headers.get(&HeaderName::InfoPackage).is_some() {
            // We are willing to receive none (RFC 6086 section 4.2.2).
            let mut refusal = self.services.refusal(headers, StatusCode::BAD_INFO_PACKAGE);
            refusal.headers.put(HeaderName::RecvInfo, "");
            self.services.stats.refused += 1;
            self.services.respond(now, id, &refusal);
            return;
        }
        let heard = match headers.content_type() {
            _ if request.body.is_empty() => None,
            Ok(Some(t)) if t.is("application", "dtmf-relay") => Some(relayed(&request.body)),
            Ok(Some(t)) if t.is("application", "dtmf") => Some(bare(&request.body)),
            _ => {
                let mut refusal = self
                    .services
                    .refusal(headers, StatusCode::UNSUPPORTED_MEDIA_TYPE);
                let accept = "application/dtmf-relay, application/dtmf";
                refusal.headers.put(HeaderName::Accept, accept);
                self.services.stats.refused += 1;
                self.services.respond(now, id, &refusal);
                return;
            }
        };
        let heard = match heard {
            Some(None) => {
                self.services
                    .refuse(now, id, request, StatusCode::BAD_REQUEST);
                return;
            }
            Some(heard) => heard,
            None => None,
        };
        let response = request.response(StatusCode::OK);
        self.services.respond(now, id, &response);
        let call = self.calls.get_mut(&key).filter(|c| !c.is_over());
        if let Some(((digit, duration), leg)) = heard.zip(call.and_then(|c| c.leg(leg))) {
            // The media half hears digits in other ways too, and tells them all.
            let body = ToMsp::Digit { digit, duration };
            self.services.msp(key, leg.id, leg.generation, body);
        }
    }
}

/// `Signal=` and `Duration=` in milliseconds, in any order, case and spacing.
fn relayed(body: &Bytes) -> Option<(Digit, Duration)> {
    let text = std::str::from_utf8(body).ok()?;
    let (mut digit, mut duration) = (None, PRESSED);
    for line in text.split(['\r', '\n']) {
        let Some((name, value)) = line.split_once(['=', ':']) else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("signal") {
            digit = key_of(value);
        } else if name.eq_ignore_ascii_case("duration")
            && let Ok(ms) = value.parse().map(Duration::from_millis)
        {
            duration = ms.min(LONGEST);
        }
    }
    Some((digit?, duration))
}

/// The key alone.
fn bare(body: &Bytes) -> Option<(Digit, Duration)> {
    let text = std::str::from_utf8(body).ok()?;
    Some((key_of(text.trim())?, PRESSED))
}

/// A key, or its event code (RFC 4733 table 7).
fn key_of(text: &str) -> Option<Digit> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Digit::from_char(c),
        (Some('1'), Some(_)) => text.parse().ok().and_then(Digit::from_event),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_as_peers_write_them() {
        let ms = Duration::from_millis;
        for (body, key, held) in [
            ("Signal=5\r\nDuration=160\r\n", '5', ms(160)),
            ("Signal= 5\r\nDuration= 250", '5', ms(250)),
            ("SIGNAL = *\nduration : 100\n", '*', ms(100)),
            ("Duration=99999999\r\nsignal:#", '#', LONGEST),
            ("Signal=10", '*', PRESSED),
            ("Signal=d\r\nDuration=x", 'D', PRESSED),
        ] {
            let (digit, duration) = relayed(&Bytes::from(body)).expect(body);
            assert_eq!((digit.to_char(), duration), (key, held), "{body}");
        }
        assert_eq!(bare(&Bytes::from(" 7\r\n")).unwrap().0.to_char(), '7');
        for bad in ["", "Signal=", "Signal=16", "Signal=55", "Duration=5", "x"] {
            assert!(relayed(&Bytes::from(bad)).is_none(), "{bad}");
        }
        assert!(bare(&Bytes::from_static(b"\xff")).is_none());
    }
}
