//! What makes two messages belong to one transaction (RFC 3261 section 17.1.3 and 17.2.3).

use crate::Result;
use crate::wire::{HeaderName, HostPort, Method, Request, Response, Text, Via};

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

/// Names a server transaction.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum ServerKey {
    /// By the peer's branch, its sent-by, and the method; an ACK counts as its INVITE.
    Branch {
        branch: Text,
        sent_by: Box<str>,
        method: Method,
    },
    /// Peers of RFC 2543 make no unique branch: what else must be equal. The To tag is not part of it, for an ACK has
    /// the one that our response gave.
    Fields(Box<Rfc2543>),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Rfc2543 {
    uri: Box<str>,
    from_tag: Box<str>,
    call_id: Text,
    number: u32,
    method: Method,
    via: Box<str>,
}

impl ServerKey {
    /// The transaction that `request` belongs to, whose method counts as `method`.
    pub(super) fn new(request: &Request, via: &Via, method: Method) -> Result<Self> {
        match via.branch() {
            Some(branch) if branch.starts_with(Via::MAGIC) => Ok(Self::Branch {
                branch: branch.into(),
                sent_by: sent_by(via.sent_by()),
                method,
            }),
            _ => {
                let headers = &request.headers;
                let via = headers.list(&HeaderName::Via).next().unwrap_or_default();
                Ok(Self::Fields(Box::new(Rfc2543 {
                    uri: request.uri.as_str().into(),
                    from_tag: headers.from()?.tag().unwrap_or_default().into(),
                    call_id: headers.call_id()?,
                    number: headers.cseq()?.number,
                    method,
                    via: String::from_utf8_lossy(&via).into(),
                })))
            }
        }
    }

    /// The transaction of `request` itself: that of the INVITE if it is an ACK.
    pub(super) fn of(request: &Request, via: &Via) -> Result<Self> {
        let method = match &request.method {
            Method::Ack => Method::Invite,
            other => other.clone(),
        };
        Self::new(request, via, method)
    }
}

/// Hosts are compared without regard to case.
fn sent_by(host: &HostPort) -> Box<str> {
    host.to_string().to_ascii_lowercase().into()
}
