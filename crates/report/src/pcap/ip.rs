//! IP and UDP headers for datagrams of which only addresses and payload are known.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
const HOPS: u8 = 64;

/// The packet that carries `payload`; `None` if it is too long for one (RFC 768: 65,535 bytes with the header).
pub(super) fn datagram(
    from: SocketAddr,
    to: SocketAddr,
    identification: u16,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let len = u16::try_from(UDP_HEADER + payload.len()).ok()?;
    let (mut packet, pseudo) = match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            v4(source, destination, identification, len)?
        }
        (source, destination) => v6(as_v6(source), as_v6(destination), len),
    };
    let mut udp = Vec::with_capacity(usize::from(len));
    udp.extend_from_slice(&from.port().to_be_bytes());
    udp.extend_from_slice(&to.port().to_be_bytes());
    udp.extend_from_slice(&len.to_be_bytes());
    udp.extend_from_slice(&[0; 2]);
    udp.extend_from_slice(payload);
    // Zero would mean that there is no checksum (RFC 768).
    let sum = match checksum(&[&pseudo, &udp]) {
        0 => 0xffff,
        sum => sum,
    };
    if let Some(field) = udp.get_mut(6..8) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    packet.extend_from_slice(&udp);
    Some(packet)
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The IPv4 header (RFC 791 section 3.1) and the pseudo header that UDP sums up (RFC 768).
fn v4(
    from: Ipv4Addr,
    to: Ipv4Addr,
    identification: u16,
    udp_len: u16,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let total = udp_len.checked_add(20)?;
    let mut header = vec![0x45, 0];
    header.extend_from_slice(&total.to_be_bytes());
    header.extend_from_slice(&identification.to_be_bytes());
    header.extend_from_slice(&[0x40, 0, HOPS, UDP, 0, 0]); // not fragmented
    header.extend_from_slice(&from.octets());
    header.extend_from_slice(&to.octets());
    let sum = checksum(&[&header]);
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    let mut pseudo = Vec::with_capacity(12);
    pseudo.extend_from_slice(&from.octets());
    pseudo.extend_from_slice(&to.octets());
    pseudo.extend_from_slice(&[0, UDP]);
    pseudo.extend_from_slice(&udp_len.to_be_bytes());
    Some((header, pseudo))
}

/// The IPv6 header (RFC 8200 section 3) and its pseudo header (section 8.1).
fn v6(from: Ipv6Addr, to: Ipv6Addr, udp_len: u16) -> (Vec<u8>, Vec<u8>) {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend_from_slice(&udp_len.to_be_bytes());
    header.extend_from_slice(&[UDP, HOPS]);
    header.extend_from_slice(&from.octets());
    header.extend_from_slice(&to.octets());
    let mut pseudo = Vec::with_capacity(40);
    pseudo.extend_from_slice(&from.octets());
    pseudo.extend_from_slice(&to.octets());
    pseudo.extend_from_slice(&u32::from(udp_len).to_be_bytes());
    pseudo.extend_from_slice(&[0, 0, 0, UDP]);
    (header, pseudo)
}

/// The checksum of the internet over `parts` (RFC 1071); all but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            let word = [
                pair.first().copied().unwrap_or(0),
                pair.get(1).copied().unwrap_or(0),
            ];
            // At most 65,535 words of 16 bits: no overflow.
            sum += u32::from(u16::from_be_bytes(word));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
