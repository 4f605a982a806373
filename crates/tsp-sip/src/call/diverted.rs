//! Who was called before, where a call of ours is sent on: Diversion (RFC 5806) and History-Info (RFC 7044).

use super::identity::DiversionField;
use crate::wire::{
    Diversion, HeaderName, Headers, HistoryEntry, NameAddr, Reason, Response, Uri, change_of,
};

/// Values of each field that are kept; redirections may go on for long, and peers write what they like.
const MOST: usize = 20;

/// Whom a call of ours was tried at, and why it went on from there.
#[derive(Debug)]
pub(super) struct Trail {
    /// Who sent it on, the last one first.
    diversions: Vec<Diversion>,
    /// Whom it was tried at, in order.
    history: Vec<HistoryEntry>,
    /// Who is tried next, the index of the entry that named it, and how it says that this target came about.
    named: Vec<(Uri, String, Option<&'static str>)>,
}

impl From<&Uri> for Trail {
    /// Of a call that is tried at `target` first.
    fn from(target: &Uri) -> Self {
        Self {
            diversions: Vec::new(),
            // A number is an index.
            history: HistoryEntry::new(target.clone(), "1").into_iter().collect(),
            named: Vec::new(),
        }
    }
}

impl Trail {
    /// The last one that the call was tried at gave this final response, which names `targets`.
    pub(super) fn end(&mut self, response: &Response, targets: &[Uri]) {
        let Some(last) = self.history.pop() else {
            return;
        };
        let index = last.index().unwrap_or("1").to_owned();
        if !targets.is_empty() {
            self.divert(response, last.uri());
            let room = MOST.saturating_sub(self.named.len());
            let targets = targets.iter().take(room);
            let change = |target: &Uri| {
                let mut contacts = response.headers.contacts().flatten();
                contacts
                    .find(|c| c.uri() == target)
                    .and_then(|c| change_of(&c))
            };
            self.named
                .extend(targets.map(|t| (t.clone(), index.clone(), change(t))));
        }
        let mut reason = Reason::sip(response.status);
        reason.text = None;
        self.history.push(last.left_for(&reason));
    }

    /// Takes over what the response says about who sends the call on, and why; who called it knows nothing more.
    fn divert(&mut self, response: &Response, from: &Uri) {
        let told = response.headers.diversions().filter_map(Result::ok);
        let mut all: Vec<_> = told.take(MOST).map(|d| d.detached()).collect();
        if all.is_empty() {
            // A token is a reason.
            all.extend(Diversion::new(&NameAddr::new(from.clone()), "unknown"));
        }
        all.append(&mut self.diversions);
        all.truncate(MOST);
        self.diversions = all;
    }

    /// The call is tried at `target` now.
    pub(super) fn lead_to(&mut self, target: &Uri) {
        let named = self.named.iter().find(|(uri, ..)| uri == target);
        let change = named.and_then(|(.., change)| *change);
        let parent = match (named, self.history.last()) {
            (Some((_, index, _)), _) => index.clone(),
            (None, last) => last.and_then(|l| l.index()).unwrap_or("1").to_owned(),
        };
        let is_child = |e: &&HistoryEntry| {
            let own = e.index().and_then(|i| i.strip_prefix(&*parent));
            own.and_then(|i| i.strip_prefix('.'))
                .is_some_and(|i| !i.contains('.'))
        };
        let number = 1 + self.history.iter().filter(is_child).count();
        if self.history.len() < MOST
            && let Ok(entry) = HistoryEntry::new(target.clone(), &format!("{parent}.{number}"))
        {
            let changed = change.and_then(|c| entry.clone().with_change(c, &parent).ok());
            self.history.push(changed.unwrap_or(entry));
        }
    }

    /// Tells it in an INVITE.
    pub(super) fn dress(&self, field: DiversionField, headers: &mut Headers) {
        if field.has_diversion() {
            for diversion in &self.diversions {
                headers.put(HeaderName::Diversion, diversion.to_value());
            }
        }
        if field.has_history() {
            for entry in &self.history {
                headers.put(HeaderName::HistoryInfo, entry.to_value());
            }
        }
    }
}
