//! The phone that a command line asks for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tipring::msp_core::trace::Trace;
use tipring::msp_engine::{Clock, PlayoutMode, SystemClock};
use tipring::{Phone, PhoneBuilder, SecurityPolicy, TlsIdentity, TlsSettings};

use crate::args::{Bind, LineArgs, PeerArgs, Playout, Srtp, TlsArgs};
use crate::exit::{Fail, Failure};
use crate::output::{Output, phone_json};

/// A call whose peer has sent nothing for so long has lost its sound.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(8);

/// How long the program waits at its end until peers have confirmed that calls are over.
pub(crate) const GOODBYES: Duration = Duration::from_secs(1);

/// The codecs as they are registered, by the names that people type.
pub(crate) fn codec(name: &str) -> Result<&'static str, Fail> {
    match name.to_ascii_lowercase().as_str() {
        "pcmu" | "ulaw" | "g711u" => Ok("PCMU"),
        "pcma" | "alaw" | "g711a" => Ok("PCMA"),
        "l16" => Ok("L16/8000"),
        "l16/16000" => Ok("L16/16000"),
        "l16/44100" => Ok("L16/44100"),
        "l16/48000" => Ok("L16/48000"),
        _ => {
            let text = format!(
                "unknown codec '{name}', there are pcmu, pcma, l16 (also l16/16000, l16/44100, l16/48000)"
            );
            Err(Fail::new(Failure::Usage, text))
        }
    }
}

/// Where to be when nothing was said: on all addresses of the family that `target` is written in.
fn bind_for(target: Option<&str>) -> Bind {
    let six = target.is_some_and(|t| t.contains('[') || t.trim().parse::<Ipv6Addr>().is_ok());
    let any: IpAddr = if six {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    Bind {
        ip: any,
        port: None,
    }
}

/// Closes `phone` after saying what it counted, but does not wait longer than [`GOODBYES`] for peers that confirm nothing.
pub(crate) async fn close(phone: Phone, out: &Output) {
    out.numbers(SystemClock.now(), "signalling", phone_json(&phone.stats()));
    let _silent_peer = tokio::time::timeout(GOODBYES, phone.close()).await;
}

impl TlsArgs {
    /// The settings, if anything was said.
    pub(crate) fn settings(&self) -> Option<TlsSettings> {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        let identity = files.map(|(certificates, key)| TlsIdentity { certificates, key });
        (identity.is_some() || self.tls_ca.is_some()).then(|| TlsSettings {
            identity,
            trusted: self.tls_ca.clone(),
            ask_peers: self.tls_ask_peers,
        })
    }
}

impl LineArgs {
    /// The settings of the phone; `port` is where it waits for calls if the user named no port.
    pub(crate) fn builder(
        &self,
        target: Option<&str>,
        port: u16,
        trace: Trace,
        peer: &PeerArgs,
    ) -> Result<PhoneBuilder, Fail> {
        let bind = self.bind.unwrap_or_else(|| bind_for(target));
        let mut builder = Phone::builder()
            .bind(bind.or_port(port))
            .trace(trace)
            .keys_in_clear(self.srtp_keys_in_clear)
            .playout(match self.playout {
                Playout::Adaptive => PlayoutMode::Adaptive,
                Playout::Fixed => PlayoutMode::Fixed,
                Playout::Recorder => PlayoutMode::Recorder,
            })
            .media_timeout(MEDIA_TIMEOUT);
        if let Some(profile) = peer.profile {
            builder = builder.profile(profile);
        }
        if let Some(srtp) = self.srtp {
            builder = builder.security(match srtp {
                Srtp::Off => SecurityPolicy::Off,
                Srtp::Optional => SecurityPolicy::Optional,
                Srtp::Required => SecurityPolicy::Required,
            });
        }
        if !self.codec.is_empty() {
            let names = self
                .codec
                .iter()
                .map(|c| codec(c))
                .collect::<Result<Vec<_>, _>>()?;
            builder = builder.codecs(names);
        }
        if let Some(tls) = self.tls.settings() {
            builder = builder.tls(tls);
        }
        if let Some(advertise) = self.advertise {
            builder = builder.advertise(advertise);
        }
        if let Some(host) = &self.advertise_host {
            builder = builder.advertise_host(host.clone());
        }
        if let Some((first, last)) = self.ports {
            builder = builder.ports(first..=last);
        }
        Ok(builder)
    }
}
