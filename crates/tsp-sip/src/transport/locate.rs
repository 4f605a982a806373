//! Where a request goes: from a host, and what DNS says of it, to transports, addresses and ports in the order in which
//! they are tried (RFC 3263 sections 4.1 and 4.2).
//!
//! A [`Search`] asks one question after the other and reads no socket; whoever runs it has the answers.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::Transport;
use crate::wire::Host;

/// Ways to one host, and hosts that records name, at most.
pub(crate) const MOST_WAYS: usize = 16;

/// Records of an answer that are looked at.
const MOST_RECORDS: usize = 64;

/// What DNS is asked. Names of [`Naptr`](Self::Naptr) and [`Srv`](Self::Srv) are absolute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    /// Which services a domain has.
    Naptr(Box<str>),
    /// Which hosts a service has.
    Srv(Box<str>),
    /// Which addresses a host has.
    Addresses(Box<str>),
}

/// What DNS says. No answer is an empty one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Naptr(Vec<Naptr>),
    Srv(Vec<Srv>),
    /// In the order in which they are tried.
    Addresses(Vec<IpAddr>),
}

/// A service of a domain (RFC 3403 section 4.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Naptr {
    pub(crate) order: u16,
    pub(crate) preference: u16,
    pub(crate) flags: Box<str>,
    pub(crate) services: Box<str>,
    pub(crate) has_expression: bool,
    pub(crate) replacement: Box<str>,
}

/// A host of a service (RFC 2782).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Srv {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    pub(crate) target: Box<str>,
}

/// A search for the ways to a host.
#[derive(Debug)]
pub(crate) struct Search {
    host: Box<str>,
    /// The transports that will do, best first.
    transports: Vec<Transport>,
    steps: VecDeque<Step>,
    /// What the domain itself is asked for if no record of a service is there.
    fallback: Option<Transport>,
    found: Vec<(Transport, SocketAddr)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    Naptr,
    Srv(Transport, Box<str>),
    Addresses(Transport, Box<str>, u16),
}

impl Search {
    /// Begins a search for `host`. `port` and `transport` are what the URI says, `have` the transports that we speak, best
    /// first. The addresses of a `local` host are known without its domain, so no services are looked for.
    pub(crate) fn new(
        host: &Host,
        port: Option<u16>,
        transport: Option<Transport>,
        have: &[Transport],
        local: bool,
    ) -> Self {
        let plain = transport.unwrap_or(Transport::Udp);
        let mut search = Self {
            host: Box::default(),
            transports: match transport {
                Some(transport) => vec![transport],
                None => have.to_vec(),
            },
            steps: VecDeque::new(),
            fallback: None,
            found: Vec::new(),
        };
        let written = port.unwrap_or_else(|| plain.default_port());
        match host {
            Host::Ip(ip) => search.found.push((plain, SocketAddr::new(*ip, written))),
            Host::Name(name) => {
                search.host = name.as_str().trim_end_matches('.').into();
                if port.is_some() || local {
                    let step = Step::Addresses(plain, search.host.clone(), written);
                    search.steps.push_back(step);
                } else if transport.is_none_or(|t| t == Transport::Tls) {
                    // A sips URI names no transport, and may be served under another name.
                    search.fallback = Some(plain);
                    search.steps.push_back(Step::Naptr);
                } else {
                    search.fallback = Some(plain);
                    search.ask_usual_services();
                }
            }
        }
        search
    }

    /// What to ask next, to be answered by [`answer`](Self::answer); `None` once all is known.
    pub(crate) fn question(&self) -> Option<Question> {
        Some(match self.steps.front()? {
            Step::Naptr => Question::Naptr(absolute(&self.host)),
            Step::Srv(_, name) => Question::Srv(name.clone()),
            Step::Addresses(_, host, _) => Question::Addresses(host.clone()),
        })
    }

    /// Takes what is said to the last question. `random` gives a number from 0 to the one that it is handed, both
    /// included.
    pub(crate) fn answer(&mut self, answer: Answer, random: impl FnMut(u64) -> u64) {
        match (self.steps.pop_front(), answer) {
            (Some(Step::Naptr), Answer::Naptr(records)) => {
                let services = services(records, &self.transports);
                if services.is_empty() {
                    self.ask_usual_services();
                } else {
                    self.fallback = services.first().map(|(t, _)| *t);
                    let steps = services.into_iter().map(|(t, name)| Step::Srv(t, name));
                    self.steps.extend(steps);
                }
            }
            (Some(Step::Srv(transport, _)), Answer::Srv(records)) => {
                // Whoever has records of a service, be it that there is none, means them.
                if !records.is_empty() {
                    self.fallback = None;
                }
                for srv in arranged(records, random) {
                    self.ask_address(transport, srv.target, srv.port);
                }
            }
            (Some(Step::Addresses(transport, _, port)), Answer::Addresses(addresses)) => {
                for ip in addresses {
                    let way = (transport, SocketAddr::new(ip, port));
                    if self.found.len() < MOST_WAYS && !self.found.contains(&way) {
                        self.found.push(way);
                    }
                }
            }
            // An answer to something else tells nothing.
            _ => {}
        }
        self.fall_back();
    }

    /// Nobody answers questions about services: the host's own addresses have to do.
    pub(crate) fn skip_services(&mut self) {
        self.steps.retain(|s| matches!(s, Step::Addresses(..)));
        self.fall_back();
    }

    /// What was found by now, best first.
    pub(crate) fn found(self) -> Vec<(Transport, SocketAddr)> {
        self.found
    }

    fn fall_back(&mut self) {
        if self.steps.is_empty()
            && let Some(transport) = self.fallback.take()
        {
            self.ask_address(transport, self.host.clone(), transport.default_port());
        }
    }

    /// Asks for the services under the names that they have where none is said (RFC 3263 section 4.1).
    fn ask_usual_services(&mut self) {
        let host = absolute(&self.host);
        let steps = self.transports.iter().map(|transport| {
            let service = match transport {
                Transport::Udp => "_sip._udp.",
                Transport::Tcp => "_sip._tcp.",
                Transport::Tls => "_sips._tcp.",
            };
            Step::Srv(*transport, format!("{service}{host}").into())
        });
        self.steps.extend(steps);
    }

    fn ask_address(&mut self, transport: Transport, host: Box<str>, port: u16) {
        let known = |s: &&Step| matches!(s, Step::Addresses(..));
        if self.steps.iter().filter(known).count() < MOST_WAYS {
            self.steps.push_back(Step::Addresses(transport, host, port));
        }
    }
}

/// The services that will do, best first: those of the lowest order that has any. Others are not for when these fail
/// (RFC 3403 section 4.1): who stops TLS from working shall not get the words in clear.
fn services(mut records: Vec<Naptr>, transports: &[Transport]) -> Vec<(Transport, Box<str>)> {
    records.truncate(MOST_RECORDS);
    records.retain(|r| r.flags.eq_ignore_ascii_case("s") && !r.has_expression);
    records.sort_by_key(|r| (r.order, r.preference));
    let usable = records.into_iter().filter_map(|r| {
        let transport = service(&r.services).filter(|t| transports.contains(t))?;
        Some((r.order, transport, r.replacement))
    });
    let mut best = None;
    let mut all: Vec<(Transport, Box<str>)> = Vec::new();
    for (order, transport, name) in usable {
        let here = *best.get_or_insert(order) == order;
        if here && all.len() < transports.len() && !all.iter().any(|(_, n)| *n == name) {
            all.push((transport, name));
        }
    }
    all
}

/// The transport of a service (RFC 3263 section 4.1).
fn service(name: &str) -> Option<Transport> {
    let all = [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
    ];
    let same = all.iter().find(|(n, _)| name.eq_ignore_ascii_case(n))?;
    Some(same.1)
}

/// Hosts of a service in the order in which they are tried (RFC 2782): by priority, and of one priority as chance has
/// it, those of more weight likelier first. The one that says that there is no such service is left out.
fn arranged(mut records: Vec<Srv>, mut random: impl FnMut(u64) -> u64) -> Vec<Srv> {
    records.truncate(MOST_RECORDS);
    records.retain(|r| !r.target.trim_end_matches('.').is_empty());
    records.sort_by_key(|r| (r.priority, r.weight != 0));
    let mut all = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|r| r.priority) {
        let same = records.iter().take_while(|r| r.priority == priority);
        let sum: u64 = same.clone().map(|r| u64::from(r.weight)).sum();
        let chosen = random(sum);
        let mut running = 0;
        let reaches = |r: &Srv| {
            running += u64::from(r.weight);
            running >= chosen
        };
        let at = same.clone().position(reaches).unwrap_or_default();
        all.push(records.remove(at));
    }
    all
}

/// The name of a domain that no other is put after.
fn absolute(host: &str) -> Box<str> {
    format!("{host}.").into()
}
