//! Whether a certificate is that of the peer that we mean (RFC 5922 section 7).

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use webpki::EndEntityCert;

/// Names of a certificate that are shown when none of them is the right one.
const SHOWN: usize = 4;

/// Trusts what one of `roots` signed, directly or not, for the domains that it names.
#[derive(Debug)]
pub(super) struct SipVerifier {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl SipVerifier {
    pub(super) const fn new(roots: Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> Self {
        Self { roots, provider }
    }
}

impl ServerCertVerifier for SipVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        let certificate = EndEntityCert::try_from(end_entity)
            .map_err(|_| Error::from(CertificateError::BadEncoding))?;
        match server_name {
            ServerName::DnsName(name) => {
                let names = domains(&certificate);
                match names.iter().any(|n| n.eq_ignore_ascii_case(name.as_ref())) {
                    true => Ok(ServerCertVerified::assertion()),
                    false => Err(Error::General(not_named(&names, name.as_ref()))),
                }
            }
            other => certificate
                .verify_is_valid_for_subject_name(other)
                .map(|()| ServerCertVerified::assertion())
                .map_err(|_| {
                    let names = domains(&certificate);
                    Error::General(not_named(&names, &other.to_str()))
                }),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// The domains that a certificate stands for: hosts of `sip` URIs without a user, and only if there is none DNS names
/// (RFC 5922 section 7.1). Patterns stand for nothing (section 7.2). A common name, which may be looked at where there is
/// no alternative name at all, is not.
fn domains(certificate: &EndEntityCert<'_>) -> Vec<String> {
    let uris = certificate.valid_uri_names().filter_map(domain_of_uri);
    let uris: Vec<_> = uris.map(str::to_owned).collect();
    if !uris.is_empty() {
        return uris;
    }
    let names = certificate.valid_dns_names().filter(|n| !n.contains('*'));
    names.map(str::to_owned).collect()
}

/// The domains that the certificate of a peer stands for, which is trusted already.
pub(in crate::net) fn names_of(certificate: &CertificateDer<'_>) -> Vec<Box<str>> {
    let read = EndEntityCert::try_from(certificate);
    let names = read.map(|c| domains(&c)).unwrap_or_default();
    names.into_iter().map(Into::into).collect()
}

fn domain_of_uri(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    let host = rest.split([';', '?', ':']).next()?;
    (scheme.eq_ignore_ascii_case("sip") && !rest.contains('@') && !host.is_empty()).then_some(host)
}

fn not_named(names: &[String], wanted: &str) -> String {
    let found = match names {
        [] => "no domain".to_owned(),
        names => names
            .iter()
            .take(SHOWN)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", "),
    };
    format!("the certificate names {found}, not {wanted}: call it by a name that it has")
}

/// What is wrong, and what can be done about it, in one line.
pub(in crate::net) fn explain(error: &Error) -> String {
    match error {
        Error::General(what) => what.clone(),
        // A stranger may call itself like one whom we trust.
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => {
            "nobody whom we trust signed the certificate: add its issuer to the trusted ones".into()
        }
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the certificate has expired: it has to be renewed, or a clock is wrong".into(),
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the certificate is not valid yet: wait for it, or a clock is wrong".into(),
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate,
        ) => format!("the peer wants a certificate of ours that it trusts: {error}"),
        Error::InvalidMessage(_) => format!("the peer does not speak TLS there: {error}"),
        Error::InconsistentKeys(_) => format!("the key is not that of the certificate: {error}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    // Shows: a URI in a certificate is a domain only with the scheme sip and without a user | RFC 5922 7.1
    #[test]
    fn only_uris_of_domains_count() {
        assert_eq!(domain_of_uri("sip:example.com"), Some("example.com"));
        assert_eq!(domain_of_uri("SIP:example.com;x=y"), Some("example.com"));
        for other in ["sips:example.com", "sip:a@example.com", "http://x", "sip:"] {
            assert_eq!(domain_of_uri(other), None, "{other}");
        }
    }

    fn domains_of(names: Vec<SanType>) -> Vec<String> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = DnType::CommonName;
        params.distinguished_name.push(name, "common.example");
        params.subject_alt_names = names;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        domains(&EndEntityCert::try_from(certificate.der()).unwrap())
    }

    fn dns(name: &str) -> SanType {
        SanType::DnsName(name.try_into().unwrap())
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    // Shows: DNS names of a certificate count where no sip URI does, patterns and common names never | RFC 5922 7.1
    #[test]
    fn dns_names_count_only_without_uris() {
        let all = vec![dns("a.example"), uri("sip:b.example"), dns("c.example")];
        assert_eq!(domains_of(all), ["b.example"]);
        let others = vec![uri("sip:u@b.example"), dns("*.example"), dns("a.example")];
        assert_eq!(domains_of(others), ["a.example"]);
        assert!(domains_of(Vec::new()).is_empty());
    }
}
