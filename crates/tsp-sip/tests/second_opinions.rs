//! What parsers that others wrote say of the same messages. Where they disagree with us a rule says why, with the section
//! of the RFC that decides; a disagreement that no rule explains fails the test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use ezk_sip_types::header::typed::{CSeq, CallID, Contact, FromTo, Via};
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::parse::Parse;
use ezk_sip_types::{Headers, Name};
use rsip::prelude::{HasHeaders, HeadersExt, ToTypedHeader, UntypedHeader};
use tsp_sip::wire::{Limits, Message, check};

/// What a parser makes of a message, by what it was asked; an answer is missing where it could not give one.
type Opinion = BTreeMap<&'static str, String>;

fn ours(message: &Message) -> Opinion {
    let h = message.headers();
    let via = h.via().expect("checked");
    let cseq = h.cseq().expect("checked");
    let tag = |a: tsp_sip::wire::NameAddr| a.tag().unwrap_or_default().to_owned();
    let mut said = Opinion::from([
        (
            "start",
            match message {
                Message::Request(r) => r.method.as_str().to_owned(),
                Message::Response(r) => r.status.code().to_string(),
            },
        ),
        ("fields", h.len().to_string()),
        ("call-id", h.call_id().expect("checked").to_string()),
        ("cseq", format!("{} {}", cseq.number, cseq.method)),
        ("from-tag", tag(h.from().expect("checked"))),
        ("to-tag", tag(h.to().expect("checked"))),
        ("via-branch", via.branch().unwrap_or_default().to_owned()),
        ("via-host", via.sent_by().host.to_string()),
        ("body", format!("{:?}", message.body())),
    ]);
    if let Some(Ok(contact)) = h.contacts().next() {
        said.insert(
            "contact",
            contact.uri().raw_user().unwrap_or_default().to_owned(),
        );
    }
    said
}

fn by_rsip(bytes: &Bytes) -> Opinion {
    let mut said = Opinion::new();
    let Ok(message) = rsip::SipMessage::try_from(bytes.to_vec()) else {
        return said;
    };
    said.insert(
        "start",
        match &message {
            rsip::SipMessage::Request(r) => r.method.to_string(),
            rsip::SipMessage::Response(r) => r.status_code.code().to_string(),
        },
    );
    said.insert("fields", message.headers().iter().count().to_string());
    said.insert(
        "body",
        format!("{:?}", Bytes::copy_from_slice(message.body())),
    );
    if let Ok(id) = message.call_id_header() {
        said.insert("call-id", id.value().to_owned());
    }
    if let Some(cseq) = message.cseq_header().ok().and_then(|c| c.typed().ok()) {
        said.insert("cseq", format!("{} {}", cseq.seq, cseq.method));
    }
    if let Some(from) = message
        .from_header()
        .ok()
        .and_then(|f| f.clone().into_typed().ok())
    {
        let tag = from.tag().map(|t| t.value().to_owned());
        said.insert("from-tag", tag.unwrap_or_default());
    }
    if let Some(to) = message
        .to_header()
        .ok()
        .and_then(|f| f.clone().into_typed().ok())
    {
        let tag = to.tag().map(|t| t.value().to_owned());
        said.insert("to-tag", tag.unwrap_or_default());
    }
    if let Some(via) = message
        .via_header()
        .ok()
        .and_then(|v| v.clone().into_typed().ok())
    {
        let branch = via.branch().map(|b| b.value().to_owned());
        said.insert("via-branch", branch.unwrap_or_default());
        said.insert("via-host", via.uri.host_with_port.host.to_string());
    }
    if let Some(contact) = message
        .contact_header()
        .ok()
        .and_then(|c| c.clone().into_typed().ok())
    {
        let user = contact.uri.auth.map(|a| a.user);
        said.insert("contact", user.unwrap_or_default());
    }
    said
}

fn by_ezk(bytes: &Bytes) -> Opinion {
    let mut said = Opinion::new();
    let mut lines = PullParser::new(bytes, 0);
    let Some(first) = lines
        .next()
        .and_then(Result::ok)
        .and_then(|l| std::str::from_utf8(l).ok())
    else {
        return said;
    };
    match MessageLine::parse(bytes)(first) {
        Ok((_, MessageLine::Request(line))) => said.insert("start", line.method.to_string()),
        Ok((_, MessageLine::Response(line))) => {
            said.insert("start", line.code.into_u16().to_string())
        }
        Err(_) => return said,
    };
    let mut headers = Headers::new();
    let mut fields = 0;
    for line in &mut lines {
        let line = line.ok().and_then(|l| std::str::from_utf8(l).ok());
        if let Some((_, line)) = line.and_then(|l| Line::parse(bytes, l).ok()) {
            fields += 1;
            headers.insert(line.name, line.value);
        }
    }
    said.insert("fields", fields.to_string());
    if let Ok(id) = headers.get_named::<CallID>() {
        said.insert("call-id", id.0.to_string());
    }
    if let Ok(cseq) = headers.get_named::<CSeq>() {
        said.insert("cseq", format!("{} {}", cseq.cseq, cseq.method));
    }
    let tag = |f: FromTo| f.tag.map(|t| t.to_string()).unwrap_or_default();
    if let Ok(from) = headers.get::<FromTo>(Name::FROM) {
        said.insert("from-tag", tag(from));
    }
    if let Ok(to) = headers.get::<FromTo>(Name::TO) {
        said.insert("to-tag", tag(to));
    }
    if let Ok(via) = headers.get_named::<Via>() {
        let branch = via.params.get_val("branch").map(ToString::to_string);
        said.insert("via-branch", branch.unwrap_or_default());
        let host = via.sent_by.host.to_string();
        said.insert("via-host", host);
    }
    if let Ok(contact) = headers.get_named::<Contact>() {
        let uri = format!("{:?}", contact.uri.uri);
        let user = uri.split_once('@').map_or("", |(user, _)| user);
        let user = user.split(':').nth(1).unwrap_or_default().to_owned();
        said.insert("contact", user);
    }
    said
}

fn by_rsipstack(bytes: &Bytes) -> Opinion {
    // Its traits have the names of rsip's, but it reads with code of its own.
    use rsipstack::sip::SipMessage;
    use rsipstack::sip::prelude::{HasHeaders as _, HeadersExt as _, ToTypedHeader as _};
    let mut said = Opinion::new();
    let Ok(message) = SipMessage::try_from(bytes.to_vec()) else {
        return said;
    };
    let (start, body) = match &message {
        SipMessage::Request(r) => (r.method.to_string(), &r.body),
        SipMessage::Response(r) => (r.status_code.code().to_string(), &r.body),
    };
    said.insert("start", start);
    said.insert("fields", message.headers().iter().count().to_string());
    said.insert("body", format!("{:?}", Bytes::copy_from_slice(body)));
    if let Ok(id) = message.call_id_header() {
        said.insert("call-id", id.value().to_owned());
    }
    if let Some(cseq) = message.cseq_header().ok().and_then(|c| c.typed().ok()) {
        said.insert("cseq", format!("{} {}", cseq.seq, cseq.method));
    }
    if let Some(from) = message.from_header().ok().and_then(|f| f.typed().ok()) {
        let tag = from.tag().map(|t| t.value().to_owned());
        said.insert("from-tag", tag.unwrap_or_default());
    }
    if let Some(to) = message.to_header().ok().and_then(|t| t.typed().ok()) {
        let tag = to.tag().map(|t| t.value().to_owned());
        said.insert("to-tag", tag.unwrap_or_default());
    }
    if let Some(via) = message.via_header().ok().and_then(|v| v.typed().ok()) {
        let branch = via.branch().map(|b| b.value().to_owned());
        said.insert("via-branch", branch.unwrap_or_default());
        said.insert("via-host", via.uri.host_with_port.host.to_string());
    }
    if let Some(contact) = message.contact_header().ok().and_then(|c| c.typed().ok()) {
        let user = contact.uri.auth.map(|a| a.user);
        said.insert("contact", user.unwrap_or_default());
    }
    said
}

/// A disagreement that is meant.
struct Rule {
    name: &'static str,
    section: &'static str,
    /// Whose mistake, or whose choice, it is; everybody's if nobody is named.
    who: &'static str,
    /// What it may concern; `refused` if they read nothing at all.
    what: &'static [&'static str],
    /// Whether it explains this message: its head, our value and theirs.
    holds: fn(&str, &str, Option<&String>) -> bool,
}

const ADDRESSES: &[&str] = &["from-tag", "to-tag", "contact"];

/// The one rule that messages need which break no habit.
const QUOTED: &str = "names that are empty, or hold quotation marks";

const RULES: [Rule; 14] = [
    Rule {
        name: "lines are continued",
        section: "RFC 3261 section 7.3.1",
        who: "rsip",
        what: &["refused"],
        holds: |head, _, _| head.contains("\n ") || head.contains("\n\t"),
    },
    Rule {
        name: "lines that end in LF alone are read as they are meant",
        section: "RFC 3261 section 7.5",
        who: "rsip rsipstack",
        what: &["refused"],
        holds: |head, _, _| head.replace("\r\n", "").contains('\n'),
    },
    Rule {
        name: "compact names",
        section: "RFC 3261 section 7.3.3",
        who: "rsip",
        what: &[
            "call-id",
            "from-tag",
            "to-tag",
            "contact",
            "via-branch",
            "via-host",
        ],
        holds: |head, _, theirs| {
            let compact = |l: &str| l.split(':').next().is_some_and(|n| n.trim().len() == 1);
            theirs.is_none() && head.lines().skip(1).any(compact)
        },
    },
    Rule {
        name: "addresses of IPv6",
        section: "RFC 3261 section 25.1",
        who: "rsip",
        what: &["refused", "via-host"],
        holds: |head, _, _| head.contains("@[") || head.contains(":[") || head.contains(" ["),
    },
    Rule {
        name: "three colons are taken for two",
        section: "RFC 5118 section 4.10",
        who: "ezk rsipstack",
        what: &["refused"],
        holds: |head, _, _| head.contains(":::"),
    },
    Rule {
        name: "a Request-URI of another scheme",
        section: "RFC 3261 section 8.2.2.1",
        who: "",
        what: &["refused"],
        holds: |head, _, _| head.lines().next().is_some_and(|l| !l.contains(" sip")),
    },
    Rule {
        name: "addresses of other schemes",
        section: "RFC 3261 section 25.1",
        who: "",
        what: ADDRESSES,
        holds: |head, _, theirs| {
            let address = |l: &&str| {
                ["To:", "From:", "Contact:"]
                    .iter()
                    .any(|n| l.starts_with(n))
            };
            theirs.is_none() && head.lines().filter(address).any(|l| !l.contains("sip"))
        },
    },
    Rule {
        name: "escapes are shown as they came",
        section: "RFC 3261 section 19.1.2",
        who: "ezk",
        what: &["contact"],
        holds: |_, ours, _| ours.contains('%'),
    },
    Rule {
        name: QUOTED,
        section: "RFC 3261 section 25.1",
        who: "ezk",
        what: ADDRESSES,
        holds: |head, _, theirs| {
            theirs.is_none() && (head.contains("\\\"") || head.contains(" \"\" <"))
        },
    },
    Rule {
        name: "white space stands around separators",
        section: "RFC 3261 section 25.1",
        who: "",
        what: &["from-tag", "to-tag", "contact", "via-branch"],
        holds: |head, _, _| {
            ["; ", " ;", "= ", " =", ";\r\n"]
                .iter()
                .any(|s| head.contains(s))
        },
    },
    Rule {
        name: "bytes beyond Content-Length are no body",
        section: "RFC 3261 section 18.3",
        who: "rsip",
        what: &["body"],
        holds: |_, ours, theirs| {
            let ours = ours.trim_end_matches('"');
            theirs.is_some_and(|t| t.len() > ours.len() && t.starts_with(ours))
        },
    },
    Rule {
        name: "a datagram that says no length is body to its end",
        section: "RFC 3261 section 18.3",
        who: "rsipstack",
        what: &["body"],
        holds: |head, _, theirs| {
            let named = |l: &str| {
                l.split(':')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_lowercase()
            };
            let length = |l: &str| ["content-length", "l"].contains(&&*named(l));
            theirs.is_some_and(|t| t == "b\"\"") && !head.lines().any(length)
        },
    },
    Rule {
        name: "dots in the name of a user",
        section: "RFC 3261 section 25.1",
        who: "rsip",
        what: &["contact"],
        holds: |_, ours, theirs| ours.contains('.') && theirs.is_some_and(String::is_empty),
    },
    Rule {
        name: "methods that nobody registered",
        section: "RFC 3261 section 25.1",
        who: "rsip rsipstack",
        what: &["refused"],
        holds: |head, ours, _| head.starts_with(ours) && ours.parse::<rsip::Method>().is_err(),
    },
];

/// What of a message we and another see differently: what it is, our value and theirs.
fn differences(
    us: &Opinion,
    who: &str,
    them: &Opinion,
) -> Vec<(&'static str, String, Option<String>)> {
    if them.is_empty() {
        return vec![("refused", us["start"].clone(), None)];
    }
    let asked = us
        .iter()
        .filter(|(what, _)| them.contains_key(*what) || who != "ezk" || **what != "body");
    let differs = asked.filter(|(what, value)| them.get(*what) != Some(*value));
    differs
        .map(|(what, value)| (*what, value.clone(), them.get(what).cloned()))
        .collect()
}

/// Compares what the parsers say of a message that we hold for fine; the rules that were needed.
fn compare(name: &str, bytes: &Bytes) -> Option<Vec<&'static str>> {
    let limits = Limits::default();
    let message = Message::parse(bytes).ok()?;
    match &message {
        Message::Request(r) if !r.version_ok => return None,
        Message::Request(r) => check::request(r, &limits).ok()?,
        Message::Response(r) => check::response(r, &limits).ok()?,
    }
    let text = String::from_utf8_lossy(bytes);
    let end = ["\r\n\r\n", "\n\n"]
        .iter()
        .filter_map(|e| text.find(e))
        .min();
    let head = text.get(..end.unwrap_or(text.len())).unwrap_or(&text);
    let us = ours(&message);
    let mut used = Vec::new();
    let others = [
        ("rsip", by_rsip(bytes)),
        ("ezk", by_ezk(bytes)),
        ("rsipstack", by_rsipstack(bytes)),
    ];
    for (who, them) in others {
        for (what, value, theirs) in differences(&us, who, &them) {
            let rule = RULES.iter().find(|r| {
                (r.who.is_empty() || r.who.split(' ').any(|w| w == who))
                    && r.what.contains(&what)
                    && (r.holds)(head, &value, theirs.as_ref())
            });
            let rule = rule.unwrap_or_else(|| {
                panic!("{name}: {what}: {value:?} and, by {who}, {theirs:?}\n{head}")
            });
            used.push(rule.name);
        }
    }
    Some(used)
}

// Shows: other parsers agree with ours, or a rule says why not | RFC 3261 7
#[test]
fn others_read_collected_messages_as_we_do() {
    let mut used = BTreeMap::<&str, usize>::new();
    let mut compared = 0;
    for (name, bytes) in collected() {
        let Some(rules) = compare(&name, &bytes) else {
            continue;
        };
        compared += 1;
        for rule in rules {
            *used.entry(rule).or_default() += 1;
        }
    }
    println!("{compared} messages; {used:#?}");
    if compared > 0 {
        for rule in &RULES {
            assert!(
                used.contains_key(rule.name),
                "{} ({}) explains nothing",
                rule.name,
                rule.section
            );
        }
    }
}

// Shows: other parsers agree with ours, or a rule says why not | RFC 3261 7
#[test]
fn others_read_made_messages_as_we_do() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut pick = move |from: &[&'static str]| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        from[usize::try_from(state % from.len() as u64).expect("small")]
    };
    for n in 0..4_000 {
        let method = pick(&[
            "INVITE",
            "BYE",
            "OPTIONS",
            "REGISTER",
            "SUBSCRIBE",
            "REFER",
            "PRACK",
        ]);
        let start = match pick(&["request", "response"]) {
            "request" => format!(
                "{method} {} SIP/2.0",
                pick(&[
                    "sip:a@b.example",
                    "sips:h:5071",
                    "sip:+1-2@192.0.2.1;user=phone"
                ])
            ),
            _ => pick(&[
                "SIP/2.0 200 OK",
                "SIP/2.0 180 Ringing",
                "SIP/2.0 486 Busy Here",
            ])
            .to_owned(),
        };
        let mut address = |tag: &str| {
            let name = pick(&["", "Alice ", "\"Alice, \\\"A\\\" B\" ", "\"\" "]);
            let uri = pick(&[
                "sip:alice@example.com",
                "sip:a-b_c~d@192.0.2.7:5062",
                "sips:x@h;transport=tcp",
            ]);
            format!(
                "{name}<{uri}>{}{}",
                pick(&["", ";x=y"]),
                if tag.is_empty() {
                    String::new()
                } else {
                    format!(";tag={tag}")
                }
            )
        };
        let (from, to, contact) = (address("f-1.2"), address(["", "t~3"][n % 2]), address(""));
        let via = pick(&[
            "UDP h.example:5060",
            "TCP 192.0.2.9",
            "TLS a-b.example:5061",
        ]);
        let extra = pick(&[
            "",
            "X-Other: a, b;c=\"d\"\r\n",
            "Subject: \r\n",
            "Via: SIP/2.0/UDP second;branch=z9hG4bK2\r\n",
        ]);
        let body = pick(&["", "v=0\r\n", "\r\n\r\nx"]);
        let text = format!(
            "{start}\r\nVia: SIP/2.0/{via};branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {n}@host.example\r\nCSeq: {} {method}\r\nContact: {contact}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            n + 1,
            body.len()
        );
        let rules = compare("made", &text.clone().into()).expect("it is fine");
        assert!(rules.iter().all(|r| *r == QUOTED), "{rules:?}:\n{text}");
    }
}

fn collected() -> Vec<(String, Bytes)> {
    let corpora = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let mut all = Vec::new();
    for folder in ["01-sip-torture", "02-sip-messages"] {
        let Ok(index) = std::fs::read_to_string(corpora.join(folder).join("index.tsv")) else {
            println!("skipped: {folder} is not there");
            continue;
        };
        for row in index.lines().skip(1) {
            let file = row.split('\t').next().unwrap_or_default();
            let bytes = std::fs::read(corpora.join(folder).join(file)).expect("listed");
            all.push((file.to_owned(), bytes.into()));
        }
    }
    all
}
