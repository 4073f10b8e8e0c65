//! The listener's certificate: read, tried, and handed to the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::config::effective::Tls;

/// Why the listener cannot use TLS: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerTlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not PEM.
    #[error("{} is not PEM of {expected}: {source}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong.
        source: rustls::pki_types::pem::Error,
    },
    /// A file without a certificate.
    #[error("{} holds no certificate, at least one is needed", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key are no pair, or cannot be used.
    #[error("certificate and key cannot be used: {0}")]
    Pair(rustls::Error),
    /// The callers' authorities cannot be used.
    #[error("client_ca cannot be used: {0}")]
    ClientCa(String),
}

/// Reads the files and tries them, so that a wrong pair is found at start and not at the first connection.
///
/// # Errors
/// Which file is wrong, and how.
pub(crate) fn load(files: &Tls) -> Result<ServerTlsConfig, ServerTlsError> {
    let chain = read(&files.certificate)?;
    let key = read(&files.key)?;
    let client_ca = files.client_ca.as_deref().map(read).transpose()?;
    let ca = files.client_ca.as_deref().zip(client_ca.as_deref());
    try_out((&files.certificate, &chain), (&files.key, &key), ca)?;
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(chain, key));
    Ok(match client_ca {
        // A caller may still prove itself with a key, so that a certificate is asked for and not demanded.
        Some(pem) => tls
            .client_ca_root(Certificate::from_pem(pem))
            .client_auth_optional(true),
        None => tls,
    })
}

/// A file and what it holds.
type Pem<'a> = (&'a Path, &'a [u8]);

fn try_out(
    (chain_path, chain): (&PathBuf, &Vec<u8>),
    (key_path, key): (&PathBuf, &Vec<u8>),
    client_ca: Option<Pem<'_>>,
) -> Result<(), ServerTlsError> {
    let chain = certificates((chain_path, chain))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| ServerTlsError::Pem {
        path: key_path.clone(),
        expected: "a private key",
        source,
    })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(ServerTlsError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(ServerTlsError::Pair)?;
    let Some(client_ca) = client_ca else {
        return Ok(());
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(client_ca)? {
        roots
            .add(certificate)
            .map_err(|error| ServerTlsError::ClientCa(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| ServerTlsError::ClientCa(error.to_string()))?;
    Ok(())
}

fn certificates((path, pem): Pem<'_>) -> Result<Vec<CertificateDer<'static>>, ServerTlsError> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| ServerTlsError::Pem {
            path: path.to_owned(),
            expected: "certificates",
            source,
        })?;
    if found.is_empty() {
        return Err(ServerTlsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, ServerTlsError> {
    fs::read(path).map_err(|source| ServerTlsError::Read {
        path: path.to_owned(),
        source,
    })
}
