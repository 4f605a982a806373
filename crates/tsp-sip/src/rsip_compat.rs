//! Conversions from and to the types of the [`rsip`] crate, for applications that speak those.
//!
//! `rsip` cannot express everything that SIP can: its methods are a closed list, its hosts end at the first
//! colon, its values are text. What it cannot hold is an error ([`ErrorKind::Inexpressible`]), never a
//! different message.

use bytes::Bytes;

use crate::wire::{
    HeaderName, Headers, Host, Message, Method, Request, Response, Scheme, StatusCode, Text, Uri,
};
use crate::{Error, ErrorKind, Result};

#[cfg(test)]
mod tests;

const fn inexpressible(what: &'static str) -> Error {
    Error::new(ErrorKind::Inexpressible, what)
}

impl From<rsip::Method> for Method {
    fn from(method: rsip::Method) -> Self {
        match method {
            rsip::Method::Ack => Self::Ack,
            rsip::Method::Bye => Self::Bye,
            rsip::Method::Cancel => Self::Cancel,
            rsip::Method::Info => Self::Info,
            rsip::Method::Invite => Self::Invite,
            rsip::Method::Message => Self::Message,
            rsip::Method::Notify => Self::Notify,
            rsip::Method::Options => Self::Options,
            rsip::Method::PRack => Self::Prack,
            rsip::Method::Publish => Self::Publish,
            rsip::Method::Refer => Self::Refer,
            rsip::Method::Register => Self::Register,
            rsip::Method::Subscribe => Self::Subscribe,
            rsip::Method::Update => Self::Update,
        }
    }
}

impl TryFrom<&Method> for rsip::Method {
    type Error = Error;
    fn try_from(method: &Method) -> Result<Self> {
        Ok(match method {
            Method::Ack => Self::Ack,
            Method::Bye => Self::Bye,
            Method::Cancel => Self::Cancel,
            Method::Info => Self::Info,
            Method::Invite => Self::Invite,
            Method::Message => Self::Message,
            Method::Notify => Self::Notify,
            Method::Options => Self::Options,
            Method::Prack => Self::PRack,
            Method::Publish => Self::Publish,
            Method::Refer => Self::Refer,
            Method::Register => Self::Register,
            Method::Subscribe => Self::Subscribe,
            Method::Update => Self::Update,
            Method::Other(_) => return Err(inexpressible("method")),
        })
    }
}

impl TryFrom<rsip::StatusCode> for StatusCode {
    type Error = Error;
    fn try_from(status: rsip::StatusCode) -> Result<Self> {
        Self::new(status.code()).ok_or(Error::new(ErrorKind::StatusCode, ""))
    }
}

impl From<StatusCode> for rsip::StatusCode {
    fn from(status: StatusCode) -> Self {
        match Self::from(status.code()) {
            Self::Other(code, _) => Self::Other(code, status.phrase().to_owned()),
            known => known,
        }
    }
}

impl TryFrom<&rsip::Uri> for Uri {
    type Error = Error;
    fn try_from(uri: &rsip::Uri) -> Result<Self> {
        use rsip::common::uri::Scheme as Theirs;
        let scheme = match &uri.scheme {
            Some(Theirs::Sip) | None => "sip",
            Some(Theirs::Sips) => "sips",
            Some(Theirs::Other(other)) => other,
        };
        let mut text = format!("{scheme}:");
        if let Some(auth) = &uri.auth {
            text.push_str(&auth.to_string());
            text.push('@');
        }
        match &uri.host_with_port.host {
            // They print an IPv6 address bare, which nobody could read back.
            rsip::Host::IpAddr(ip) => text.push_str(&Host::Ip(*ip).to_string()),
            rsip::Host::Domain(name) => text.push_str(&name.to_string()),
        }
        if let Some(port) = &uri.host_with_port.port {
            text.push(':');
            text.push_str(&port.value().to_string());
        }
        for param in &uri.params {
            text.push_str(&param.to_string());
        }
        Self::new(text)
    }
}

impl TryFrom<&Uri> for rsip::Uri {
    type Error = Error;
    fn try_from(uri: &Uri) -> Result<Self> {
        use rsip::common::uri::param::{OtherParam, OtherParamValue};
        if uri.headers().next().is_some() {
            return Err(inexpressible("header fields of a URI"));
        }
        let scheme = match uri.scheme() {
            Scheme::Sip => rsip::Scheme::Sip,
            Scheme::Sips => rsip::Scheme::Sips,
            Scheme::Tel | Scheme::Other => return Err(inexpressible("scheme")),
        };
        let auth = uri.raw_user().map(|user| rsip::Auth {
            user: user.to_owned(),
            password: uri.raw_password().map(str::to_owned),
        });
        let host = match uri.host().ok_or(inexpressible("host"))? {
            Host::Ip(ip) => rsip::Host::IpAddr(ip),
            Host::Name(name) => rsip::Host::Domain(name.as_str().into()),
        };
        let params = uri.params().map(|(name, value)| {
            let value = value.map(|v| OtherParamValue::new(v.to_owned()));
            rsip::Param::Other(OtherParam::new(name.to_owned()), value)
        });
        Ok(Self {
            scheme: Some(scheme),
            auth,
            host_with_port: rsip::HostWithPort {
                host,
                port: uri.port().map(Into::into),
            },
            params: params.collect(),
            headers: Vec::new(),
        })
    }
}

impl TryFrom<&rsip::SipMessage> for Message {
    type Error = Error;
    fn try_from(message: &rsip::SipMessage) -> Result<Self> {
        match message {
            rsip::SipMessage::Request(r) => Ok(Self::Request(Request {
                method: r.method.into(),
                uri: (&r.uri).try_into()?,
                version_ok: matches!(r.version, rsip::Version::V2),
                headers: headers_from(&r.headers)?,
                body: Bytes::copy_from_slice(&r.body),
            })),
            rsip::SipMessage::Response(r) => {
                let status = StatusCode::try_from(r.status_code.clone())?;
                Ok(Self::Response(Response {
                    status,
                    reason: match &r.status_code {
                        rsip::StatusCode::Other(_, reason) if !reason.contains(['\r', '\n']) => {
                            reason.as_str().into()
                        }
                        _ => Text::from_static(status.phrase()),
                    },
                    headers: headers_from(&r.headers)?,
                    body: Bytes::copy_from_slice(&r.body),
                }))
            }
        }
    }
}

impl TryFrom<&Message> for rsip::SipMessage {
    type Error = Error;
    fn try_from(message: &Message) -> Result<Self> {
        let headers = headers_to(message.headers())?;
        let body = message.body().to_vec();
        match message {
            Message::Request(r) => {
                if !r.version_ok {
                    return Err(inexpressible("version"));
                }
                Ok(Self::Request(rsip::Request {
                    method: (&r.method).try_into()?,
                    uri: (&r.uri).try_into()?,
                    version: rsip::Version::V2,
                    headers,
                    body,
                }))
            }
            Message::Response(r) => Ok(Self::Response(rsip::Response {
                status_code: r.status.into(),
                version: rsip::Version::V2,
                headers,
                body,
            })),
        }
    }
}

/// Their fields, cut at the colon of the line that they print.
fn headers_from(theirs: &rsip::Headers) -> Result<Headers> {
    let mut ours = Headers::new();
    for field in theirs.iter() {
        let line = field.to_string();
        let (name, value) = line
            .split_once(':')
            .ok_or(Error::new(ErrorKind::HeaderLine, ""))?;
        ours.push(HeaderName::new(name)?, value.trim().to_owned())?;
    }
    Ok(ours)
}

/// Our fields as theirs: each name that they know becomes its own variant, so that their accessors find it.
fn headers_to(ours: &Headers) -> Result<rsip::Headers> {
    use rsip::Header as H;
    let mut theirs = rsip::Headers::default();
    for field in ours.iter() {
        let value = std::str::from_utf8(field.value())
            .map_err(|_| inexpressible("header value"))?
            .to_owned();
        macro_rules! same {
            ($($name:ident $(= $theirs:ident)?),* $(,)?) => {
                match field.name() {
                    $(HeaderName::$name => same!(@ $name $($theirs)?),)*
                    HeaderName::CSeq => H::CSeq(value.into()),
                    HeaderName::WwwAuthenticate => H::WwwAuthenticate(value.into()),
                    other => H::Other(other.as_str().to_owned(), value),
                }
            };
            (@ $name:ident) => { H::$name(value.into()) };
        }
        theirs.push(same!(
            Accept,
            AcceptEncoding,
            AcceptLanguage,
            AlertInfo,
            Allow,
            AuthenticationInfo,
            Authorization,
            CallId,
            CallInfo,
            Contact,
            ContentDisposition,
            ContentEncoding,
            ContentLanguage,
            ContentLength,
            ContentType,
            Date,
            ErrorInfo,
            Event,
            Expires,
            From,
            InReplyTo,
            MaxForwards,
            MimeVersion,
            MinExpires,
            Organization,
            Priority,
            ProxyAuthenticate,
            ProxyAuthorization,
            ProxyRequire,
            RecordRoute,
            ReplyTo,
            Require,
            RetryAfter,
            Route,
            Server,
            Subject,
            SubscriptionState,
            Supported,
            Timestamp,
            To,
            Unsupported,
            UserAgent,
            Via,
            Warning,
        ));
    }
    Ok(theirs)
}
