use std::sync::{Arc, Mutex};

use msp_core::id::CallKey;
use msp_core::link::ControlLink;
use msp_core::trace::Trace;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::*;
use crate::call::{AgentConfig, CallEventKind, CallPolicy, Command, RequestPolicy, UserAgent};
use crate::net::{Connections, Endpoint};
use crate::transaction::Timers;
use crate::wire::Uri;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// A record: whose, which, for how many seconds, and its data.
type Record = (&'static str, u16, u32, Vec<u8>);

/// A name server in this process: what it has, what it was asked, and what it never answers.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

impl Server {
    async fn start(records: Vec<Record>, ignored: &'static [u16]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = asked.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let query = &buffer[..length];
                let (name, kind, end) = question(query);
                told.lock().unwrap().push((name.clone(), kind));
                if !ignored.contains(&kind) {
                    let answer = answer(&records, query, &name, kind, end);
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { address, asked }
    }

    fn names(&self, patience: Duration) -> Names {
        Names {
            patience,
            ..Names::of_servers(&[self.address])
        }
    }

    /// What it was asked since the last time.
    fn asked(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// The name and the type that a query asks for, and where its question ends (RFC 1035 section 4.1.2).
fn question(query: &[u8]) -> (String, u16, usize) {
    let (mut name, mut at) = (String::new(), 12);
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        name.push_str(std::str::from_utf8(&query[at + 1..end]).unwrap());
        name.push('.');
        at = end;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    (name.to_ascii_lowercase(), kind, at + 5)
}

/// What the server has of `name`; if it has nothing of it at all, that there is no such name (RFC 2308 section 2.1).
fn answer(records: &[Record], query: &[u8], name: &str, kind: u16, end: usize) -> Vec<u8> {
    let of_name: Vec<_> = records.iter().filter(|r| r.0 == name).collect();
    let fits = |r: &&&Record| r.1 == kind || r.1 == CNAME;
    let found: Vec<_> = of_name.iter().filter(fits).collect();
    let code = if of_name.is_empty() { 3 } else { 0 };
    let (answers, authorities) = (found.len() as u8, u8::from(found.is_empty()));
    let mut out = query[..2].to_vec();
    out.extend([0x81, 0x80 | code, 0, 1, 0, answers, 0, authorities, 0, 0]);
    out.extend(&query[12..end]);
    for (_, kind, ttl, data) in found {
        out.extend(record([0xc0, 12].to_vec(), *kind, *ttl, data));
    }
    if authorities == 1 {
        let mut soa = [dname("ns.test."), dname("root.test.")].concat();
        for n in [1_u32, 3600, 600, 86400, 60] {
            soa.extend(n.to_be_bytes());
        }
        out.extend(record(dname("test."), 6, 60, &soa));
    }
    out
}

fn record(owner: Vec<u8>, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut out = owner;
    out.extend(kind.to_be_bytes());
    out.extend([0, 1]);
    out.extend(ttl.to_be_bytes());
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
    out
}

fn text(s: &str) -> Vec<u8> {
    [&[s.len() as u8], s.as_bytes()].concat()
}

fn dname(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|l| !l.is_empty()).map(text);
    let mut out: Vec<u8> = labels.flatten().collect();
    out.push(0);
    out
}

fn a(name: &'static str, ttl: u32, last: u8) -> Record {
    (name, A, ttl, vec![127, 0, 0, last])
}

fn srv(name: &'static str, priority: u8, port: u16, target: &str) -> Record {
    let mut data = vec![0, priority, 0, 0];
    data.extend(port.to_be_bytes());
    data.extend(dname(target));
    (name, SRV, 3600, data)
}

fn naptr(name: &'static str, order: u8, service: &str, replacement: &str) -> Record {
    let parts = [text("s"), text(service), text(""), dname(replacement)];
    let data = [vec![0, order, 0, 1], parts.concat()].concat();
    (name, NAPTR, 3600, data)
}

fn target(host: &str) -> Target {
    Target::from(Host::new(host).unwrap())
}

const HAVE: [Transport; 2] = [Transport::Udp, Transport::Tcp];

const LONG: Duration = Duration::from_secs(20);

async fn ways(names: &Names, host: &str) -> Result<Vec<String>, Trouble> {
    let found = names.locate(&target(host), &HAVE).await?;
    Ok(found.iter().map(|(t, a)| format!("{t} {a}")).collect())
}

// Shows: a name server is asked for services, servers and addresses, once as long as its answers hold, and for what is not there too | RFC 3263 4, RFC 2308, interop row 9
#[tokio::test]
async fn answers_are_kept_as_long_as_they_say() {
    let records = vec![
        naptr("sip.test.", 10, "SIP+D2T", "_sip._tcp.sip.test."),
        naptr("sip.test.", 20, "SIP+D2U", "_sip._udp.sip.test."),
        srv("_sip._tcp.sip.test.", 2, 5070, "b.sip.test."),
        srv("_sip._tcp.sip.test.", 1, 5071, "a.sip.test."),
        a("a.sip.test.", 3600, 2),
        a("b.sip.test.", 0, 3),
        ("a.sip.test.", AAAA, 3600, [vec![0; 15], vec![1]].concat()),
    ];
    let server = Server::start(records, &[]).await;
    let names = server.names(LONG);
    let expected = ["TCP [::1]:5071", "TCP 127.0.0.2:5071", "TCP 127.0.0.3:5070"];
    assert_eq!(ways(&names, "sip.test").await.unwrap(), expected);
    let asked = server.asked();
    let services: Vec<_> = asked.iter().filter(|(_, k)| *k > AAAA).collect();
    assert_eq!(
        services,
        [
            &("sip.test.".to_owned(), NAPTR),
            &("_sip._tcp.sip.test.".to_owned(), SRV)
        ]
    );
    // Only the address that holds for no time is asked for again; that it has none of IPv6 holds.
    assert_eq!(ways(&names, "sip.test").await.unwrap(), expected);
    assert_eq!(server.asked(), [("b.sip.test.".to_owned(), A)]);

    assert_eq!(ways(&names, "none.test").await, Err(Trouble::Unknown));
    assert!(!server.asked().is_empty());
    assert_eq!(ways(&names, "none.test").await, Err(Trouble::Unknown));
    assert_eq!(server.asked(), []);
}

// Shows: a name server that never answers ends in one line that says what to do | security F07, R11
#[tokio::test]
async fn a_dead_name_server_is_told() {
    let server = Server::start(Vec::new(), &[A, AAAA, SRV, NAPTR]).await;
    let names = server.names(Duration::from_millis(300));
    let begun = Instant::now();
    let trouble = ways(&names, "sip.test").await.unwrap_err();
    assert!(begun.elapsed() < LONG / 4);
    assert_eq!(
        &*trouble.explain(&Host::new("sip.test").unwrap()),
        "no name server says where sip.test is: check the network and the name servers of the system, \
         or give an address instead of the name"
    );
}

#[tokio::test]
async fn what_drops_questions_about_services_hides_no_address() {
    let records = vec![a("sip.test.", 3600, 2)];
    let server = Server::start(records, &[SRV, NAPTR]).await;
    let names = server.names(Duration::from_secs(2));
    assert_eq!(
        ways(&names, "sip.test").await.unwrap(),
        ["UDP 127.0.0.2:5060"]
    );
}

// Shows: other names for a name are followed, in a circle not for ever | hostile DNS, security F07
#[tokio::test]
async fn circles_of_names_end() {
    let records = vec![
        ("one.test.", CNAME, 60, dname("two.test.")),
        ("two.test.", CNAME, 60, dname("one.test.")),
        ("alias.test.", CNAME, 60, dname("real.test.")),
        a("real.test.", 60, 4),
    ];
    let server = Server::start(records, &[]).await;
    let names = server.names(LONG);
    assert!(ways(&names, "one.test").await.is_err());
    assert!(server.asked().len() < 100);
    assert_eq!(
        ways(&names, "alias.test").await.unwrap(),
        ["UDP 127.0.0.4:5060"]
    );
}

#[tokio::test]
async fn this_machine_is_no_domain() {
    let server = Server::start(Vec::new(), &[]).await;
    let names = server.names(LONG);
    let found = ways(&names, "localhost").await.unwrap();
    assert!(
        found.contains(&"UDP 127.0.0.1:5060".to_owned()),
        "{found:?}"
    );
    assert_eq!(server.asked(), []);
}

/// A server that answers each request with this status and its own fields.
async fn sip_server(status: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let mut buffer = [0; 2000];
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let kept = ["Via", "From", "To", "Call-ID", "CSeq"];
        let name = |l: &&str| kept.iter().any(|n| l.starts_with(&format!("{n}: ")));
        let fields: Vec<_> = request.lines().filter(name).collect();
        let response = format!("SIP/2.0 {status}\r\n{}\r\n\r\n", fields.join("\r\n"));
        socket.send_to(response.as_bytes(), from).await.unwrap();
        request
    });
    (port, served)
}

// Shows: a request goes to the server that DNS names first, and to the next when that has no room, over real sockets | RFC 3263 4, interop row 9
#[tokio::test]
async fn a_request_finds_its_servers() {
    let (full, refused) = sip_server("503 Service Unavailable").await;
    let (free, served) = sip_server("200 OK").await;
    let records = vec![
        srv("_sip._udp.sip.test.", 1, full, "one.sip.test."),
        srv("_sip._udp.sip.test.", 2, free, "one.sip.test."),
        a("one.sip.test.", 60, 1),
    ];
    let server = Server::start(records, &[]).await;
    let endpoint = Endpoint::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let endpoint = endpoint.name_servers(&[server.address]);
    let (commands, commanded) = mpsc::unbounded_channel();
    let (events, mut told) = mpsc::unbounded_channel();
    let (media, _carries_nothing) = ControlLink::pair(8);
    let begun = Instant::now();
    let connections = Connections {
        commands: commanded,
        media,
        events: Box::new(move |_, event| events.send(event).unwrap()),
        registrations: Box::new(|_, _| {}),
        subscriptions: Box::new(|_, _| {}),
        locations: Box::new(|_, _| {}),
        trace: Trace::OFF,
        clock: Box::new(move || msp_core::time::Instant::ZERO + begun.elapsed()),
    };
    let config = AgentConfig {
        advertise: Vec::new(),
        advertise_host: None,
        user: "user".into(),
        user_agent: "test".into(),
        timers: Timers::default(),
        requests: RequestPolicy::default(),
        max_calls: 1,
        policy: CallPolicy::default(),
        domain: None,
        shows_messages: false,
        line: 0,
        flows: crate::transport::FlowPolicy::default(),
    };
    let mut n = 0_u8;
    let agent = UserAgent::new(config, move |bytes| {
        n = n.wrapping_add(1);
        bytes.fill(n);
    });
    let running = tokio::spawn(endpoint.run(agent, connections));
    let ask = Command::Options {
        key: CallKey(1),
        to: Uri::new("sip:bob@sip.test").unwrap(),
        account: None,
    };
    commands.send(ask).unwrap();
    let event = told.recv().await.unwrap();
    assert!(
        matches!(&event.kind, CallEventKind::Capabilities { status, .. } if status.is_success()),
        "{event:?}"
    );
    let (first, second) = (refused.await.unwrap(), served.await.unwrap());
    assert!(first.starts_with("OPTIONS sip:bob@sip.test SIP/2.0\r\n"));
    let branch = |r: &str| {
        r.lines()
            .find(|l| l.starts_with("Via: "))
            .map(str::to_owned)
    };
    assert_ne!(branch(&first), branch(&second));

    let ask = Command::Options {
        key: CallKey(2),
        to: Uri::new("sip:bob@none.test").unwrap(),
        account: None,
    };
    commands.send(ask).unwrap();
    let event = told.recv().await.unwrap();
    let CallEventKind::Ended(why) = event.kind else {
        panic!("{event:?}")
    };
    assert_eq!(
        &*why.reason,
        "none.test has no address: check its name, or give the address of a proxy"
    );
    drop(commands);
    running.await.unwrap();
}
