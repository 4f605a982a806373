//! `name=value` pairs between commas, the grammar that challenges and credentials share.

use bytes::Bytes;

use crate::wire::scan::{is_token, list_items, quote, quoted_len, trim};
use crate::wire::text::Text;
use crate::{Error, ErrorKind, Limit, Result};

/// The most pairs of one challenge or of one set of credentials.
const MOST: usize = 32;

/// Pairs in their order, their values as they stand between quotes.
#[derive(Debug, Default)]
pub(super) struct Pairs(Vec<(Text, Text)>);

impl Pairs {
    /// The value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&Text> {
        let found = self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, v)| v)
    }

    /// The value of `name`, which must be there.
    pub(super) fn need(&self, name: &'static str) -> Result<Text> {
        let found = self.get(name).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::Missing, name))
    }

    /// Reads one pair and adds it.
    pub(super) fn read(&mut self, item: &Bytes) -> Result<()> {
        const BAD: Error = Error::new(ErrorKind::Value, "digest parameter");
        let text = Text::new(item.clone()).map_err(|_| BAD)?;
        let (name, value) = text.split_once('=').ok_or(BAD)?;
        let name = text.share(name.trim_end_matches([' ', '\t']));
        let value = value.trim_matches([' ', '\t']);
        let value = if value.starts_with('"') {
            if !is_quoted(value) {
                return Err(BAD);
            }
            value.get(1..value.len() - 1).unwrap_or_default()
        } else if value
            .bytes()
            .all(|b| b > b' ' && !matches!(b, b'"' | b',' | 0x7f))
        {
            // Some peers leave the quotes away; what cannot be mistaken is taken.
            value
        } else {
            return Err(BAD);
        };
        let value = text.share(value);
        if !is_token(name.as_bytes()) {
            return Err(BAD);
        }
        // Whoever reads the other one of two would see other credentials.
        if self.get(&name).is_some() {
            return Err(Error::new(ErrorKind::Duplicate, "digest parameter"));
        }
        if self.0.len() == MOST {
            return Err(Error::limit(Limit::List, "digest parameters"));
        }
        self.0.push((name, value));
        Ok(())
    }
}

/// Whether `text` is a quoted string, without anything that could end a line.
fn is_quoted(text: &str) -> bool {
    let plain = |c: char| !c.is_control() || c == '\t';
    quoted_len(text.as_bytes()) == Some(text.len()) && text.chars().all(plain)
}

/// One scheme of a field: its name, and the text of its pairs or whatever else follows it.
pub(super) struct Scheme {
    pub(super) name: Text,
    pub(super) items: Vec<Bytes>,
}

/// The schemes of a field's value. One field should hold one (RFC 3261 section 7.3.1), yet peers that come from
/// HTTP put several in a line.
pub(super) fn schemes(value: &Bytes) -> Result<Vec<Scheme>> {
    const BAD: Error = Error::new(ErrorKind::Value, "scheme");
    let mut all: Vec<Scheme> = Vec::new();
    for item in list_items(value) {
        if item.is_empty() {
            continue;
        }
        let (name, rest) = match leading_scheme(item) {
            Some((name, rest)) => (Some(name), rest),
            None => (None, item),
        };
        if let Some(name) = name {
            if all.len() == MOST {
                return Err(Error::limit(Limit::List, "schemes"));
            }
            all.push(Scheme {
                name: Text::new(value.slice_ref(name)).map_err(|_| BAD)?,
                items: Vec::new(),
            });
        }
        let scheme = all.last_mut().ok_or(BAD)?;
        if !rest.is_empty() {
            scheme.items.push(value.slice_ref(rest));
        }
    }
    if all.is_empty() { Err(BAD) } else { Ok(all) }
}

/// Cuts a scheme off: a token, and then the end or white space without an equals sign after it.
fn leading_scheme(item: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = item.iter().position(|b| matches!(b, b' ' | b'\t'));
    let (word, rest) = item.split_at_checked(end.unwrap_or(item.len()))?;
    let rest = trim(rest);
    (is_token(word) && rest.first() != Some(&b'=')).then_some((word, rest))
}

/// Writes pairs, each led by a space or a comma.
pub(super) struct Writer(String);

impl Writer {
    pub(super) fn new(scheme: &str) -> Self {
        Self(String::from(scheme))
    }

    fn name(&mut self, name: &str) {
        let first = !self.0.contains('=');
        match (self.0.is_empty(), first) {
            (true, _) => {}
            (false, true) => self.0.push(' '),
            (false, false) => self.0.push_str(", "),
        }
        self.0.push_str(name);
        self.0.push('=');
    }

    /// A value between quotes; one that cannot stand there as it is gets escaped.
    pub(super) fn quoted(&mut self, name: &str, value: &str) {
        self.name(name);
        let whole = format!("\"{value}\"");
        let fits = is_quoted(&whole);
        self.0.push_str(&if fits { whole } else { quote(value) });
    }

    /// A value without quotes, if it is a token, else between them.
    pub(super) fn plain(&mut self, name: &str, value: &str) {
        if is_token(value.as_bytes()) {
            self.name(name);
            self.0.push_str(value);
        } else {
            self.quoted(name, value);
        }
    }

    pub(super) fn quoted_if(&mut self, name: &str, value: Option<&Text>) {
        if let Some(value) = value {
            self.quoted(name, value);
        }
    }

    pub(super) fn finish(self) -> Bytes {
        self.0.into()
    }
}
