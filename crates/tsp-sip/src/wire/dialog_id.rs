//! Fields that name another dialog: Replaces (RFC 3891) and Target-Dialog (RFC 4538).

use std::fmt;

use bytes::Bytes;

use super::headers::Headers;
use super::name::HeaderName;
use super::params::{Params, headed};
use super::scan::is_token;
use super::text::Text;
use super::uri::Uri;
use crate::{Error, ErrorKind, Limit, Result};

/// The longest Call-ID and tag that name a dialog here, in bytes.
const LONGEST: usize = 256;

/// The dialog that an INVITE shall take the place of (RFC 3891 section 6.1). The tags are seen from the one who
/// receives the INVITE: `to_tag` is its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    dialog: Names,
    /// Whether the dialog may be replaced only while it is early.
    pub early_only: bool,
}

/// The dialog in which the sender of a request outside of it takes part (RFC 4538). The tags are seen from the
/// sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetDialog(Names);

/// Call-ID and tags of a dialog, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Names {
    call_id: Text,
    first: Text,
    second: Text,
}

impl Names {
    fn new(call_id: Text, first: Text, second: Text, what: &'static str) -> Result<Self> {
        let plain = |b: u8| b > b' ' && b != 0x7f && !matches!(b, b';' | b',');
        if call_id.is_empty() || !call_id.bytes().all(plain) {
            return Err(Error::new(ErrorKind::Value, what));
        }
        for tag in [&first, &second] {
            if !is_token(tag.as_bytes()) {
                return Err(Error::new(ErrorKind::Value, what));
            }
            if tag.len() > LONGEST {
                return Err(Error::limit(Limit::Tag, what));
            }
        }
        if call_id.len() > LONGEST {
            return Err(Error::limit(Limit::CallId, what));
        }
        Ok(Self {
            call_id,
            first,
            second,
        })
    }

    /// Reads a Call-ID and two tags, the parameters `first` and `second`.
    fn read(
        value: &Bytes,
        first: &str,
        second: &str,
        what: &'static str,
    ) -> Result<(Self, Params)> {
        let (call_id, params) = headed(value, what)?;
        let tag = |name: &str| -> Result<Text> {
            let mut found = params.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            match (found.next(), found.next()) {
                (Some((_, Some(tag))), None) => Ok(Text::from(tag)),
                // Two tags could mean two dialogs (RFC 3891 section 6.1).
                _ => Err(Error::new(ErrorKind::Value, what)),
            }
        };
        let names = Self::new(call_id, tag(first)?, tag(second)?, what)?;
        Ok((names, params))
    }
}

impl Replaces {
    /// The dialog of `call_id` in which the receiver has `to_tag` and its peer `from_tag`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if these cannot be written, or [`ErrorKind::Limit`].
    pub fn new(call_id: &str, to_tag: &str, from_tag: &str) -> Result<Self> {
        let dialog = Names::new(call_id.into(), to_tag.into(), from_tag.into(), "Replaces")?;
        Ok(Self {
            dialog,
            early_only: false,
        })
    }

    /// Reads the value of Replaces.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it has not exactly one of each tag, or [`ErrorKind::Limit`].
    pub fn parse(value: &Bytes) -> Result<Self> {
        let (dialog, params) = Names::read(value, "to-tag", "from-tag", "Replaces")?;
        Ok(Self {
            dialog,
            early_only: params.has("early-only"),
        })
    }

    /// The Replaces that a request made from `uri` shall have, as it stands in Refer-To of an attended transfer.
    ///
    /// # Errors
    /// Those of [`Replaces::parse`].
    pub fn from_uri(uri: &Uri) -> Result<Option<Self>> {
        let value = uri.header("Replaces").map(|v| Bytes::from(v.into_owned()));
        value.map(|v| Self::parse(&v)).transpose()
    }

    /// Call-ID of the dialog.
    pub fn call_id(&self) -> &str {
        &self.dialog.call_id
    }

    /// The tag of the one who receives this. A tag of `0` also stands for none (RFC 3891 section 6.1).
    pub fn to_tag(&self) -> &str {
        &self.dialog.first
    }

    /// The tag of its peer. A tag of `0` also stands for none (RFC 3891 section 6.1).
    pub fn from_tag(&self) -> &str {
        &self.dialog.second
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (call_id, to, from) = (self.call_id(), self.to_tag(), self.from_tag());
        let early = if self.early_only { ";early-only" } else { "" };
        write!(f, "{call_id};to-tag={to};from-tag={from}{early}")
    }
}

impl TargetDialog {
    /// The dialog of `call_id` in which the sender has `local_tag` and its peer `remote_tag`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if these cannot be written, or [`ErrorKind::Limit`].
    pub fn new(call_id: &str, local_tag: &str, remote_tag: &str) -> Result<Self> {
        let names = Names::new(
            call_id.into(),
            local_tag.into(),
            remote_tag.into(),
            "Target-Dialog",
        );
        names.map(Self)
    }

    /// Reads the value of Target-Dialog.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it has not exactly one of each tag, or [`ErrorKind::Limit`].
    pub fn parse(value: &Bytes) -> Result<Self> {
        let names = Names::read(value, "local-tag", "remote-tag", "Target-Dialog")?;
        Ok(Self(names.0))
    }

    /// Call-ID of the dialog.
    pub fn call_id(&self) -> &str {
        &self.0.call_id
    }

    /// The tag of the sender.
    pub fn local_tag(&self) -> &str {
        &self.0.first
    }

    /// The tag of its peer.
    pub fn remote_tag(&self) -> &str {
        &self.0.second
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl fmt::Display for TargetDialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (call_id, local, remote) = (self.call_id(), self.local_tag(), self.remote_tag());
        write!(f, "{call_id};local-tag={local};remote-tag={remote}")
    }
}

impl Headers {
    /// Replaces.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`], or those of [`Replaces::parse`]; the request is answered with 400 then (RFC 3891
    /// section 3).
    pub fn replaces(&self) -> Result<Option<Replaces>> {
        self.only(&HeaderName::Replaces, "Replaces")?
            .map(Replaces::parse)
            .transpose()
    }

    /// Target-Dialog.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`], or those of [`TargetDialog::parse`].
    pub fn target_dialog(&self) -> Result<Option<TargetDialog>> {
        self.only(&HeaderName::TargetDialog, "Target-Dialog")?
            .map(TargetDialog::parse)
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_of_the_rfc() {
        let h = Headers::of(&[(
            "Replaces",
            "98asjd8@test.com  ; from-tag = r33th4x0r ;TO-TAG=ff87ff;early-only;x=y",
        )]);
        let r = h.replaces().unwrap().unwrap();
        assert_eq!(
            (r.call_id(), r.to_tag(), r.from_tag(), r.early_only),
            ("98asjd8@test.com", "ff87ff", "r33th4x0r", true)
        );
        assert_eq!(
            r.to_value(),
            "98asjd8@test.com;to-tag=ff87ff;from-tag=r33th4x0r;early-only"
        );
        assert!(Headers::new().replaces().unwrap().is_none());
    }

    #[test]
    fn replaces_in_the_target_of_a_transfer() {
        let text = "sips:transferee@biloxi.example.com?Replaces=425928%40bobster.example.org%3Bto-tag%3D7743%3Bfrom-tag%3D6472";
        let uri = Uri::new(text).unwrap();
        let r = Replaces::from_uri(&uri).unwrap().unwrap();
        assert_eq!(
            (r.call_id(), r.to_tag()),
            ("425928@bobster.example.org", "7743")
        );
        let plain = Uri::new("sips:transferee@biloxi.example.com").unwrap();
        let built = plain.with_header("Replaces", &r.to_string()).unwrap();
        assert_eq!(built.as_str(), text);
        let two = built.with_header("Require", "replaces").unwrap();
        assert_eq!(two.header("require").as_deref(), Some("replaces"));
        assert_eq!(Replaces::from_uri(&two).unwrap().unwrap(), r);
        assert!(Replaces::from_uri(&plain).unwrap().is_none());
        let odd = Uri::new("sip:a?b@c")
            .unwrap()
            .with_header("x", "1")
            .unwrap();
        assert_eq!(odd.header("X").as_deref(), Some("1"));
    }

    #[test]
    fn what_names_no_dialog() {
        let long = format!("{};to-tag=a;from-tag=b", "x".repeat(257));
        for bad in [
            "",
            "x",
            "x;to-tag=a",
            "x;from-tag=a",
            "x;to-tag=a;from-tag=b;to-tag=c",
            "x;to-tag;from-tag=b",
            ";to-tag=a;from-tag=b",
            "x y;to-tag=a;from-tag=b",
            "x,y;to-tag=a;from-tag=b",
            "x;to-tag=\"a\";from-tag=b",
            &long,
        ] {
            assert!(
                Replaces::parse(&Bytes::from(bad.to_owned())).is_err(),
                "{bad}"
            );
        }
        let twice = Headers::of(&[
            ("Replaces", "x;to-tag=a;from-tag=b"),
            ("Replaces", "x;to-tag=a;from-tag=b"),
        ]);
        assert_eq!(
            twice.replaces().map_err(Error::kind),
            Err(ErrorKind::Duplicate)
        );
        assert!(Replaces::new("a\r\nb", "1", "2").is_err());
    }

    #[test]
    fn target_dialogs() {
        let h = Headers::of(&[(
            "Target-Dialog",
            "fa77as7dad8-sd98ajzz@host.example.com ;local-tag=kkaz- ;remote-tag=6544",
        )]);
        let t = h.target_dialog().unwrap().unwrap();
        assert_eq!((t.local_tag(), t.remote_tag()), ("kkaz-", "6544"));
        assert_eq!(TargetDialog::parse(&t.to_value()).unwrap(), t);
        assert_eq!(TargetDialog::new(t.call_id(), "kkaz-", "6544").unwrap(), t);
    }
}
