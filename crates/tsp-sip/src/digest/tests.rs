use bytes::Bytes;
use msp_core::secret::Secret;

use super::*;
use crate::wire::auth::{Algorithm, Qop};
use crate::wire::{HeaderName, Headers, Message, Request};

/// Algorithm, user, realm, password, nonce, method, URI, cnonce, qop, whether there is a body, response.
type Vector = (
    Algorithm,
    [&'static str; 3],
    &'static str,
    [&'static str; 2],
    &'static str,
    Option<Qop>,
    &'static str,
);

const BODY: &str = "v=0\r\no=bob 2890844526 2890844526 IN IP4 media.biloxi.com\r\ns=-\r\nc=IN IP4 media.biloxi.com\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

const OLD: &str = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
const GET: [&str; 2] = ["GET", "/dir/index.html"];
const INVITE: [&str; 2] = ["INVITE", "sip:bob@biloxi.com"];
const BOB: [&str; 3] = ["bob", "biloxi.com", "zanzibar"];

fn vectors() -> Vec<Vector> {
    use Algorithm::*;
    let new = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let mufasa = ["Mufasa", "http-auth@example.org", "Circle of Life"];
    let auth = || Some(Qop::Auth);
    let int = || Some(Qop::AuthInt);
    let c = "0a4f113b";
    vec![
        // RFC 2617 section 3.5.
        (
            Md5,
            ["Mufasa", "testrealm@host.com", "Circle Of Life"],
            OLD,
            GET,
            c,
            auth(),
            "6629fae49393a05397450978507c4ef1",
        ),
        // RFC 7616 section 3.9.1.
        (
            Md5,
            mufasa,
            new,
            GET,
            cnonce,
            auth(),
            "8ca523f5e9506fed4657c9700eebdbec",
        ),
        (
            Sha256,
            mufasa,
            new,
            GET,
            cnonce,
            auth(),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        // The parameters of draft-smith-sipping-auth-examples-01.
        (
            Md5,
            BOB,
            OLD,
            INVITE,
            c,
            None,
            "bf57e4e0d0bffc0fbaedce64d59add5e",
        ),
        (
            Md5,
            BOB,
            OLD,
            INVITE,
            c,
            int(),
            "c2a6f5525110ebc1f6080353fc3b5656",
        ),
        (
            Md5Sess,
            BOB,
            OLD,
            INVITE,
            c,
            auth(),
            "e4e4ea61d186d07a92c9e1f6919902e9",
        ),
        (
            Sha256,
            BOB,
            OLD,
            INVITE,
            c,
            None,
            "38aad98c50c33abe72c5f88dd17246ffcfa6b1f68852c855719ff0659386c0ca",
        ),
        (
            Sha256Sess,
            BOB,
            OLD,
            INVITE,
            c,
            auth(),
            "5da59c9ca40954be9d5063a15a174066c8251be2c10cf47c144c366dc7daf792",
        ),
        (
            Sha256Sess,
            BOB,
            OLD,
            INVITE,
            c,
            int(),
            "949ee21b38a3e2250b951b7e1c2351e453e6964142745582a94bd96fbfb54791",
        ),
        (
            Sha512_256,
            BOB,
            OLD,
            INVITE,
            c,
            auth(),
            "7f1a09de0f19af0a1eac2b28d33e3f2fb89cca1ad8fb01bba5e1883b288bac14",
        ),
    ]
}

// Shows: digests by MD5, SHA-256 and SHA-512-256, for sessions, with auth, auth-int and none | RFC 7616, RFC 8760, RFC 2069, interop rows 15 and 17
#[test]
fn published_digests_come_out() {
    for (algorithm, [user, realm, password], nonce, [method, uri], cnonce, qop, response) in
        vectors()
    {
        let (hash, _) = Hash::of(&algorithm).unwrap();
        let ha1 = hash.ha1(user, realm, &Secret::new(password.to_owned()));
        let proof = Proof {
            nonce,
            cnonce,
            nc: 1,
            qop: qop.as_ref(),
            method,
            uri,
            body: BODY.as_bytes(),
        };
        let made = proof.response(&algorithm, &ha1).unwrap();
        assert_eq!(made.expose(), response, "{algorithm} {qop:?}");
        assert_eq!(made.expose().len(), hash.digits());
    }
}

fn request(extra: &str) -> Request {
    let text = format!(
        "REGISTER sip:biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:bob@biloxi.com>;tag=1\r\n\
         To: <sip:bob@biloxi.com>\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\n{extra}\r\n"
    );
    match Message::parse(&Bytes::from(text)).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!(),
    }
}

fn asked(values: &[&str]) -> Headers {
    let mut headers = Headers::new();
    for value in values {
        let value = (*value).to_owned();
        headers.push(HeaderName::WwwAuthenticate, value).unwrap();
    }
    headers
}

fn bob() -> Vec<Credential> {
    vec![Credential::password("bob", "zanzibar")]
}

fn proofs(client: &mut DigestClient) -> Vec<String> {
    let mut request = request("");
    client.authorize(&mut request);
    let all = request.headers.all(&HeaderName::Authorization);
    all.map(|v| String::from_utf8_lossy(v).into_owned())
        .collect()
}

// Shows: of several challenges of a realm the topmost that is supported is answered | RFC 8760 2.4, interop row 15
#[test]
fn the_topmost_challenge_that_is_supported_is_answered() {
    let mut client = DigestClient::default();
    let headers = asked(&[
        "Basic realm=\"r\"",
        "Digest realm=\"r\", nonce=\"a\", algorithm=SHA-3",
        "Digest realm=\"r\", nonce=\"b\", algorithm=SHA-256, qop=\"tls\"",
        "Digest realm=\"r\", nonce=\"c\", algorithm=SHA-512-256, qop=\"auth-int,auth\"",
        "Digest realm=\"r\", nonce=\"d\", algorithm=MD5, qop=\"auth\"",
        "Digest realm=\"s\", nonce=\"e\"",
    ]);
    assert!(client.challenged(&bob(), &request(""), &headers, false, &[], || "cn".into()));
    let made = proofs(&mut client);
    assert_eq!(made.len(), 2, "{made:?}");
    assert!(
        made[0].contains("nonce=\"c\"") && made[0].contains("qop=auth,"),
        "{made:?}"
    );
    // The old form: no qop, no count, and no algorithm where none was named.
    for absent in ["qop", "nc=", "cnonce", "algorithm"] {
        assert!(!made[1].contains(absent), "{made:?}");
    }
    // A key that is for one function passes the others by.
    let mut client = DigestClient::default();
    let key = Key::Ha1(Hash::Md5, Secret::new("0".repeat(32)));
    let (realm, user) = (Some("r".into()), "bob".into());
    let only = [Credential { realm, user, key }];
    assert!(client.challenged(&only, &request(""), &headers, false, &[], || "cn".into()));
    let made = proofs(&mut client);
    assert!(
        made.len() == 1 && made[0].contains("nonce=\"d\""),
        "{made:?}"
    );
}

// Shows: a nonce is used again with a count | RFC 7616 3.4, interop row 16
#[test]
fn a_nonce_is_used_again_with_a_count_until_the_server_has_another() {
    let mut client = DigestClient::default();
    let headers = asked(&["Digest realm=\"r\", nonce=\"a\", qop=\"auth\", opaque=\"o\\\"p\""]);
    assert!(client.challenged(&bob(), &request(""), &headers, false, &[], || "cn".into()));
    for n in 1..=17 {
        let made = proofs(&mut client).remove(0);
        assert!(made.contains(&format!("nc={n:08x}")), "{made}");
        assert!(made.contains("opaque=\"o\\\"p\""), "{made}");
    }
    let mut info = Headers::new();
    info.push(HeaderName::AuthenticationInfo, "nextnonce=\"b\"")
        .unwrap();
    client.accepted(&info);
    let made = proofs(&mut client).remove(0);
    assert!(made.contains("nonce=\"b\"") && made.contains("nc=00000001"));
}

// Shows: a challenge that says the password is wrong is not answered again | interop row 16
#[test]
fn the_same_nonce_again_is_a_refusal_unless_it_is_stale() {
    let mut client = DigestClient::default();
    let first = asked(&["Digest realm=\"r\", nonce=\"a\", qop=\"auth\""]);
    assert!(client.challenged(&bob(), &request(""), &first, false, &[], || "cn".into()));
    let proof = proofs(&mut client).remove(0);
    let refused = request(&format!("Authorization: {proof}\r\n"));
    assert!(!client.challenged(&bob(), &refused, &first, false, &[], || "cn".into()));
    let stale = asked(&["Digest realm=\"r\", nonce=\"a\", qop=\"auth\", stale=TRUE"]);
    assert!(client.challenged(&bob(), &refused, &stale, false, &[], || "cn".into()));
    let other = asked(&["Digest realm=\"r\", nonce=\"b\", qop=\"auth\""]);
    assert!(client.challenged(&bob(), &refused, &other, false, &[], || "cn".into()));
    // This one was asked for already: the server had the chance to say what is wrong with the nonce.
    let asked_before = ["r".into()];
    assert!(
        !client.challenged(&bob(), &refused, &other, false, &asked_before, || "cn"
            .into())
    );
    assert!(
        client.challenged(&bob(), &refused, &stale, false, &asked_before, || "cn"
            .into())
    );
}

#[test]
fn nothing_is_proved_without_a_credential_for_the_realm() {
    let mut client = DigestClient::default();
    let headers = asked(&["Digest realm=\"python\", nonce=\"1234\""]);
    assert!(!client.challenged(&[], &request(""), &headers, false, &[], || "cn".into()));
    let mut other = bob();
    other[0].realm = Some("provider".into());
    assert!(!client.challenged(&other, &request(""), &headers, false, &[], || "cn".into()));
    assert!(proofs(&mut client).is_empty());
}

#[test]
fn passwords_are_not_shown() {
    let mut client = DigestClient::default();
    let headers = asked(&["Digest realm=\"r\", nonce=\"a\""]);
    assert!(client.challenged(&bob(), &request(""), &headers, false, &[], || "cn".into()));
    let shown = format!("{:?} {client:?}", bob());
    assert!(
        !shown.contains("zanzibar") && !shown.contains("ha1"),
        "{shown}"
    );
}
