//! What makes two messages belong to one transaction (RFC 3261 section 17.1.3 and 17.2.3).

use std::fmt::{Display, Write};

use bytes::Bytes;

use crate::Result;
use crate::wire::{HeaderName, Method, Request, Response, Text, Via};

/// Names a client transaction: the branch that we made, and the method.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ClientKey {
    branch: Text,
    method: Method,
}

impl ClientKey {
    pub(super) fn of_request(request: &Request) -> Result<Self> {
        let via = request.headers.via()?;
        Ok(Self {
            branch: via.branch().unwrap_or_default().into(),
            method: request.method.clone(),
        })
    }

    pub(super) fn new(branch: &str, method: &Method) -> Self {
        Self {
            branch: branch.into(),
            method: method.clone(),
        }
    }

    pub(super) fn of_response(response: &Response) -> Result<Self> {
        let via = response.headers.via()?;
        let method = response.headers.cseq()?.method;
        Ok(Self {
            branch: via.branch().unwrap_or_default().into(),
            method,
        })
    }
}

/// Names a server transaction: the text of all that must be equal, its parts ended by a NUL, which none of them has.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ServerKey(Bytes);

impl ServerKey {
    /// The transaction that `request` belongs to, whose method counts as `method`.
    pub(super) fn new(request: &Request, via: &Via, method: &Method) -> Result<Self> {
        if let Some(branch) = via.branch().filter(|b| b.starts_with(Via::MAGIC)) {
            return Ok(Self::of_branch(branch, via.sent_by(), method));
        }
        // Peers of RFC 2543 make no unique branch: what else must be equal. The To tag is not part of it, for an ACK has
        // the one that our response gave.
        let headers = &request.headers;
        let top = headers.list(&HeaderName::Via).next().unwrap_or_default();
        let key = format!(
            "{method}\0\0{}\0{}\0{}\0{}\0{}",
            request.uri.as_str(),
            headers.from()?.tag().unwrap_or_default(),
            headers.call_id()?,
            headers.cseq()?.number,
            String::from_utf8_lossy(&top),
        );
        Ok(Self(key.into()))
    }

    /// The transaction of a branch that is unique: by the peer's branch and its `sent-by`, whose host has no case.
    pub(super) fn of_branch(branch: &str, sent_by: impl Display, method: &Method) -> Self {
        let mut key = String::with_capacity(128);
        key.extend([method.as_str(), "\0", branch, "\0"]);
        let start = key.len();
        // What is written to a text is written.
        let _written = write!(key, "{sent_by}");
        if let Some(sent_by) = key.get_mut(start..) {
            sent_by.make_ascii_lowercase();
        }
        Self(key.into())
    }

    /// The transaction of `request` itself: that of the INVITE if it is an ACK.
    pub(super) fn of(request: &Request, via: &Via) -> Result<Self> {
        match &request.method {
            Method::Ack => Self::new(request, via, &Method::Invite),
            method => Self::new(request, via, method),
        }
    }
}
