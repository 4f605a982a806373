//! Header fields in their order.

use std::fmt;

use bytes::Bytes;

use super::name::HeaderName;
use super::scan::{ListItems, is_token_byte, list_items};
use crate::{Error, ErrorKind, Result};

/// One header field: its name, and its value as it came, continuation lines joined.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    name: HeaderName,
    value: Bytes,
}

impl Header {
    /// The name.
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The value.
    pub const fn value(&self) -> &Bytes {
        &self.value
    }
}

impl fmt::Debug for Header {
    /// Of credentials only the scheme is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match self.name {
            HeaderName::Authorization | HeaderName::ProxyAuthorization => {
                let scheme = self.value.iter().take_while(|b| is_token_byte(**b));
                self.value.slice(..scheme.count())
            }
            HeaderName::AuthenticationInfo | HeaderName::ProxyAuthenticationInfo => {
                Bytes::from_static(b"***")
            }
            _ => self.value.clone(),
        };
        write!(f, "{}: {shown:?}", self.name)
    }
}

/// The header fields of a message, in their order.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Headers {
    fields: Vec<Header>,
}

impl Headers {
    /// No header fields.
    pub const fn new() -> Self {
        Self { fields: Vec::new() }
    }

    pub(super) fn with_capacity(n: usize) -> Self {
        Self {
            fields: Vec::with_capacity(n),
        }
    }

    /// Adds a header field at the end.
    ///
    /// # Errors
    /// [`ErrorKind::Inexpressible`] if the value has a line break or a NUL, which would end or hide the field.
    pub fn push(&mut self, name: HeaderName, value: impl Into<Bytes>) -> Result<()> {
        let value = value.into();
        if value.iter().any(|&b| matches!(b, b'\r' | b'\n' | 0)) {
            return Err(Error::new(ErrorKind::Inexpressible, "header value"));
        }
        self.put(name, value);
        Ok(())
    }

    /// Adds a field whose value was read, or made of parts that were checked.
    pub(crate) fn put(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        self.fields.push(Header {
            name,
            value: value.into(),
        });
    }

    /// Adds a field before all others.
    pub(crate) fn put_first(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        self.fields.insert(
            0,
            Header {
                name,
                value: value.into(),
            },
        );
    }

    /// Replaces the first field `name`, or adds it.
    pub(crate) fn set(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        match self.fields.iter_mut().find(|f| f.name == name) {
            Some(field) => field.value = value.into(),
            None => self.put(name, value),
        }
    }

    /// Removes every field `name`.
    pub fn remove(&mut self, name: &HeaderName) {
        self.fields.retain(|f| f.name != *name);
    }

    /// The value of the first field `name`.
    pub fn get(&self, name: &HeaderName) -> Option<&Bytes> {
        self.fields
            .iter()
            .find(|f| f.name == *name)
            .map(|f| &f.value)
    }

    /// The value of the field `name`, which may be there once.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] if it is there more than once; `what` names it.
    pub(super) fn only(&self, name: &HeaderName, what: &'static str) -> Result<Option<&Bytes>> {
        let mut values = self.fields.iter().filter(|f| f.name == *name);
        let first = values.next().map(|f| &f.value);
        match values.next() {
            None => Ok(first),
            Some(_) => Err(Error::new(ErrorKind::Duplicate, what)),
        }
    }

    /// The values of all fields `name`.
    pub fn all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a Bytes> {
        self.fields
            .iter()
            .filter(move |f| f.name == *name)
            .map(|f| &f.value)
    }

    /// The values of all fields `name`, which is a list: each field split at its commas. An empty place
    /// between commas shows as an empty value.
    pub fn list<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = Bytes> + 'a {
        self.all(name).flat_map(|value| Shared {
            value,
            items: list_items(value),
        })
    }

    /// What `read` makes of each of the values of [`Headers::list`].
    pub(super) fn read_list<'a, T>(
        &'a self,
        name: &'a HeaderName,
        read: impl Fn(&Bytes) -> T + Copy + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        self.all(name).flat_map(move |value| {
            list_items(value).map(move |item| match item.len() == value.len() {
                // Most fields hold one value: it needs no share of the buffer of its own.
                true => read(value),
                false => read(&value.slice_ref(item)),
            })
        })
    }

    /// Whether a list field `name` has the token `token`, in any case.
    pub fn list_has(&self, name: &HeaderName, token: &str) -> bool {
        self.list(name)
            .any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.fields.iter()
    }

    /// How many fields there are.
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

#[cfg(test)]
impl Headers {
    /// Fields as they would have been read.
    pub(super) fn of(lines: &[(&str, &'static str)]) -> Self {
        let mut headers = Self::new();
        for (name, value) in lines {
            headers
                .push(HeaderName::new(name).unwrap(), *value)
                .unwrap();
        }
        headers
    }
}

/// The items of one list value as slices of the message's buffer.
struct Shared<'a> {
    value: &'a Bytes,
    items: ListItems<'a>,
}

impl Iterator for Shared<'_> {
    type Item = Bytes;
    fn next(&mut self) -> Option<Bytes> {
        self.items.next().map(|item| self.value.slice_ref(item))
    }
}
