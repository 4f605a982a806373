//! Whether somebody can be reached: `application/pidf+xml` (RFC 3863).

use std::fmt::Write;

use super::xml::{child, children, escape, parse, text};
use crate::Result;

/// Ways to reach somebody that are read of one document, at most.
const MAX_TUPLES: usize = 64;

/// One way to reach somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PresenceTuple {
    /// Names the way within the document.
    pub id: Box<str>,
    /// Whether it is open; none if it was not said.
    pub open: Option<bool>,
    /// The address; may be empty.
    pub contact: Box<str>,
    /// Words for a human; may be empty.
    pub note: Box<str>,
}

/// Whether somebody can be reached, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Presence {
    /// Who: a `pres` or `sip` URI.
    pub entity: Box<str>,
    /// The ways.
    pub tuples: Vec<PresenceTuple>,
    /// Words for a human about all of them; may be empty.
    pub note: Box<str>,
}

impl Presence {
    /// The type of the body.
    pub const TYPE: &'static str = "application/pidf+xml";

    /// One way that is open or closed.
    pub fn simple(entity: &str, open: bool, note: &str) -> Self {
        Self {
            entity: entity.into(),
            tuples: vec![PresenceTuple {
                id: "phone".into(),
                open: Some(open),
                contact: entity.into(),
                note: note.into(),
            }],
            note: "".into(),
        }
    }

    /// Whether somebody can be reached some way; none if no way says so.
    pub fn is_open(&self) -> Option<bool> {
        self.tuples.iter().filter_map(|t| t.open).max()
    }

    /// Reads a document. Extensions are passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if it is not such a document,
    /// [`ErrorKind::NotUtf8`](crate::ErrorKind::NotUtf8), [`ErrorKind::Limit`](crate::ErrorKind::Limit).
    pub fn parse(body: &[u8]) -> Result<Self> {
        let document = parse(body, "presence")?;
        let root = document.root_element();
        let tuples = children(root, "tuple").take(MAX_TUPLES).map(|tuple| {
            let basic = child(tuple, "status").and_then(|s| child(s, "basic"));
            PresenceTuple {
                id: tuple.attribute("id").unwrap_or_default().into(),
                open: match &*text(basic) {
                    "open" => Some(true),
                    "closed" => Some(false),
                    _ => None,
                },
                contact: text(child(tuple, "contact")),
                note: text(child(tuple, "note")),
            }
        });
        Ok(Self {
            entity: root.attribute("entity").unwrap_or_default().into(),
            tuples: tuples.collect(),
            note: text(child(root, "note")),
        })
    }

    /// The document as text.
    pub fn to_body(&self) -> String {
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
             entity=\"{}\">\r\n",
            escape(&self.entity)
        );
        for tuple in &self.tuples {
            let _ = write!(out, "<tuple id=\"{}\">\r\n<status>", escape(&tuple.id));
            if let Some(open) = tuple.open {
                let basic = if open { "open" } else { "closed" };
                let _ = write!(out, "<basic>{basic}</basic>");
            }
            out.push_str("</status>\r\n");
            for (name, value) in [("contact", &tuple.contact), ("note", &tuple.note)] {
                if !value.is_empty() {
                    let _ = write!(out, "<{name}>{}</{name}>\r\n", escape(value));
                }
            }
            out.push_str("</tuple>\r\n");
        }
        if !self.note.is_empty() {
            let _ = write!(out, "<note>{}</note>\r\n", escape(&self.note));
        }
        out.push_str("</presence>\r\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shows: presence: the document as peers write it | RFC 3863 4, interop row 45
    #[test]
    fn a_document_is_read_and_written() {
        // After RFC 3863 section 4.2, with a prefix and extensions.
        let rfc = "<?xml version='1.0' encoding='UTF-8'?>\n<impp:presence xmlns:impp=\"urn:ietf:params:xml:ns:pidf\" \
            xmlns:im=\"urn:x:im\" entity=\"pres:someone@example.com\">\n<impp:tuple id=\"sg89ae\"><impp:status>\
            <impp:basic>open</impp:basic><im:im>busy</im:im></impp:status>\
            <impp:contact priority=\"0.8\">tel:+09012345678</impp:contact></impp:tuple>\n\
            <impp:note xml:lang=\"en\">in &lt;a&gt; meeting</impp:note></impp:presence>";
        let presence = Presence::parse(rfc.as_bytes()).unwrap();
        assert_eq!(presence.is_open(), Some(true));
        assert_eq!(&*presence.tuples[0].contact, "tel:+09012345678");
        assert_eq!(&*presence.note, "in <a> meeting");
        assert_eq!(
            Presence::parse(presence.to_body().as_bytes()).unwrap(),
            presence
        );
        let closed = Presence::simple("sip:a@b", false, "");
        let read = Presence::parse(closed.to_body().as_bytes()).unwrap();
        assert_eq!((read.is_open(), read), (Some(false), closed));
        assert!(Presence::parse(b"<dialog-info/>").is_err());
        for n in 0..rfc.len() {
            assert!(Presence::parse(&rfc.as_bytes()[..n]).is_err());
        }
    }
}
