//! Certificates: from files to a client configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::config::{ClientCertificate, TlsConfig};

/// Why TLS cannot be set up: ours to correct, a retry does not help.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is unreadable or is not PEM.
    #[error("tls: {} cannot be read as PEM: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: rustls::pki_types::pem::Error,
    },
    /// A PEM file holds no certificate.
    #[error("tls: {} holds no certificate, at least one is needed", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// A name that is neither a DNS name nor an address.
    #[error("tls: server name {name:?} is neither a DNS name nor an IP address")]
    ServerName {
        /// The name.
        name: String,
        /// What is wrong.
        source: InvalidDnsNameError,
    },
    /// The certificates do not fit together.
    #[error("tls: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Opens the TLS side of connections to one carrier.
#[derive(Clone, Debug)]
pub(crate) struct TlsConnector {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl TlsConnector {
    /// Reads the files; they are not read again.
    pub(crate) fn load(config: &TlsConfig) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&config.ca_file)? {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let client = match &config.client_certificate {
            None => builder.with_no_client_auth(),
            Some(ClientCertificate {
                certificate_file,
                key_file,
            }) => {
                let key = PrivateKeyDer::from_pem_file(key_file)
                    .map_err(|source| unreadable(key_file, source))?;
                builder.with_client_auth_cert(certificates(certificate_file)?, key)?
            }
        };
        let server_name = config.server_name.as_deref().map(server_name).transpose()?;
        Ok(Self {
            config: Arc::new(client),
            server_name,
        })
    }

    /// The TLS side of a connection to `host`.
    pub(crate) fn open(&self, host: &str) -> Result<ClientConnection, TlsError> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => server_name(host)?,
        };
        Ok(ClientConnection::new(Arc::clone(&self.config), name)?)
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|source| TlsError::ServerName {
        name: name.to_owned(),
        source,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|source| unreadable(path, source));
    let found = found?;
    if found.is_empty() {
        return Err(TlsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

fn unreadable(path: &Path, source: rustls::pki_types::pem::Error) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_a_bad_name_are_named() {
        let missing = TlsConfig {
            ca_file: "does-not-exist.pem".into(),
            server_name: None,
            client_certificate: None,
        };
        let error = TlsConnector::load(&missing).unwrap_err().to_string();
        assert!(
            error.starts_with("tls: does-not-exist.pem cannot be read as PEM"),
            "{error}"
        );
        assert!(server_name("not a name").is_err());
        assert!(server_name("::1").is_ok() && server_name("smsc.example").is_ok());
    }
}
