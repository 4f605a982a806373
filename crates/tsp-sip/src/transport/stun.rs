//! The little of STUN that is spoken between messages of SIP: a binding request asks whether a way still leads there, and
//! its response says what address it comes out at (RFC 5626 section 8, RFC 8489).

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

/// What every message of STUN has after its length (RFC 8489 section 5).
const COOKIE: u32 = 0x2112_A442;

const HEADER: usize = 20;

const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const REFUSAL: u16 = 0x0111;

const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// Attributes that a request may have and that need no answer: MAPPED-ADDRESS, and those of who proves itself.
const PASSED_OVER: [u16; 8] = [
    0x0001, 0x0006, 0x0008, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E,
];

/// Attributes that are named as unknown at most: an answer is never much longer than what it answers.
const MOST_UNKNOWN: usize = 8;

/// Names a request and its response.
pub(crate) type TransactionId = [u8; 12];

/// What a message of STUN says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stun {
    /// A binding request, with the attributes in it that have to be understood and are not.
    Request(TransactionId, Vec<u16>),
    /// Our request came from this address, as the other end saw it.
    Success(TransactionId, SocketAddr),
    /// Our request was not taken.
    Refusal(TransactionId),
}

/// Whether a datagram is one of STUN: no message of SIP begins with such a byte.
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram, [0 | 1, ..])
}

/// A binding request. It needs no attribute.
pub(crate) fn request(id: TransactionId) -> Bytes {
    message(REQUEST, id, &[])
}

/// The answer to a binding request from `source`.
pub(crate) fn answer(id: TransactionId, unknown: &[u16], source: SocketAddr) -> Bytes {
    let mut body = BytesMut::with_capacity(24);
    if unknown.is_empty() {
        put_address(&mut body, id, source);
        return message(SUCCESS, id, &body);
    }
    // 420 without a phrase.
    for word in [ERROR_CODE, 4, 0, 0x0414] {
        body.put_u16(word);
    }
    body.put_u16(UNKNOWN_ATTRIBUTES);
    let named = unknown.iter().take(MOST_UNKNOWN);
    body.put_u16(named.clone().fold(0, |length, _| length + 2));
    for kind in named.clone() {
        body.put_u16(*kind);
    }
    if named.count() % 2 == 1 {
        body.put_u16(0);
    }
    message(REFUSAL, id, &body)
}

/// Reads a message; `None` for what is none of a binding.
pub(crate) fn read(datagram: &[u8]) -> Option<Stun> {
    let (header, body) = datagram.split_at_checked(HEADER)?;
    let kind = word(header, 0)?;
    let length = usize::from(word(header, 2)?);
    if header.get(4..8)? != COOKIE.to_be_bytes() || length != body.len() || length % 4 != 0 {
        return None;
    }
    let id = TransactionId::try_from(header.get(8..20)?).ok()?;
    let (mut unknown, mut mapped) = (Vec::new(), None);
    let mut rest = body;
    while !rest.is_empty() {
        let (name, length) = (word(rest, 0)?, usize::from(word(rest, 2)?));
        let value = rest.get(4..4 + length)?;
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
        match name {
            XOR_MAPPED_ADDRESS => mapped = mapped.or_else(|| address(value, id)),
            ERROR_CODE | UNKNOWN_ATTRIBUTES if kind == REFUSAL => {}
            // The upper half may be passed over (RFC 8489 section 14).
            0x8000.. => {}
            name if PASSED_OVER.contains(&name) => {}
            name => unknown.push(name),
        }
    }
    match kind {
        REQUEST => Some(Stun::Request(id, unknown)),
        SUCCESS if unknown.is_empty() => Some(Stun::Success(id, mapped?)),
        REFUSAL => Some(Stun::Refusal(id)),
        _ => None,
    }
}

fn message(kind: u16, id: TransactionId, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER + body.len());
    out.put_u16(kind);
    // Ours are short.
    out.put_u16(u16::try_from(body.len()).unwrap_or_default());
    out.put_u32(COOKIE);
    out.put_slice(&id);
    out.put_slice(body);
    out.freeze()
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let word = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(word.try_into().ok()?))
}

/// What an address is combined with, so that no box on the way rewrites it (RFC 8489 section 14.2).
fn mask(id: TransactionId) -> u128 {
    let id = id.iter().fold(0, |sum: u128, b| sum << 8 | u128::from(*b));
    u128::from(COOKIE) << 96 | id
}

const PORT_MASK: u16 = 0x2112;

fn put_address(out: &mut BytesMut, id: TransactionId, address: SocketAddr) {
    out.put_u16(XOR_MAPPED_ADDRESS);
    match address.ip() {
        IpAddr::V4(ip) => {
            out.put_u16(8);
            out.put_u16(1);
            out.put_u16(address.port() ^ PORT_MASK);
            out.put_u32(ip.to_bits() ^ COOKIE);
        }
        IpAddr::V6(ip) => {
            out.put_u16(20);
            out.put_u16(2);
            out.put_u16(address.port() ^ PORT_MASK);
            out.put_u128(ip.to_bits() ^ mask(id));
        }
    }
}

fn address(value: &[u8], id: TransactionId) -> Option<SocketAddr> {
    let port = word(value, 2)? ^ PORT_MASK;
    let bits = value.get(4..)?;
    let ip: IpAddr = match (value.get(1)?, bits.len()) {
        (1, 4) => {
            let bits = u32::from_be_bytes(bits.try_into().ok()?);
            std::net::Ipv4Addr::from_bits(bits ^ COOKIE).into()
        }
        (2, 16) => {
            let bits = u128::from_be_bytes(bits.try_into().ok()?);
            std::net::Ipv6Addr::from_bits(bits ^ mask(id)).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 section 2.2: the sample response for IPv4.
    const IPV4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
                        002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7\
                        80280004c07d4c96";

    /// RFC 5769 section 2.3: the same for IPv6.
    const IPV6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
                        002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf1\
                        1784c97c8292c275bfe3ed4180280004c8fb0b4c";

    /// RFC 5769 section 2.1: the sample request, with attributes of ICE.
    const ICE: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
                       002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020\
                       000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

    const ID: TransactionId = [
        0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
    ];

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks(2).map(|p| pair(p).unwrap()).collect()
    }

    // Shows: STUN binding is read and written as its test vectors have it | RFC 5769, RFC 8489 14.2
    #[test]
    fn the_sample_messages_are_read() {
        let seen: SocketAddr = "192.0.2.1:32853".parse().unwrap();
        assert_eq!(read(&hex(IPV4)), Some(Stun::Success(ID, seen)));
        let six: SocketAddr = "[2001:db8:1234:5678:11:2233:4455:6677]:32853"
            .parse()
            .unwrap();
        assert_eq!(read(&hex(IPV6)), Some(Stun::Success(ID, six)));
        // PRIORITY has to be understood, and is not outside of ICE.
        assert_eq!(read(&hex(ICE)), Some(Stun::Request(ID, vec![0x0024])));
        for address in [seen, six] {
            let answer = answer(ID, &[], address);
            assert_eq!(read(&answer), Some(Stun::Success(ID, address)));
            assert!(answer.len() < 3 * HEADER);
        }
        let literal = "000100002112a442b7e7a701bc34d686fa87dfae";
        assert_eq!(request(ID), hex(literal));
        assert_eq!(read(&hex(literal)), Some(Stun::Request(ID, vec![])));
    }

    #[test]
    fn what_has_to_be_understood_and_is_not_is_named() {
        let refusal = answer(ID, &[0x24], "192.0.2.1:1".parse().unwrap());
        let literal = "011100102112a442b7e7a701bc34d686fa87dfae 0009000400000414 000a0002 00240000";
        assert_eq!(refusal, hex(literal));
        assert_eq!(read(&refusal), Some(Stun::Refusal(ID)));
        let many = answer(ID, &[0x24; 500], "192.0.2.1:1".parse().unwrap());
        assert!(many.len() <= 48);
    }

    // Shows: damaged STUN harms nothing | hostile input
    #[test]
    fn damaged_messages_are_none_or_something_else() {
        for text in [IPV4, IPV6, ICE] {
            let whole = hex(text);
            for cut in 0..whole.len() {
                assert_eq!(read(&whole[..cut]), None, "{cut}");
            }
            for at in 0..whole.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut changed = whole.clone();
                    changed[at] = value;
                    // Whatever comes of it.
                    let _any = read(&changed);
                }
            }
        }
        // The STUN of RFC 3489 has no cookie, and is none.
        let mut old = hex("000100002112a442b7e7a701bc34d686fa87dfae");
        old[4] = 0;
        assert_eq!(read(&old), None);
    }
}
