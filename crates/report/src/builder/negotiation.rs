//! Offers and answers, as the messages of a call carry them.

use msp_core::id::PayloadType;
use msp_core::media::MediaDirection;
use tsp_sdp::{Attribute, MediaSection, Section, SessionDescription};

use crate::model::{Format, MediaLine, NegotiatedMedia, Negotiation};

/// A description and the message that carried it.
pub(super) struct Described {
    pub(super) at_s: f64,
    pub(super) by: usize,
    pub(super) call_id: Option<String>,
    pub(super) title: String,
    pub(super) description: SessionDescription,
}

/// Pairs each offer with what the other side answered to it (RFC 3264).
pub(super) fn build(described: &[Described]) -> Vec<Negotiation> {
    let mut out = Vec::new();
    let mut open: Option<&Described> = None;
    let mut done: Option<&Described> = None;
    for this in described {
        let repeats = |other: Option<&Described>| {
            other.is_some_and(|o| {
                o.by == this.by && o.call_id == this.call_id && o.description == this.description
            })
        };
        // A 200 repeats the answer of a 183, and a message sent again is no new offer.
        if repeats(open) || repeats(done) {
            continue;
        }
        match open {
            Some(offer) if offer.by != this.by && offer.call_id == this.call_id => {
                out.push(round(offer, Some(this)));
                open = None;
                done = Some(this);
            }
            _ => {
                out.extend(open.map(|offer| round(offer, None)));
                open = Some(this);
                done = None;
            }
        }
    }
    out.extend(open.map(|offer| round(offer, None)));
    out
}

fn round(offer: &Described, answer: Option<&Described>) -> Negotiation {
    let answers = answer.map(|a| a.description.media()).unwrap_or_default();
    let media = offer
        .description
        .media()
        .iter()
        .enumerate()
        .map(|(n, section)| NegotiatedMedia {
            offered: line(offer.description.session(), section),
            answered: answers
                .get(n)
                .zip(answer)
                .map(|(section, a)| line(a.description.session(), section)),
        })
        .collect();
    Negotiation {
        at_s: offer.at_s,
        offerer: offer.by,
        offered_in: offer.title.clone(),
        answered_in: answer.map(|a| a.title.clone()),
        media,
    }
}

fn line(session: &Section, media: &MediaSection) -> MediaLine {
    let attributes = || media.section.attributes();
    let meaning = |number: &str| {
        let payload_type = number.parse().ok().map(PayloadType)?;
        let mapped = attributes().find_map(|a| match a {
            Attribute::Rtpmap(p, codec) if *p == payload_type => {
                Some(format!("{}/{}", codec.name, codec.clock.hz()))
            }
            _ => None,
        });
        mapped.or_else(|| {
            let codecs = msp_codecs::CodecRegistry::builtin();
            Some(codecs.find_static(payload_type)?.info().to_string())
        })
    };
    let direction = attributes()
        .chain(session.attributes())
        .find_map(|a| match a {
            Attribute::Direction(d) => Some(*d),
            _ => None,
        })
        .unwrap_or_default();
    let host = media
        .section
        .connection()
        .or_else(|| session.connection())
        .map_or_else(|| "?".to_owned(), |c| c.host.to_string());
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    MediaLine {
        kind: media.media.media.to_string(),
        protocol: media.media.protocol.to_string(),
        address: format!("{host}:{}", media.media.port),
        formats: media
            .media
            .formats
            .iter()
            .map(|f| Format {
                number: f.to_string(),
                codec: meaning(f),
            })
            .collect(),
        ptime_ms: attributes().find_map(|a| match a {
            Attribute::Ptime(p) => Some(p.as_secs_f64() * 1e3),
            _ => None,
        }),
        direction: match direction {
            MediaDirection::SendRecv => "sendrecv",
            MediaDirection::SendOnly => "sendonly",
            MediaDirection::RecvOnly => "recvonly",
            MediaDirection::Inactive => "inactive",
        },
    }
}
