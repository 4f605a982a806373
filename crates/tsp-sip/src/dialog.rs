//! Dialogs: two user agents that know each other (RFC 3261 section 12).
//!
//! A [`Dialog`] holds what all requests between the two have in common, and makes and judges them. It sends
//! nothing. A forked INVITE has a dialog for each To tag that answers it.

use std::fmt;

use bytes::Bytes;

use crate::wire::{HeaderName, Headers, Method, NameAddr, Request, Response, Text, Uri};
use crate::{Error, ErrorKind, Result};

#[cfg(test)]
mod tests;

/// What tells dialogs apart. Peers of RFC 2543 have no tag: theirs is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: Text,
    /// Our tag.
    pub local_tag: Text,
    /// The peer's tag.
    pub remote_tag: Text,
}

impl DialogId {
    /// The dialog that a request of the peer's belongs to; its To has our tag.
    ///
    /// # Errors
    /// Those of reading Call-ID; [`ErrorKind::Missing`] if To has no tag.
    pub fn of_request(headers: &Headers) -> Result<Self> {
        let missing = Error::new(ErrorKind::Missing, "To tag");
        let local = headers.to_tag().ok_or(missing)?;
        Ok(Self::new(&headers.call_id()?, local, headers.from_tag()))
    }

    /// The dialog that a response to a request of ours belongs to.
    ///
    /// # Errors
    /// Those of reading Call-ID.
    pub fn of_response(headers: &Headers) -> Result<Self> {
        Ok(Self::new(
            &headers.call_id()?,
            headers.from_tag().unwrap_or_default(),
            headers.to_tag(),
        ))
    }

    /// The dialog that a request of ours belongs to.
    ///
    /// # Errors
    /// Those of reading Call-ID; [`ErrorKind::Missing`] if From has no tag.
    pub fn ours(headers: &Headers) -> Result<Self> {
        let missing = Error::new(ErrorKind::Missing, "From tag");
        let local = headers.from_tag().ok_or(missing)?;
        Ok(Self::new(&headers.call_id()?, local, headers.to_tag()))
    }

    fn new(call_id: &Text, local_tag: &str, remote_tag: Option<&str>) -> Self {
        // A key lives longer than the message it was read from.
        Self {
            call_id: call_id.detached(),
            local_tag: local_tag.into(),
            remote_tag: remote_tag.unwrap_or_default().into(),
        }
    }
}

/// Why a request of the peer's is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unwelcome {
    /// Its number is lower than that of an earlier one: answer 500 (RFC 3261 section 12.2.2).
    OutOfOrder,
}

/// One dialog.
#[derive(Clone, PartialEq, Eq)]
pub struct Dialog {
    id: DialogId,
    local: NameAddr,
    remote: NameAddr,
    local_number: u32,
    remote_number: Option<u32>,
    target: Uri,
    /// The proxies that want to see all requests, the next hop first.
    routes: Vec<NameAddr>,
    confirmed: bool,
}

impl Dialog {
    /// The dialog that answering `request` makes at the called end, under our tag `local_tag`
    /// (RFC 3261 section 12.1.1).
    ///
    /// # Errors
    /// Those of reading From, To, Call-ID, `CSeq`, Contact and Record-Route.
    pub fn called(request: &Request, local_tag: &str) -> Result<Self> {
        let headers = &request.headers;
        let remote = headers.from()?;
        let local = headers.to()?.with_param("tag", local_tag)?;
        Ok(Self {
            id: DialogId::new(&headers.call_id()?, local_tag, remote.tag()),
            target: contact(headers)?.unwrap_or_else(|| remote.uri().detached()),
            local: local.detached(),
            remote: remote.detached(),
            local_number: 0,
            remote_number: Some(headers.cseq()?.number),
            routes: record_routes(headers)?,
            confirmed: false,
        })
    }

    /// The dialog that `response`, provisional or final, to our `request` makes at the calling end
    /// (RFC 3261 section 12.1.2).
    ///
    /// # Errors
    /// Those of reading From, To, Call-ID, `CSeq`, Contact and Record-Route.
    pub fn calling(request: &Request, response: &Response) -> Result<Self> {
        let headers = &response.headers;
        let (local, remote) = (request.headers.from()?, headers.to()?);
        let mut dialog = Self {
            id: DialogId::new(
                &request.headers.call_id()?,
                local.tag().unwrap_or_default(),
                remote.tag(),
            ),
            target: request.uri.detached(),
            local: local.detached(),
            remote: remote.detached(),
            local_number: request.headers.cseq()?.number,
            remote_number: None,
            routes: Vec::new(),
            confirmed: false,
        };
        dialog.learn(response)?;
        Ok(dialog)
    }

    /// The dialog that `request`, the first NOTIFY of a branch, makes at the subscribing end, whose SUBSCRIBE had the number
    /// `number` (RFC 6665 section 4.4.1).
    ///
    /// # Errors
    /// Those of reading From, To, Call-ID, `CSeq`, Contact and Record-Route; [`ErrorKind::Missing`] if To has no tag.
    pub fn notified(request: &Request, number: u32) -> Result<Self> {
        let to = request.headers.to()?;
        let tag = to.tag().ok_or(Error::new(ErrorKind::Missing, "To tag"))?;
        Ok(Self {
            local_number: number,
            confirmed: true,
            ..Self::called(request, tag)?
        })
    }

    /// The dialog that `response`, a success to a request of ours that is not kept any more, makes at the calling end:
    /// it repeats who we are.
    ///
    /// # Errors
    /// Those of reading From, To, Call-ID, `CSeq`, Contact and Record-Route.
    pub fn answered(response: &Response) -> Result<Self> {
        let headers = &response.headers;
        let (local, remote) = (headers.from()?, headers.to()?);
        let tag = local.tag().unwrap_or_default();
        let mut dialog = Self {
            id: DialogId::new(&headers.call_id()?, tag, remote.tag()),
            target: remote.uri().detached(),
            local: local.detached(),
            remote: remote.detached(),
            local_number: headers.cseq()?.number,
            remote_number: None,
            routes: Vec::new(),
            confirmed: false,
        };
        dialog.learn(response)?;
        Ok(dialog)
    }

    /// Takes the route set and the peer's address from a further response to the INVITE that made the dialog: what
    /// a 2xx says replaces what earlier responses said (RFC 3261 section 13.2.2.4).
    ///
    /// # Errors
    /// Those of reading Contact and Record-Route.
    pub fn learn(&mut self, response: &Response) -> Result<()> {
        if let Some(target) = contact(&response.headers)? {
            self.target = target;
        }
        if !self.confirmed {
            self.routes = record_routes(&response.headers)?;
            self.routes.reverse();
        }
        self.confirmed |= response.status.is_success();
        Ok(())
    }

    /// Takes the peer's address from a success to a request of ours that is no INVITE and may move it (RFC 3311 section
    /// 5.1).
    ///
    /// # Errors
    /// Those of reading Contact.
    pub fn refreshed(&mut self, response: &Response) -> Result<()> {
        if let Some(target) = contact(&response.headers)? {
            self.target = target;
        }
        Ok(())
    }

    /// We gave a 2xx.
    pub const fn confirm(&mut self) {
        self.confirmed = true;
    }

    /// Which dialog this is.
    pub const fn id(&self) -> &DialogId {
        &self.id
    }

    /// Whether a 2xx was given.
    pub const fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Our end, with our tag.
    pub const fn local(&self) -> &NameAddr {
        &self.local
    }

    /// The peer, with its tag.
    pub const fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// Where the peer wants to be reached.
    pub const fn target(&self) -> &Uri {
        &self.target
    }

    /// Takes a request of the peer's: looks at its number, and at where the peer wants to be reached if the request
    /// is one that may tell (RFC 3261 sections 12.2.2 and 14).
    ///
    /// # Errors
    /// [`Unwelcome`].
    pub fn take(&mut self, request: &Request) -> Result<(), Unwelcome> {
        let number = request.headers.cseq().map(|c| c.number).unwrap_or_default();
        // ACK and CANCEL have the number of their INVITE.
        if !matches!(request.method, Method::Ack | Method::Cancel) {
            if self.remote_number.is_some_and(|known| number < known) {
                return Err(Unwelcome::OutOfOrder);
            }
            self.remote_number = Some(number);
        }
        if refreshes_target(&request.method)
            && let Ok(Some(target)) = contact(&request.headers)
        {
            self.target = target;
        }
        Ok(())
    }

    /// A new request within the dialog, without Via and Contact (RFC 3261 section 12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        let number = self.next_number();
        self.numbered(method, number)
    }

    /// Takes the number of the next request.
    pub const fn next_number(&mut self) -> u32 {
        self.local_number = self.local_number.saturating_add(1);
        self.local_number
    }

    /// The ACK for a 2xx to our INVITE number `number`, without Via (RFC 3261 section 13.2.2.4).
    pub fn ack(&self, number: u32) -> Request {
        self.numbered(Method::Ack, number)
    }

    /// The number of our last request.
    pub const fn local_number(&self) -> u32 {
        self.local_number
    }

    /// Where the next request goes first: the first route, or the peer.
    pub fn next_hop(&self) -> &Uri {
        self.routes.first().map_or(&self.target, NameAddr::uri)
    }

    fn numbered(&self, method: Method, number: u32) -> Request {
        let mut routes: Vec<Bytes> = self.routes.iter().map(NameAddr::to_value).collect();
        let mut uri = self.target.clone();
        if let Some(first) = self.routes.first()
            && first.uri().param("lr").is_none()
        {
            // A strict router of RFC 2543 wants to stand in the Request-URI, the target last among the routes.
            routes.remove(0);
            routes.push(NameAddr::new(uri).to_value());
            uri = first
                .uri()
                .filtered(|name| !name.eq_ignore_ascii_case("method"));
        }
        let mut request = Request::with(
            method,
            uri,
            &self.local,
            &self.remote,
            &self.id.call_id,
            number,
        );
        for route in routes {
            request.headers.put(HeaderName::Route, route);
        }
        request
    }
}

impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialog")
            .field("id", &self.id)
            .field("target", &self.target)
            .field("routes", &self.routes)
            .field("confirmed", &self.confirmed)
            .finish_non_exhaustive()
    }
}

/// What tells our answer in the dialog: a response to `request` with our tag in To.
pub fn tagged_response(
    request: &Request,
    status: crate::wire::StatusCode,
    local_tag: &str,
) -> Response {
    let mut response = request.response(status);
    response.headers.tag_to(local_tag);
    response
}

/// Copies the route that a response that makes a dialog has to repeat (RFC 3261 section 12.1.1).
pub fn copy_record_route(request: &Request, response: &mut Response) {
    for value in request.headers.all(&HeaderName::RecordRoute) {
        response.headers.put(HeaderName::RecordRoute, value.clone());
    }
}

const fn refreshes_target(method: &Method) -> bool {
    matches!(
        method,
        Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer
    )
}

fn contact(headers: &Headers) -> Result<Option<Uri>> {
    headers
        .contacts()
        .next()
        .transpose()
        .map(|c| c.map(|c| c.uri().detached()))
}

fn record_routes(headers: &Headers) -> Result<Vec<NameAddr>> {
    headers
        .record_routes()
        .map(|r| r.map(|r| r.detached()))
        .collect()
}
