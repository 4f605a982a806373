//! What DNS and the system say of hosts.
//!
//! Answers are kept as long as they say themselves, those that there is nothing included, in a bounded cache.

#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Hosts, TokioResolver};
use tokio::time::{Instant, timeout_at};

use crate::call::Target;
use crate::transport::Transport;
use crate::transport::locate::{Answer, Naptr, Question, Search, Srv};
use crate::wire::Host;

/// How long a search may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The part of that which a question about services may take: what forwards names in small networks drops such questions.
const SERVICE_PART: u32 = 3;

/// When a question is asked again that nobody answers, and how often.
const ASK_AGAIN: Duration = Duration::from_millis(700);
const REPEATS: usize = 2;

/// Answers that are kept at most.
const CACHE: u64 = 1024;

/// How long an answer is kept at most, and how long one that there is nothing.
const MOST_TTL: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_NEGATIVE_TTL: Duration = Duration::from_secs(5 * 60);

/// The files that the system's settings are read from.
const SETTINGS: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Whom names are asked of.
#[derive(Clone, Debug)]
pub(super) struct Names {
    servers: Servers,
    patience: Duration,
    /// When the settings were changed that were read.
    read: [Option<SystemTime>; 2],
}

#[derive(Clone, Debug)]
enum Servers {
    /// Those of the system; none if it has none, then it is asked itself.
    System(Option<TokioResolver>),
    Given(TokioResolver),
}

/// Why a host was not found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    Unknown,
    Silence,
    Failure(String),
}

impl Names {
    /// Names as the system has them.
    pub(super) fn of_system() -> Self {
        let read = changes();
        let settings = read_system_conf().ok();
        let dns = settings.and_then(|(config, options)| resolver(config, options));
        Self {
            servers: Servers::System(dns),
            patience: PATIENCE,
            read,
        }
    }

    /// Names as these servers have them; the system's if there are none.
    pub(super) fn of_servers(servers: &[SocketAddr]) -> Self {
        let server = |address: &SocketAddr| {
            let both = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = both.map(|mut connection| {
                connection.port = address.port();
                connection
            });
            NameServerConfig::new(address.ip(), true, connections.into())
        };
        let all: Vec<_> = servers.iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), all);
        let given = resolver(config, ResolverOpts::default()).filter(|_| !servers.is_empty());
        match given {
            Some(resolver) => Self {
                servers: Servers::Given(resolver),
                patience: PATIENCE,
                read: [None; 2],
            },
            None => Self::of_system(),
        }
    }

    /// Reads the system's settings again if they were changed: machines move from network to network.
    pub(super) fn refresh(&mut self) {
        if matches!(self.servers, Servers::System(_)) && changes() != self.read {
            *self = Self::of_system();
        }
    }

    /// The ways to `target` in the order in which they are tried, by transports that are in `have`, which has the best
    /// first.
    pub(super) async fn locate(
        &self,
        target: &Target,
        have: &[Transport],
    ) -> Result<Vec<(Transport, SocketAddr)>, Trouble> {
        let local = match &target.host {
            Host::Name(name) => self.is_local(name.as_str()),
            Host::Ip(_) => true,
        };
        let mut search = Search::new(&target.host, target.port, target.transport, have, local);
        let end = Instant::now() + self.patience;
        let mut trouble = Trouble::Unknown;
        while let Some(question) = search.question() {
            let by = match question {
                Question::Addresses(_) => end,
                _ => end.min(Instant::now() + self.patience / SERVICE_PART),
            };
            let said = timeout_at(by, self.ask(&question, local)).await;
            match said.unwrap_or(Err(Trouble::Silence)) {
                Ok(answer) => search.answer(answer, random),
                Err(Trouble::Silence) if matches!(question, Question::Srv(_)) => {
                    search.skip_services();
                }
                Err(why) => {
                    if why != Trouble::Unknown {
                        trouble = why;
                    }
                    search.answer(question.nothing(), random);
                }
            }
        }
        let found = search.found();
        match found.is_empty() {
            true => Err(trouble),
            false => Ok(found),
        }
    }

    /// Whether the system has a host by itself: names of this machine and of its neighbours are no domains.
    fn is_local(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let neighbour = !name.contains('.') || name.ends_with(".local");
        if neighbour || name.ends_with(".localhost") {
            return true;
        }
        let Ok(name) = Name::from_ascii(&name) else {
            return true;
        };
        let hosts = Hosts::from_system().unwrap_or_default();
        let known = |kind| {
            let query = Query::query(name.clone(), kind);
            hosts.lookup_static_host(&query).is_some()
        };
        known(RecordType::A) || known(RecordType::AAAA)
    }

    async fn ask(&self, question: &Question, local: bool) -> Result<Answer, Trouble> {
        let dns = match &self.servers {
            Servers::Given(dns) | Servers::System(Some(dns)) if !local => Some(dns),
            _ => None,
        };
        let Some(dns) = dns else {
            let Question::Addresses(host) = question else {
                return Ok(question.nothing());
            };
            let found = tokio::net::lookup_host((&**host, 0)).await;
            let found = found.map_err(|_| Trouble::Unknown)?;
            return Ok(Answer::Addresses(found.map(|a| a.ip()).collect()));
        };
        let (name, kind) = match question {
            Question::Naptr(name) => (name, RecordType::NAPTR),
            Question::Srv(name) => (name, RecordType::SRV),
            Question::Addresses(host) => {
                let host = Name::from_ascii(host).map_err(|_| Trouble::Unknown)?;
                let found = dns.lookup_ip(host).await.map_err(trouble)?;
                return Ok(Answer::Addresses(found.iter().collect()));
            }
        };
        let name = Name::from_ascii(name).map_err(|_| Trouble::Unknown)?;
        let found = dns.lookup(name, kind).await.map_err(trouble)?;
        let data = found.answers().iter().map(|r| &r.data);
        Ok(match kind {
            RecordType::NAPTR => Answer::Naptr(data.filter_map(naptr).collect()),
            _ => Answer::Srv(data.filter_map(srv).collect()),
        })
    }
}

impl Trouble {
    /// What is the matter with `host`, and what to do.
    pub(super) fn explain(&self, host: &Host) -> Box<str> {
        let (what, advice) = match self {
            Self::Unknown => (
                format!("{host} has no address"),
                "check its name, or give the address of a proxy",
            ),
            Self::Silence => (
                format!("no name server says where {host} is"),
                "check the network and the name servers of the system, or give an address instead of the name",
            ),
            Self::Failure(why) => (
                format!("the name servers cannot say where {host} is ({why})"),
                "try again later, or give an address instead of the name",
            ),
        };
        format!("{what}: {advice}").into()
    }
}

impl Question {
    /// The answer that there is nothing.
    const fn nothing(&self) -> Answer {
        match self {
            Self::Naptr(_) => Answer::Naptr(Vec::new()),
            Self::Srv(_) => Answer::Srv(Vec::new()),
            Self::Addresses(_) => Answer::Addresses(Vec::new()),
        }
    }
}

/// When the system's settings were changed last.
fn changes() -> [Option<SystemTime>; 2] {
    SETTINGS.map(|file| fs::metadata(file).and_then(|m| m.modified()).ok())
}

fn resolver(config: ResolverConfig, mut options: ResolverOpts) -> Option<TokioResolver> {
    options.timeout = ASK_AGAIN;
    options.attempts = REPEATS;
    options.cache_size = CACHE;
    options.positive_max_ttl = Some(MOST_TTL);
    options.negative_max_ttl = Some(MOST_NEGATIVE_TTL);
    let provider = TokioRuntimeProvider::default();
    let mut builder = TokioResolver::builder_with_config(config, provider);
    *builder.options_mut() = options;
    builder.build().ok()
}

fn trouble(error: NetError) -> Trouble {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(_)) => Trouble::Unknown,
        NetError::Timeout | NetError::NoConnections | NetError::Io(_) => Trouble::Silence,
        other => Trouble::Failure(other.to_string()),
    }
}

fn naptr(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(record) = data else {
        return None;
    };
    let text = |bytes: &[u8]| Box::from(String::from_utf8_lossy(bytes));
    Some(Naptr {
        order: record.order,
        preference: record.preference,
        flags: text(&record.flags),
        services: text(&record.services),
        has_expression: !record.regexp.is_empty(),
        replacement: record.replacement.to_ascii().into(),
    })
}

fn srv(data: &RData) -> Option<Srv> {
    let RData::SRV(record) = data else {
        return None;
    };
    Some(Srv {
        priority: record.priority,
        weight: record.weight,
        port: record.port,
        target: record.target.to_ascii().into(),
    })
}

/// A number from 0 to `most`. Which of several servers is asked is no secret.
fn random(most: u64) -> u64 {
    RandomState::new().hash_one(most) % most.saturating_add(1)
}
