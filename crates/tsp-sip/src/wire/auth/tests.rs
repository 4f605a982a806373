use bytes::Bytes;
use msp_core::secret::Secret;

use super::*;
use crate::wire::{HeaderName, Headers, Message};
use crate::{Error, ErrorKind, Limit};

fn value(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

fn digest(challenge: Challenge) -> DigestChallenge {
    match challenge {
        Challenge::Digest(d) => d,
        Challenge::Other { scheme, .. } => panic!("{scheme}"),
    }
}

#[test]
fn challenges_of_the_rfcs() {
    let h = Headers::of(&[
        (
            "WWW-Authenticate",
            "Digest realm=\"biloxi.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        ),
        (
            "WWW-Authenticate",
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", stale=TRUE, userhash=true",
        ),
        ("WWW-Authenticate", "Basic realm=\"x\""),
        (
            "Proxy-Authenticate",
            "Digest realm=\"a\",nonce=b,algorithm=X-9",
        ),
    ]);
    let all: Vec<_> = h.www_challenges().map(Result::unwrap).collect();
    let first = digest(all[0].clone());
    assert_eq!(&*first.realm, "biloxi.com");
    assert_eq!(first.qop, [Qop::Auth, Qop::AuthInt]);
    assert_eq!((first.algorithm(), first.stale), (&Algorithm::Md5, false));
    let second = digest(all[1].clone());
    assert_eq!(second.algorithm, Some(Algorithm::Sha256));
    assert!(second.stale && second.userhash);
    assert!(matches!(&all[2], Challenge::Other { scheme, .. } if &**scheme == "Basic"));
    let proxy = digest(h.proxy_challenges().next().unwrap().unwrap());
    assert_eq!(proxy.algorithm().as_str(), "X-9");
    assert!(proxy.qop.is_empty());
    for d in [first, second, proxy] {
        assert_eq!(
            Challenge::parse(&d.to_value()).unwrap(),
            [Challenge::Digest(d)]
        );
    }
}

#[test]
fn challenges_that_share_a_line() {
    let text = "Digest realm=\"a, b\", nonce=\"1\", NTLM, Negotiate abc==, Digest realm=\"c\" , nonce = \"2\",qop=auth";
    let all = Challenge::parse(&value(text)).unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(&*digest(all[0].clone()).realm, "a, b");
    assert_eq!(&*digest(all[3].clone()).nonce, "2");
}

#[test]
fn a_bad_challenge_hides_no_good_one() {
    let h = Headers::of(&[
        ("WWW-Authenticate", "Digest realm=\"a\""),
        ("WWW-Authenticate", "Digest realm=\"a\",nonce=\"b\""),
    ]);
    let all: Vec<_> = h.www_challenges().collect();
    assert_eq!(
        all[0].as_ref().err().map(|e| (e.kind(), e.what())),
        Some((ErrorKind::Missing, "nonce"))
    );
    assert!(all[1].is_ok());
}

#[test]
fn credentials_of_the_rfc() {
    let text = "Digest username=\"bob\",\trealm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"sip:bob@biloxi.com\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let mut h = Headers::new();
    h.push(HeaderName::Authorization, text).unwrap();
    let Credentials::Digest(c) = h.authorizations().next().unwrap().unwrap() else {
        panic!()
    };
    assert_eq!((&*c.username, &*c.uri), ("bob", "sip:bob@biloxi.com"));
    assert_eq!((c.qop.as_ref(), c.nc), (Some(&Qop::Auth), Some(1)));
    assert_eq!(c.response.expose(), "6629fae49393a05397450978507c4ef1");
    assert_eq!(
        Credentials::parse(&c.to_value()).unwrap(),
        Credentials::Digest(c)
    );
}

#[test]
fn a_response_shows_in_no_debug_output() {
    let text = "OPTIONS sip:b@c SIP/2.0\r\nAuthorization: Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:c\",response=\"canary1\"\r\n\
                Proxy-Authorization: Basic canary2\r\nAuthentication-Info: rspauth=\"canary3\"\r\n\r\n";
    let message = Message::parse(&value(text)).unwrap();
    let h = message.headers();
    let all: Vec<_> = h.authorizations().chain(h.proxy_authorizations()).collect();
    let shown = format!("{message:?} {all:?} {:?}", h.authentication_info());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("Digest"), "{shown}");
}

#[test]
fn what_a_server_proves() {
    let text = "nextnonce=\"47364c23432d2e131a5fb210812c\", qop=auth, rspauth=\"6629\", cnonce=\"0a4f\", nc=0000001f";
    let info = AuthenticationInfo::parse(&value(text)).unwrap();
    assert_eq!(
        (info.nc, info.response.as_ref().map(Secret::expose)),
        (Some(31), Some(&"6629".to_owned()))
    );
    assert_eq!(AuthenticationInfo::parse(&info.to_value()).unwrap(), info);
    assert_eq!(AuthenticationInfo::default().to_value(), "");
}

#[test]
fn odd_characters_stay_as_they_came() {
    let text = r#"Digest realm="a \"b\" \\ c", nonce="x""#;
    let d = digest(Challenge::parse(&value(text)).unwrap().remove(0));
    assert_eq!(&*d.realm, r#"a \"b\" \\ c"#);
    assert!(
        d.to_value()
            .starts_with(br#"Digest realm="a \"b\" \\ c", nonce="x""#)
    );
    assert_eq!(&*escaped("a \"b\"\r\n"), "a \\\"b\\\"  ");
    let odd = DigestChallenge::new("a\"b\r\nX: y", "n", Algorithm::Md5);
    assert_eq!(
        odd.to_value(),
        r#"Digest realm="a\"b  X: y", nonce="n", algorithm=MD5, qop="auth""#
    );
}

#[test]
fn what_is_refused() {
    let kind = |text: &str| Credentials::parse(&value(text)).err().map(Error::kind);
    let good = "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:c\",response=\"x\"";
    assert_eq!(kind(good), None);
    assert_eq!(
        kind(&format!("{good},NC=1,nc=2")),
        Some(ErrorKind::Duplicate)
    );
    assert_eq!(kind(&format!("{good},nc=+1")), Some(ErrorKind::Number));
    assert_eq!(
        kind(&format!("{good},nc=100000000")),
        Some(ErrorKind::Number)
    );
    assert_eq!(kind(&format!("{good}, Digest a=b")), Some(ErrorKind::Value));
    assert_eq!(kind("Digest realm=\"r\""), Some(ErrorKind::Missing));
    let many: String = (0..40).map(|n| format!(",p{n}=x")).collect();
    assert_eq!(
        kind(&format!("{good}{many}")),
        Some(ErrorKind::Limit(Limit::List))
    );
    for bad in [
        "",
        ",",
        "=",
        "Digest realm",
        "Digest realm=\"a",
        "Digest =x",
        "Digest a=\"b\"c",
        "a=b",
    ] {
        assert!(kind(bad).is_some(), "{bad}");
    }
    let schemes = "X,".repeat(40);
    assert_eq!(
        Challenge::parse(&value(&schemes)).err().map(Error::kind),
        Some(ErrorKind::Limit(Limit::List))
    );
}
