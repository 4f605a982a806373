use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const ALL: [Transport; 3] = [Transport::Tls, Transport::Udp, Transport::Tcp];

/// A zone in lines of a master file, as RFC 1035 section 5 has them, without ttl and class.
fn zone(text: &str) -> impl Fn(&Question) -> Answer + '_ {
    let of = move |name: &str, kind: &str| -> Vec<Vec<&str>> {
        let name = name.trim_end_matches('.');
        text.lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>())
            .filter(|l| l.len() > 2 && l[0].trim_end_matches('.') == name && l[1] == kind)
            .map(|l| l[2..].to_vec())
            .collect()
    };
    let word = |s: &str| s.trim_matches('"').into();
    let number = |s: &str| s.parse().expect("a number");
    move |question| match question {
        Question::Naptr(name) => Answer::Naptr(
            of(name, "NAPTR")
                .into_iter()
                .map(|f| Naptr {
                    order: number(f[0]),
                    preference: number(f[1]),
                    flags: word(f[2]),
                    services: word(f[3]),
                    has_expression: f[4] != "\"\"",
                    replacement: f[5].into(),
                })
                .collect(),
        ),
        Question::Srv(name) => Answer::Srv(
            of(name, "SRV")
                .into_iter()
                .map(|f| Srv {
                    priority: number(f[0]),
                    weight: number(f[1]),
                    port: number(f[2]),
                    target: f[3].into(),
                })
                .collect(),
        ),
        Question::Addresses(name) => {
            let both = of(name, "AAAA").into_iter().chain(of(name, "A"));
            Answer::Addresses(both.map(|f| f[0].parse().expect("an IP")).collect())
        }
    }
}

/// The ways, as words, with what was asked for them.
fn search(
    text: &str,
    host: &str,
    port: Option<u16>,
    transport: Option<Transport>,
    have: &[Transport],
) -> (Vec<String>, Vec<Question>) {
    let host = Host::new(host).expect("a host");
    let mut search = Search::new(&host, port, transport, have, false);
    let (zone, mut asked) = (zone(text), Vec::new());
    while let Some(question) = search.question() {
        search.answer(zone(&question), |_| 0);
        asked.push(question);
    }
    let ways = search.found().into_iter();
    (ways.map(|(t, a)| format!("{t} {a}")).collect(), asked)
}

fn ways(text: &str, host: &str, transport: Option<Transport>, have: &[Transport]) -> Vec<String> {
    search(text, host, None, transport, have).0
}

// RFC 3263 section 4.1 and 4.2, with addresses.
const RFC3263: &str = r#"
    example.com NAPTR 50 50 "s" "SIPS+D2T" "" _sips._tcp.example.com.
    example.com NAPTR 90 50 "s" "SIP+D2T" "" _sip._tcp.example.com.
    example.com NAPTR 100 50 "s" "SIP+D2U" "" _sip._udp.example.com.
    _sips._tcp.example.com SRV 0 0 5061 s.example.com.
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com.
    _sip._tcp.example.com SRV 0 2 5060 server2.example.com.
    _sip._udp.example.com SRV 0 0 5080 u.example.com.
    s.example.com A 192.0.2.3
    server1.example.com A 192.0.2.1
    server2.example.com A 192.0.2.2
    server2.example.com AAAA 2001:db8::2
    u.example.com A 192.0.2.4
    example.com A 192.0.2.5
"#;

// Shows: transports and servers of a domain are found by NAPTR and SRV | RFC 3263 4.1 and 4.2, interop row 9
#[test]
fn rfc3263_4_1_the_example_with_and_without_tls() {
    let insecure = [Transport::Udp, Transport::Tcp];
    assert_eq!(
        ways(RFC3263, "example.com", None, &insecure),
        [
            "TCP 192.0.2.1:5060",
            "TCP [2001:db8::2]:5060",
            "TCP 192.0.2.2:5060"
        ]
    );
    // The domain would rather have TLS, and who speaks it does not go on in clear.
    assert_eq!(
        ways(RFC3263, "example.com", None, &ALL),
        ["TLS 192.0.2.3:5061"]
    );
    let tls = Some(Transport::Tls);
    assert_eq!(
        ways(RFC3263, "example.com", tls, &ALL),
        ["TLS 192.0.2.3:5061"]
    );
    // A transport that is written is not asked for.
    let (found, asked) = search(RFC3263, "example.com", None, Some(Transport::Udp), &ALL);
    assert_eq!(found, ["UDP 192.0.2.4:5080"]);
    assert_eq!(asked[0], Question::Srv("_sip._udp.example.com.".into()));
}

// Shows: an address or a port in a URI is used as it is | RFC 3263 4.1 and 4.2, interop row 9
#[test]
fn an_address_or_a_port_ends_the_search() {
    for (transport, way) in [(None, "UDP"), (Some(Transport::Tcp), "TCP")] {
        let (found, asked) = search(RFC3263, "192.0.2.9", None, transport, &ALL);
        assert_eq!(
            (found, asked),
            (vec![format!("{way} 192.0.2.9:5060")], vec![])
        );
        let (found, asked) = search(RFC3263, "example.com", Some(5090), transport, &ALL);
        assert_eq!(found, [format!("{way} 192.0.2.5:5090")]);
        assert_eq!(asked, [Question::Addresses("example.com".into())]);
    }
    let tls = Some(Transport::Tls);
    assert_eq!(
        ways("", "[2001:db8::9]", tls, &ALL),
        ["TLS [2001:db8::9]:5061"]
    );
}

// Shows: a domain without NAPTR is asked for the servers of each transport, and at last for its own address | RFC 3263 4.1 and 4.2, interop row 9
#[test]
fn without_naptr_each_transport_is_looked_for() {
    let text = r"
        _sip._udp.example.com SRV 10 0 5070 a.example.com
        _sip._tcp.example.com SRV 5 0 5071 a.example.com
        a.example.com A 192.0.2.1";
    let have = [Transport::Udp, Transport::Tcp];
    assert_eq!(
        ways(text, "example.com", None, &have),
        ["UDP 192.0.2.1:5070", "TCP 192.0.2.1:5071"]
    );
    let text = "example.com A 192.0.2.1";
    for (transport, way) in [
        (None, "UDP 192.0.2.1:5060"),
        (Some(Transport::Tcp), "TCP 192.0.2.1:5060"),
        (Some(Transport::Tls), "TLS 192.0.2.1:5061"),
    ] {
        assert_eq!(ways(text, "example.com", transport, &ALL), [way]);
    }
}

#[test]
fn a_service_that_is_said_not_to_be_there_is_not_looked_for_elsewhere() {
    let text = r"
        _sip._udp.example.com SRV 0 0 0 .
        example.com A 192.0.2.1";
    let have = [Transport::Udp];
    assert!(ways(text, "example.com", None, &have).is_empty());
}

#[test]
fn services_that_nobody_can_use_are_as_good_as_none() {
    let text = r#"
        example.com NAPTR 1 1 "u" "SIP+D2U" "!^.*$!sip:x@example.org!" .
        example.com NAPTR 2 1 "s" "SIP+D2S" "" _sip._sctp.example.com
        example.com NAPTR 3 1 "s" "E2U+sip" "" _sip._udp.example.com
        example.com A 192.0.2.1"#;
    assert_eq!(
        ways(text, "example.com", None, &ALL),
        ["UDP 192.0.2.1:5060"]
    );
    let text = r#"
        example.com NAPTR 9 2 "S" "sip+d2t" "" tcp.example.com
        example.com NAPTR 9 1 "s" "SIP+D2U" "" udp.example.com
        example.com A 192.0.2.1"#;
    // Services without servers leave the domain itself.
    let (found, asked) = search(text, "example.com", None, None, &ALL);
    assert_eq!(found, ["UDP 192.0.2.1:5060"]);
    assert_eq!(asked[1], Question::Srv("udp.example.com".into()));
    assert_eq!(asked[2], Question::Srv("tcp.example.com".into()));
}

fn record(priority: u16, weight: u16, port: u16) -> Srv {
    Srv {
        priority,
        weight,
        port,
        target: "h.".into(),
    }
}

fn ports(records: &[Srv], random: impl FnMut(u64) -> u64) -> Vec<u16> {
    let all = arranged(records.to_vec(), random);
    all.iter().map(|r| r.port).collect()
}

// Shows: servers are tried by priority and by weight | RFC 2782, interop row 9
#[test]
fn rfc2782_the_example_with_its_weights() {
    // "foobar" of RFC 2782: three fourths to the new fast box, one to the old, and two to fall back on.
    let records = [
        record(0, 1, 9),
        record(0, 3, 10),
        record(1, 0, 11),
        record(1, 0, 12),
    ];
    assert_eq!(ports(&records, |_| 0), [9, 10, 11, 12]);
    assert_eq!(ports(&records, |_| 1), [9, 10, 11, 12]);
    assert_eq!(ports(&records, |sum| sum), [10, 9, 11, 12]);
    let mut first = HashMap::new();
    for n in 0..400 {
        let mut draws = 0;
        let order = ports(&records, |sum| {
            draws += 1;
            if draws == 1 { n % (sum + 1) } else { 0 }
        });
        *first.entry(order[0]).or_insert(0) += 1;
    }
    // Of the five numbers from 0 to 4 two reach the first and three the second.
    assert_eq!((first[&9], first[&10]), (160, 240));
    // No weight is a small chance, not none.
    let records = [record(0, 100, 1), record(0, 0, 2)];
    assert_eq!(ports(&records, |_| 0), [2, 1]);
    assert_eq!(ports(&records, |_| 1), [1, 2]);
}

/// An answer as hostile as it may be: any records, to any question.
fn answers() -> impl Strategy<Value = Answer> {
    let name = prop::sample::select(vec![
        "a.",
        "b.",
        "example.com.",
        ".",
        "",
        "_sip._udp.example.com.",
    ]);
    let names = name.prop_map(Box::<str>::from);
    let services = prop::sample::select(vec!["SIP+D2U", "SIPS+D2T", "SIP+D2T", "x"]);
    let naptr = (0..3_u16, 0..3_u16, services, names.clone()).prop_map(
        |(order, preference, services, replacement)| Naptr {
            order,
            preference,
            flags: "s".into(),
            services: services.into(),
            has_expression: false,
            replacement,
        },
    );
    let srv = (0..3_u16, any::<u16>(), any::<u16>(), names).prop_map(
        |(priority, weight, port, target)| Srv {
            priority,
            weight,
            port,
            target,
        },
    );
    prop_oneof![
        prop::collection::vec(naptr, 0..100).prop_map(Answer::Naptr),
        prop::collection::vec(srv, 0..1000).prop_map(Answer::Srv),
        prop::collection::vec(any::<u32>(), 0..100).prop_map(|all| Answer::Addresses(
            all.into_iter().map(|n| IpAddr::V4(n.into())).collect()
        )),
    ]
}

proptest! {
    // Shows: a search ends, whatever DNS says | hostile DNS
    #[test]
    fn a_search_ends_and_finds_no_more_than_it_may(
        answers in prop::collection::vec(answers(), 60),
        random in any::<u64>(),
    ) {
        let host = Host::new("example.com").expect("a host");
        let mut search = Search::new(&host, None, None, &ALL, false);
        let mut steps = 0;
        while search.question().is_some() {
            let answer = answers[steps % answers.len()].clone();
            search.answer(answer, |sum| random % (sum + 1));
            steps += 1;
            prop_assert!(steps <= 1 + ALL.len() + MOST_WAYS + 1);
        }
        let found = search.found();
        prop_assert!(found.len() <= MOST_WAYS);
        let once: std::collections::HashSet<_> = found.iter().collect();
        prop_assert_eq!(once.len(), found.len());
    }

    #[test]
    fn arranging_keeps_all_and_the_order_of_priorities(
        weights in prop::collection::vec((0..4_u16, 0..5_u16), 0..40),
        seed in any::<u64>(),
    ) {
        let numbered = weights.iter().zip(0..);
        let records: Vec<_> = numbered.map(|((p, w), n)| record(*p, *w, n)).collect();
        let mut state = seed;
        let all = arranged(records.clone(), |sum| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % (sum + 1)
        });
        prop_assert!(all.is_sorted_by_key(|r| r.priority));
        let mut ports: Vec<_> = all.iter().map(|r| r.port).collect();
        ports.sort_unstable();
        prop_assert_eq!(ports, (0..).take(records.len()).collect::<Vec<u16>>());
    }
}
