//! TLS: certificates and keys from files, read again when they change, and who is trusted.

mod verify;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use msp_core::time::Instant;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use verify::SipVerifier;
pub(super) use verify::{explain, names_of};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Settings of TLS. Files are PEM; those that change are read again without a restart, and if the new ones are bad the
/// old ones stay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsSettings {
    /// Our certificate, those that lead from it to a root included, and its key. Who has none takes no connections.
    pub identity: Option<TlsIdentity>,
    /// Whom we trust to sign the certificates of peers; the roots of the system without this.
    pub trusted: Option<PathBuf>,
    /// Whether peers that connect have to show a certificate, too.
    pub ask_peers: bool,
}

/// The files of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsIdentity {
    /// The certificate, and those that lead from it to a root.
    pub certificates: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why TLS cannot be set up: what is wrong with which file.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

impl TlsError {
    fn of(path: &Path, what: impl fmt::Display) -> Self {
        Self(format!("{}: {what}", path.display()))
    }
}

/// TLS as it is set up now.
pub(super) struct Tls {
    settings: TlsSettings,
    current: Current,
    /// What the files were like when they were read last, and when that was looked at.
    seen: Vec<Option<SystemTime>>,
    looked: Instant,
}

#[derive(Clone)]
struct Current {
    connector: TlsConnector,
    acceptor: Option<TlsAcceptor>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub(super) fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        let current = read(&settings)?;
        let seen = seen(&settings);
        Ok(Self {
            settings,
            current,
            seen,
            looked: Instant::ZERO,
        })
    }

    /// Reads the files again if they changed. `None` if they did not.
    pub(super) fn refresh(&mut self, now: Instant) -> Option<Result<(), TlsError>> {
        if now.saturating_since(self.looked) < LOOK {
            return None;
        }
        self.looked = now;
        let seen = seen(&self.settings);
        if seen == self.seen {
            return None;
        }
        self.seen = seen;
        Some(read(&self.settings).map(|current| self.current = current))
    }

    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.current.acceptor.clone()
    }

    pub(super) fn connector(&self) -> TlsConnector {
        self.current.connector.clone()
    }
}

/// The name that the other end has to prove: a domain or an address.
pub(super) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned())
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, format!("{host}: {e}")))
}

/// When each file was changed last.
fn seen(settings: &TlsSettings) -> Vec<Option<SystemTime>> {
    let identity = settings.identity.iter();
    identity
        .flat_map(|i| [&i.certificates, &i.key])
        .chain(&settings.trusted)
        .map(|path| std::fs::metadata(path).and_then(|m| m.modified()).ok())
        .collect()
}

fn read(settings: &TlsSettings) -> Result<Current, TlsError> {
    let provider = Arc::new(default_provider());
    let roots = Arc::new(roots(settings.trusted.as_deref())?);
    let identity = settings.identity.as_ref().map(identity).transpose()?;
    Ok(Current {
        connector: connector(&provider, &roots, identity.as_ref())?,
        acceptor: match &identity {
            Some(identity) => Some(acceptor(&provider, roots, settings.ask_peers, identity)?),
            None => None,
        },
    })
}

struct Identity<'a> {
    files: &'a TlsIdentity,
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn identity(files: &TlsIdentity) -> Result<Identity<'_>, TlsError> {
    let certificates = certificates(&files.certificates)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|e| TlsError::of(&files.key, format!("no private key: {e}")))?;
    Ok(Identity {
        files,
        certificates,
        key,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |e| TlsError::of(path, format!("no certificate: {e}"));
    let all: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(bad)?;
    match all.is_empty() {
        true => Err(TlsError::of(path, "no certificate in it")),
        false => Ok(all),
    }
}

fn roots(trusted: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match trusted {
        Some(path) => {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|e| TlsError::of(path, explain(&e)))?;
            }
        }
        // A system may have none, or bad ones among the others: then its peers are not trusted, and told so.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

fn connector(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    identity: Option<&Identity<'_>>,
) -> Result<TlsConnector, TlsError> {
    let verifier = SipVerifier::new(roots.clone(), provider.clone());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsError(explain(&e)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    // Without ALPN: some peers hang up on who names a protocol.
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(own) => config
            .with_client_auth_cert(own.certificates.clone(), own.key.clone_key())
            .map_err(|e| TlsError::of(&own.files.key, explain(&e)))?,
    };
    Ok(Arc::new(config).into())
}

fn acceptor(
    provider: &Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    ask_peers: bool,
    own: &Identity<'_>,
) -> Result<TlsAcceptor, TlsError> {
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsError(explain(&e)))?;
    let config = match ask_peers {
        false => config.with_no_client_auth(),
        true => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
            let verifier = verifier
                .build()
                .map_err(|e| TlsError(format!("peers cannot be asked for a certificate: {e}")))?;
            config.with_client_cert_verifier(verifier)
        }
    };
    let config = config
        .with_single_cert(own.certificates.clone(), own.key.clone_key())
        .map_err(|e| TlsError::of(&own.files.key, explain(&e)))?;
    Ok(Arc::new(config).into())
}

/// What a handshake or a connection failed by, for people.
pub(super) fn explain_tls(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|e| e.downcast_ref());
    inner.map_or_else(|| error.to_string(), |e: &rustls::Error| explain(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    // Shows: certificates are read again when their files change, and bad ones change nothing
    #[test]
    fn files_that_change_are_read_again() {
        let folder = std::env::temp_dir().join(format!("tsp-sip-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = TlsIdentity {
            certificates: folder.join("crt"),
            key: folder.join("key"),
        };
        let mut age = 0;
        // Files that are written one right after the other may bear the same time.
        let mut put = |path: &Path, text: &str| {
            std::fs::write(path, text).unwrap();
            age += 1;
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(age);
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(time).unwrap();
        };
        let mut renew = || {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["a.example".into()]).unwrap();
            put(
                &files.certificates,
                &params.self_signed(&key).unwrap().pem(),
            );
            put(&files.key, &key.serialize_pem());
        };
        renew();
        let mut tls = Tls::new(TlsSettings {
            identity: Some(files.clone()),
            trusted: Some(files.certificates.clone()),
            ask_peers: true,
        })
        .unwrap();
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let config = |tls: &Tls| tls.acceptor().unwrap().config().clone();
        let first = config(&tls);
        assert!(tls.refresh(at(10)).is_none(), "nothing changed");
        renew();
        assert!(
            tls.refresh(at(15)).is_none(),
            "it was looked at a moment ago"
        );
        assert!(matches!(tls.refresh(at(20)), Some(Ok(()))));
        let second = config(&tls);
        assert!(!Arc::ptr_eq(&first, &second));
        std::fs::write(&files.key, "nothing").unwrap();
        let failed = tls.refresh(at(30)).unwrap().unwrap_err();
        assert!(failed.to_string().contains("key"), "{failed}");
        assert!(Arc::ptr_eq(&second, &config(&tls)), "the old ones stay");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
