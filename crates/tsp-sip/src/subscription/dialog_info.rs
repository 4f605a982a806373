//! The calls of a phone as others see them: `application/dialog-info+xml` (RFC 4235).

use std::fmt::Write;

use roxmltree::Node;

use super::xml::{child, children, escape, parse, text};
use crate::{Error, ErrorKind, Result};

/// Dialogs of one document that are read, at most.
const MAX_DIALOGS: usize = 256;

/// How far a dialog is (RFC 4235 section 3.7.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DialogState {
    /// The INVITE is on its way.
    Trying,
    /// A provisional response without a tag came.
    Proceeding,
    /// It rings.
    Early,
    /// The call is up.
    Confirmed,
    /// It is over.
    Terminated,
}

impl DialogState {
    const ALL: [(&'static str, Self); 5] = [
        ("trying", Self::Trying),
        ("proceeding", Self::Proceeding),
        ("early", Self::Early),
        ("confirmed", Self::Confirmed),
        ("terminated", Self::Terminated),
    ];

    /// The state as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Proceeding => "proceeding",
            Self::Early => "early",
            Self::Confirmed => "confirmed",
            Self::Terminated => "terminated",
        }
    }
}

/// Who took part in a dialog at one of its ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Participant {
    /// The URI of the user.
    pub identity: Box<str>,
    /// The name of the user; may be empty.
    pub display: Box<str>,
    /// The URI where the dialog's requests go; may be empty.
    pub target: Box<str>,
}

/// One dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialogEntry {
    /// Names the dialog within the documents of one notifier.
    pub id: Box<str>,
    /// Call-ID; may be empty.
    pub call_id: Box<str>,
    /// The tag of the notifier; may be empty.
    pub local_tag: Box<str>,
    /// The tag of its peer; may be empty.
    pub remote_tag: Box<str>,
    /// Whether the notifier called; none if it was not said.
    pub initiator: Option<bool>,
    /// How far the dialog is.
    pub state: DialogState,
    /// The notifier.
    pub local: Participant,
    /// Its peer.
    pub remote: Participant,
}

/// What a further document is to those before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Update {
    /// It follows.
    Next,
    /// It follows, and one between is missing.
    Gap,
    /// It is older: it came late or twice.
    Old,
}

/// A document: the dialogs of one user, or those that changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DialogInfo {
    /// Counts up by one for each document.
    pub version: u32,
    /// Whether all dialogs are listed, not only those that changed.
    pub full: bool,
    /// Whose dialogs they are.
    pub entity: Box<str>,
    /// The dialogs.
    pub dialogs: Vec<DialogEntry>,
}

impl DialogInfo {
    /// The type of the body.
    pub const TYPE: &'static str = "application/dialog-info+xml";

    /// Reads a document. Elements that are not known are passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it is not such a document, [`ErrorKind::NotUtf8`], [`ErrorKind::Limit`].
    pub fn parse(body: &[u8]) -> Result<Self> {
        let bad = Error::new(ErrorKind::Value, "dialog-info");
        let document = parse(body, "dialog-info")?;
        let root = document.root_element();
        let version = root.attribute("version").unwrap_or_default().trim();
        let dialogs = children(root, "dialog").take(MAX_DIALOGS);
        Ok(Self {
            version: version.parse().map_err(|_| bad)?,
            full: root.attribute("state") == Some("full"),
            entity: root.attribute("entity").unwrap_or_default().into(),
            dialogs: dialogs
                .map(|d| entry(d).ok_or(bad))
                .collect::<Result<_>>()?,
        })
    }

    /// The document as text.
    pub fn to_body(&self) -> String {
        let state = if self.full { "full" } else { "partial" };
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
             version=\"{}\" state=\"{state}\" entity=\"{}\">\r\n",
            self.version,
            escape(&self.entity)
        );
        for dialog in &self.dialogs {
            write_entry(dialog, &mut out);
        }
        out.push_str("</dialog-info>\r\n");
        out
    }

    /// Takes a further document of the same notifier (RFC 4235 section 4.3). Before the first one everything is empty.
    pub(crate) fn update(&mut self, next: Self) -> Update {
        let first = self.entity.is_empty() && self.dialogs.is_empty() && !self.full;
        if !first && next.version <= self.version {
            return Update::Old;
        }
        if next.full {
            *self = next;
            return Update::Next;
        }
        let gap = first || next.version > self.version.saturating_add(1);
        self.version = next.version;
        self.full = true;
        self.entity = next.entity;
        for dialog in next.dialogs {
            let full = self.dialogs.len() >= MAX_DIALOGS;
            match self.dialogs.iter_mut().find(|d| d.id == dialog.id) {
                Some(known) => *known = dialog,
                None if !full => self.dialogs.push(dialog),
                None => {}
            }
        }
        if gap { Update::Gap } else { Update::Next }
    }

    /// Forgets dialogs that are over, once it was told that they are.
    pub(crate) fn settle(&mut self) {
        self.dialogs.retain(|d| d.state != DialogState::Terminated);
    }

    /// What a busy lamp shows: the dialog that is farthest.
    pub fn lamp(&self) -> Option<DialogState> {
        let rank = |s: &DialogState| match s {
            DialogState::Terminated => 0,
            DialogState::Trying => 1,
            DialogState::Proceeding => 2,
            DialogState::Early => 3,
            DialogState::Confirmed => 4,
        };
        self.dialogs.iter().map(|d| d.state).max_by_key(rank)
    }
}

fn entry(node: Node<'_, '_>) -> Option<DialogEntry> {
    let attribute = |name: &str| node.attribute(name).unwrap_or_default().into();
    let state = text(child(node, "state"));
    let known = DialogState::ALL.iter().find(|(n, _)| **n == *state)?;
    Some(DialogEntry {
        id: node.attribute("id")?.into(),
        call_id: attribute("call-id"),
        local_tag: attribute("local-tag"),
        remote_tag: attribute("remote-tag"),
        initiator: match node.attribute("direction") {
            Some("initiator") => Some(true),
            Some("recipient") => Some(false),
            _ => None,
        },
        state: known.1,
        local: participant(child(node, "local")),
        remote: participant(child(node, "remote")),
    })
}

fn participant(node: Option<Node<'_, '_>>) -> Participant {
    let Some(node) = node else {
        return Participant::default();
    };
    let identity = child(node, "identity");
    let target = child(node, "target").and_then(|t| t.attribute("uri"));
    Participant {
        display: identity
            .and_then(|i| i.attribute("display"))
            .unwrap_or_default()
            .into(),
        identity: text(identity),
        target: target.unwrap_or_default().into(),
    }
}

fn write_entry(dialog: &DialogEntry, out: &mut String) {
    let _ = write!(out, "<dialog id=\"{}\"", escape(&dialog.id));
    for (name, value) in [
        ("call-id", &dialog.call_id),
        ("local-tag", &dialog.local_tag),
        ("remote-tag", &dialog.remote_tag),
    ] {
        if !value.is_empty() {
            let _ = write!(out, " {name}=\"{}\"", escape(value));
        }
    }
    if let Some(ours) = dialog.initiator {
        let direction = if ours { "initiator" } else { "recipient" };
        let _ = write!(out, " direction=\"{direction}\"");
    }
    let _ = write!(out, ">\r\n<state>{}</state>\r\n", dialog.state.as_str());
    for (name, who) in [("local", &dialog.local), ("remote", &dialog.remote)] {
        if who.identity.is_empty() {
            continue;
        }
        let _ = write!(out, "<{name}>\r\n<identity");
        if !who.display.is_empty() {
            let _ = write!(out, " display=\"{}\"", escape(&who.display));
        }
        let _ = write!(out, ">{}</identity>\r\n", escape(&who.identity));
        if !who.target.is_empty() {
            let _ = write!(out, "<target uri=\"{}\"/>\r\n", escape(&who.target));
        }
        let _ = write!(out, "</{name}>\r\n");
    }
    out.push_str("</dialog>\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4235 section 6.1, with what Asterisk leaves out and puts in beside.
    const RFC: &str = "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"1\" \
        state=\"full\" entity=\"sip:alice@example.com\">\n<dialog id=\"as7d900as8\" call-id=\"a84b4c76e66710\" \
        local-tag=\"1928301774\" direction=\"initiator\">\n <state event=\"rejected\" code=\"486\"> early </state>\n\
        <remote><identity display=\"B &amp; b\">sip:bob@example.com</identity><target uri=\"sip:bob@192.0.2.4\"/></remote>\n\
        </dialog><unknown/></dialog-info>";

    // Shows: busy lamp: the document as peers write it | RFC 4235 4, interop row 45
    #[test]
    fn a_document_is_read_and_written() {
        let info = DialogInfo::parse(RFC.as_bytes()).unwrap();
        assert_eq!((info.version, info.full), (1, true));
        let dialog = &info.dialogs[0];
        assert_eq!(
            (&*dialog.call_id, &*dialog.local_tag, dialog.state),
            ("a84b4c76e66710", "1928301774", DialogState::Early)
        );
        assert_eq!(
            (&*dialog.remote.display, dialog.initiator),
            ("B & b", Some(true))
        );
        assert_eq!(&*dialog.remote.target, "sip:bob@192.0.2.4");
        assert_eq!(info.lamp(), Some(DialogState::Early));
        assert_eq!(DialogInfo::parse(info.to_body().as_bytes()).unwrap(), info);
    }

    #[test]
    fn partial_documents_change_what_was_told() {
        let read = |version: u32, state: &str, full: bool| {
            let text = RFC.replace("version=\"1\" s", &format!("version=\"{version}\" s"));
            let text = text.replace("early", state);
            let full = if full { "full" } else { "partial" };
            DialogInfo::parse(text.replace("\"full\"", &format!("\"{full}\"")).as_bytes()).unwrap()
        };
        let mut known = DialogInfo::default();
        assert_eq!(known.update(read(0, "trying", true)), Update::Next);
        assert_eq!(known.update(read(1, "early", false)), Update::Next);
        assert_eq!(known.update(read(1, "trying", false)), Update::Old);
        assert_eq!(
            (known.lamp(), known.dialogs.len()),
            (Some(DialogState::Early), 1)
        );
        assert_eq!(known.update(read(3, "terminated", false)), Update::Gap);
        known.settle();
        assert_eq!((known.lamp(), known.full), (None, true));
        let mut fresh = DialogInfo::default();
        assert_eq!(
            fresh.update(read(0, "early", false)),
            Update::Gap,
            "all of it is missing"
        );
    }

    #[test]
    fn what_is_no_document() {
        for (from, to) in [
            ("version=\"1\" s", "s"),
            ("version=\"1\" s", "version=\"x\" s"),
            ("early", "asleep"),
            (" id=\"as7d900as8\"", ""),
            ("</dialog-info>", ""),
        ] {
            let bad = RFC.replace(from, to);
            assert!(DialogInfo::parse(bad.as_bytes()).is_err(), "{from}");
        }
        for n in 0..RFC.len() {
            assert!(DialogInfo::parse(&RFC.as_bytes()[..n]).is_err());
        }
    }
}
