//! A whole description: sections of lines, read without loss.

use std::fmt;

use crate::attribute::Attribute;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::line::{Bandwidth, Connection, Ending, Line, Media, Origin, Value};

/// The lines of the session, or of one medium, in their order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Section {
    lines: Vec<Line>,
    first_line: usize,
}

impl Section {
    /// The lines in their order, unknown ones too.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The attributes in their order.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.numbered_attributes().map(|(_, a)| a)
    }

    /// The attributes, each with the number of its line.
    pub(crate) fn numbered_attributes(&self) -> impl Iterator<Item = (usize, &Attribute)> {
        self.lines
            .iter()
            .enumerate()
            .filter_map(|(i, line)| match line.value() {
                Value::Attribute(a) => Some((self.first_line + i, a)),
                _ => None,
            })
    }

    /// The first c= line.
    pub fn connection(&self) -> Option<&Connection> {
        self.lines.iter().find_map(|line| match line.value() {
            Value::Connection(c) => Some(c),
            _ => None,
        })
    }

    /// The b= lines.
    pub fn bandwidths(&self) -> impl Iterator<Item = &Bandwidth> {
        self.lines.iter().filter_map(|line| match line.value() {
            Value::Bandwidth(b) => Some(b),
            _ => None,
        })
    }

    /// The number of the section's first line in the text, counted from 1.
    pub const fn first_line(&self) -> usize {
        self.first_line
    }
}

/// An m= line and what follows it.
#[derive(Clone, PartialEq, Debug)]
pub struct MediaSection {
    /// The m= line.
    pub media: Media,
    /// All lines, the m= line first.
    pub section: Section,
}

/// A session description (RFC 8866), of which every line is kept as it came.
///
/// Lines that RFC 8866 wants may be missing but for v=, and lines may stand in another order than it
/// wants: peers do both, and what a call needs is asked for when it is needed. Printing gives the text
/// back byte for byte.
///
/// ```
/// use tsp_sdp::SessionDescription;
///
/// let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
///             m=audio 49170 RTP/AVP 0 96\r\na=rtpmap:96 opus/48000/2\r\n";
/// let description = SessionDescription::parse(text.as_bytes())?;
/// assert_eq!(description.media()[0].media.port, 49170);
/// assert_eq!(description.to_string(), text);
/// # Ok::<(), tsp_sdp::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SessionDescription {
    session: Section,
    media: Vec<MediaSection>,
}

impl SessionDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// A limit that is passed, and a v=, o=, c= or m= line that cannot be read, each with its line.
    pub fn parse(text: &[u8]) -> Result<Self> {
        if text.len() > Limits::BYTES {
            return Err(ErrorKind::TooLong.into());
        }
        let text = std::str::from_utf8(text).map_err(|e| {
            let before = text.get(..e.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            Error::at_line(ErrorKind::NotText, line)
        })?;
        let mut builder = Builder::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (line, ending, after) = split_line(rest);
            builder.push(line, ending)?;
            rest = after;
        }
        builder.finish()
    }

    /// The lines before the first m= line.
    pub const fn session(&self) -> &Section {
        &self.session
    }

    /// The media in their order.
    pub fn media(&self) -> &[MediaSection] {
        &self.media
    }

    /// The o= line.
    pub fn origin(&self) -> Option<&Origin> {
        self.session
            .lines
            .iter()
            .find_map(|line| match line.value() {
                Value::Origin(o) => Some(o),
                _ => None,
            })
    }

    /// All lines in their order.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.session
            .lines
            .iter()
            .chain(self.media.iter().flat_map(|m| &m.section.lines))
    }
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|line| line.fmt(f))
    }
}

/// Whether two texts say the same of the same session: everything but the version of the o= line.
pub(crate) fn same_but_version(one: &str, other: &str) -> bool {
    let (mut ours, mut theirs) = (lines(one), lines(other));
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a.starts_with("o=") && b.starts_with("o=") => {
                // User, number, version, network, kind of address, address.
                let words = |line| str::split_ascii_whitespace(line).take(6).enumerate();
                let told = |line| words(line).filter(|(n, _)| *n != 2);
                if !told(a).eq(told(b)) {
                    return false;
                }
            }
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// The lines of a text without what ends them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| {
            let (line, _, after) = split_line(rest);
            rest = after;
            line
        })
    })
}

#[derive(Default)]
struct Builder {
    description: SessionDescription,
    count: usize,
    attributes: usize,
    versioned: bool,
}

impl Builder {
    fn push(&mut self, text: &str, ending: Ending) -> Result<()> {
        self.count += 1;
        let number = self.count;
        let at = |kind| Error::at_line(kind, number);
        if number > Limits::LINES {
            return Err(at(ErrorKind::TooManyLines));
        }
        if text.starts_with("m=") && self.description.media.len() == Limits::MEDIA {
            return Err(at(ErrorKind::TooManyMedia));
        }
        let line = Line::parse(text, ending).map_err(at)?;
        if !self.versioned && !text.is_empty() {
            if !matches!(line.value(), Value::Version) {
                return Err(at(ErrorKind::BadVersion));
            }
            self.versioned = true;
        }
        match line.value() {
            Value::Media(media) => {
                self.attributes = 0;
                let media = media.clone();
                self.description.media.push(MediaSection {
                    media,
                    section: Section {
                        lines: vec![line],
                        first_line: number,
                    },
                });
                return Ok(());
            }
            Value::Attribute(_) => {
                self.attributes += 1;
                if self.attributes > Limits::ATTRIBUTES {
                    return Err(at(ErrorKind::TooManyAttributes));
                }
            }
            _ => {}
        }
        let section = match self.description.media.last_mut() {
            Some(media) => &mut media.section,
            None => &mut self.description.session,
        };
        if section.lines.is_empty() {
            section.first_line = number;
        }
        section.lines.push(line);
        Ok(())
    }

    fn finish(self) -> Result<SessionDescription> {
        if self.versioned {
            Ok(self.description)
        } else {
            Err(Error::at_line(ErrorKind::BadVersion, 1))
        }
    }
}

/// The first line, what ends it, and what follows.
fn split_line(text: &str) -> (&str, Ending, &str) {
    let Some(end) = text.find(['\r', '\n']) else {
        return (text, Ending::None, "");
    };
    let (line, rest) = text.split_at(end);
    for (mark, ending) in [
        ("\r\n", Ending::CrLf),
        ("\n", Ending::Lf),
        ("\r", Ending::Cr),
    ] {
        if let Some(rest) = rest.strip_prefix(mark) {
            return (line, ending, rest);
        }
    }
    (line, Ending::None, rest)
}
