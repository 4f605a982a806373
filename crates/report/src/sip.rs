//! A reader's view of the messages of the signalling.

use std::collections::HashSet;
use std::net::SocketAddr;

use bytes::Bytes;
use msp_core::time::Instant;
use msp_core::trace::{TraceBody, TraceEntry, Way};
use tsp_sdp::SessionDescription;
use tsp_sip::wire::{HeaderName, Headers, Message, is_keep_alive};

/// One message of a trace.
#[derive(Clone, Debug)]
pub(crate) struct Signal<'a> {
    pub(crate) at: Instant,
    pub(crate) way: Way,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) transport: &'static str,
    pub(crate) bytes: &'a [u8],
    pub(crate) message: Option<Message>,
}

impl<'a> Signal<'a> {
    /// The message of `entry`; `None` for any other entry, and for line breaks that only keep a path open.
    pub(crate) fn of(entry: &'a TraceEntry) -> Option<Self> {
        let TraceBody::Signal {
            way,
            local,
            remote,
            transport,
            bytes,
        } = &entry.body
        else {
            return None;
        };
        if is_keep_alive(bytes) {
            return None;
        }
        Some(Self {
            at: entry.at,
            way: *way,
            local: *local,
            remote: *remote,
            transport,
            bytes,
            message: Message::parse(&Bytes::copy_from_slice(bytes)).ok(),
        })
    }

    pub(crate) fn all(entries: &'a [TraceEntry]) -> Vec<Self> {
        entries.iter().filter_map(Self::of).collect()
    }

    /// Its first line in short: `INVITE`, `200 OK`, or that it is none of SIP.
    pub(crate) fn title(&self) -> String {
        match &self.message {
            Some(Message::Request(request)) => request.method.as_str().to_owned(),
            Some(Message::Response(response)) => {
                format!("{} {}", response.status.code(), response.reason.as_str())
                    .trim_end()
                    .to_owned()
            }
            None => "unreadable message".to_owned(),
        }
    }

    fn headers(&self) -> Option<&Headers> {
        self.message.as_ref().map(Message::headers)
    }

    pub(crate) fn call_id(&self) -> Option<String> {
        Some(self.headers()?.call_id().ok()?.as_str().to_owned())
    }

    /// Number and method of its transaction.
    pub(crate) fn cseq(&self) -> Option<(u32, String)> {
        let cseq = self.headers()?.cseq().ok()?;
        Some((cseq.number, cseq.method.as_str().to_owned()))
    }

    fn is_of(&self, method: &str) -> bool {
        self.cseq().is_some_and(|(_, m)| m == method)
    }

    /// Whether it is a request of `method`.
    pub(crate) fn is_request(&self, method: &str) -> bool {
        matches!(&self.message, Some(Message::Request(r)) if r.method.as_str() == method)
    }

    /// Whether it takes a call.
    pub(crate) fn is_answer(&self) -> bool {
        self.status_of("INVITE")
            .is_some_and(|status| (200..300).contains(&status))
    }

    /// Its status if it answers a request of `method`.
    pub(crate) fn status_of(&self, method: &str) -> Option<u16> {
        match &self.message {
            Some(Message::Response(r)) if self.is_of(method) => Some(r.status.code()),
            _ => None,
        }
    }

    /// Who is on the other end, as the message names it.
    pub(crate) fn peer(&self) -> Option<String> {
        let headers = self.headers()?;
        let from_us = matches!(self.message, Some(Message::Request(_))) == (self.way == Way::Out);
        let address = if from_us {
            headers.to()
        } else {
            headers.from()
        }
        .ok()?;
        let display = address.display();
        if !display.trim().is_empty() {
            return Some(display.trim().to_owned());
        }
        let uri = address.uri();
        uri.user()
            .map(|u| u.into_owned())
            .or_else(|| uri.raw_host().map(ToOwned::to_owned))
    }

    /// The same, by its address if the message does not name it, and never what `own` is called: two ends of one name could
    /// not be told apart.
    pub(crate) fn other_end(&self, own: &str) -> String {
        let name = self.peer().unwrap_or_else(|| self.remote.to_string());
        match name == own {
            true => format!("{name} (peer)"),
            false => name,
        }
    }

    /// The product that the sender says it is.
    pub(crate) fn product(&self) -> Option<String> {
        let headers = self.headers()?;
        let value = headers
            .get(&HeaderName::UserAgent)
            .or_else(|| headers.get(&HeaderName::Server))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// The session description that it carries.
    pub(crate) fn description(&self) -> Option<SessionDescription> {
        let message = self.message.as_ref()?;
        let kind = message.headers().content_type().ok()??;
        if !kind.is("application", "sdp") {
            return None;
        }
        SessionDescription::parse(message.body()).ok()
    }
}

/// The Call-ID of the call that messages are about: the first that was answered, else the first at all. Strangers may have
/// tried their luck before.
pub(crate) fn the_call<'s, 'a: 's>(
    signals: impl Iterator<Item = &'s Signal<'a>>,
) -> Option<String> {
    let mut signals: Vec<_> = signals.collect();
    signals.sort_by_key(|s| s.at);
    let answered = signals.iter().filter(|s| s.is_answer());
    let answered: HashSet<String> = answered.filter_map(|s| s.call_id()).collect();
    let mut invited = signals
        .iter()
        .filter(|s| s.is_request("INVITE"))
        .filter_map(|s| s.call_id());
    let first = invited.clone().next();
    invited.find(|id| answered.contains(id)).or(first)
}

/// Whom the call that `signals` are about was with, seen from `own`.
pub(crate) fn peer(signals: &[Signal<'_>], own: &str) -> Option<String> {
    let call_id = the_call(signals.iter());
    let of_call = signals.iter().find(|s| s.call_id() == call_id);
    let signal = of_call.or_else(|| signals.first())?;
    Some(signal.other_end(own))
}
