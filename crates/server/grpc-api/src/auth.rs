//! Who is calling: an API key in the metadata, or the name in a client certificate.
//!
//! Keys are known by their SHA-256 only. What is presented is hashed and compared with every caller's hash, each in constant time and
//! without stopping at the first that fits, so that the time of an answer tells nothing about the keys. A plain hash is enough: keys are
//! random, not chosen by people. Certificates are verified by TLS before this code sees them; here only their names are read.

use std::collections::HashSet;
use std::sync::Arc;

use engine::Caller;
use message::CallerId;
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};

use crate::answer;
use crate::limits::CALLERS_MAX;

/// Whether a caller may read and acknowledge messages from people. They belong to no tenant yet, so it is a grant of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundAccess {
    /// It may.
    Granted,
    /// It may not.
    Denied,
}

/// One configured caller and how it proves who it is.
#[derive(Clone)]
pub struct CallerEntry {
    /// Whom the engine sees.
    pub caller: Caller,
    /// SHA-256 of its API key.
    pub key_sha256: Option<[u8; 32]>,
    /// A DNS name or URI among the subject alternative names of its certificate.
    pub certificate_san: Option<String>,
    /// Whether it may read messages from people.
    pub inbound: InboundAccess,
}

impl std::fmt::Debug for CallerEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallerEntry")
            .field("name", &self.caller.name)
            .field("has_key", &self.key_sha256.is_some())
            .field("certificate_san", &self.certificate_san)
            .field("inbound", &self.inbound)
            .finish()
    }
}

/// Why a list of callers cannot be used. The operator's to mend, in the configuration.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CallerDirectoryError {
    /// Too many.
    #[error("{0} callers are configured: at most {CALLERS_MAX}")]
    TooMany(usize),
    /// A caller that nobody could be.
    #[error("caller `{0}` has neither a key hash nor a certificate name: give one of them")]
    NoCredential(String),
    /// Two callers that cannot be told apart.
    #[error(
        "caller `{0}` has the key hash or the certificate name of another caller: each must be its own"
    )]
    SharedCredential(String),
}

/// Every configured caller.
#[derive(Clone, Debug, Default)]
pub struct CallerDirectory {
    entries: Arc<[Arc<CallerEntry>]>,
}

impl CallerDirectory {
    /// The directory of `entries`.
    ///
    /// # Errors
    /// When there are more than [`CALLERS_MAX`], or one has no credential, or two share one.
    pub fn new(entries: Vec<CallerEntry>) -> Result<Self, CallerDirectoryError> {
        if entries.len() > CALLERS_MAX {
            return Err(CallerDirectoryError::TooMany(entries.len()));
        }
        let mut keys = HashSet::new();
        let mut names = HashSet::new();
        for entry in &entries {
            let name = || entry.caller.name.to_string();
            if entry.key_sha256.is_none() && entry.certificate_san.is_none() {
                return Err(CallerDirectoryError::NoCredential(name()));
            }
            let own_key = entry.key_sha256.is_none_or(|key| keys.insert(key));
            let own_name = entry
                .certificate_san
                .as_deref()
                .is_none_or(|san| names.insert(san));
            if !own_key || !own_name {
                return Err(CallerDirectoryError::SharedCredential(name()));
            }
        }
        Ok(Self {
            entries: entries.into_iter().map(Arc::new).collect(),
        })
    }

    /// The name of a configured caller.
    pub(crate) fn name_of(&self, id: CallerId) -> Option<&str> {
        let mut entries = self.entries.iter();
        entries
            .find(|entry| entry.caller.id == id)
            .map(|entry| entry.caller.name.as_str())
    }

    /// Who sent `request`. A key that is presented must fit, whatever certificate comes with it.
    ///
    /// # Errors
    /// UNAUTHENTICATED, saying what to send.
    pub(crate) fn authenticate<T>(&self, request: &Request<T>) -> Result<Arc<CallerEntry>, Status> {
        if let Some(key) = presented_key(request.metadata())? {
            return self.by_key(key).ok_or_else(|| {
                refuse(
                    "KEY_UNKNOWN",
                    "the API key is not that of a configured caller",
                )
            });
        }
        let certificates = request.peer_certs().unwrap_or_default();
        let Some(certificate) = certificates.first() else {
            return Err(refuse(
                "CREDENTIALS_MISSING",
                "send `authorization: Bearer KEY` in the metadata, or connect with a client certificate",
            ));
        };
        self.by_certificate(certificate).ok_or_else(|| {
            refuse(
                "CERTIFICATE_UNKNOWN",
                "none of the certificate's DNS names and URIs is that of a configured caller",
            )
        })
    }

    fn by_key(&self, key: &str) -> Option<Arc<CallerEntry>> {
        let presented: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut found = None;
        for entry in self.entries.iter() {
            let configured = entry.key_sha256.unwrap_or_default();
            let fits = presented.ct_eq(&configured);
            if bool::from(fits) && entry.key_sha256.is_some() {
                found = Some(entry);
            }
        }
        found.cloned()
    }

    fn by_certificate(&self, der: &CertificateDer<'_>) -> Option<Arc<CallerEntry>> {
        let certificate = webpki::EndEntityCert::try_from(der).ok()?;
        let names: Vec<&str> = certificate
            .valid_dns_names()
            .chain(certificate.valid_uri_names())
            .collect();
        let fits = |entry: &&Arc<CallerEntry>| {
            entry
                .certificate_san
                .as_deref()
                .is_some_and(|san| names.contains(&san))
        };
        self.entries.iter().find(fits).cloned()
    }
}

fn presented_key(metadata: &MetadataMap) -> Result<Option<&str>, Status> {
    let Some(value) = metadata.get("authorization") else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| Some(key.trim()))
        .ok_or_else(|| {
            refuse(
                "CREDENTIALS_MALFORMED",
                "`authorization` must be `Bearer KEY`",
            )
        })
}

fn refuse(reason: &str, text: &str) -> Status {
    answer::failure(Code::Unauthenticated, reason, text)
}

#[cfg(test)]
mod tests {
    use message::{Slug, TenantId};

    use super::*;

    fn entry(name: &str, key: Option<&str>, san: Option<&str>) -> CallerEntry {
        let name: Slug = name.parse().unwrap();
        CallerEntry {
            caller: Caller {
                id: CallerId::of(&name),
                tenant: TenantId(1),
                name,
                categories: [true; 4],
            },
            key_sha256: key.map(|key| Sha256::digest(key.as_bytes()).into()),
            certificate_san: san.map(str::to_owned),
            inbound: InboundAccess::Denied,
        }
    }

    fn directory() -> CallerDirectory {
        CallerDirectory::new(vec![
            entry("login", Some("key-of-login"), None),
            entry("campaigns", Some("key-of-campaigns"), None),
            entry("billing", None, Some("billing.example.com")),
            entry("ledger", None, Some("spiffe://example.com/ledger")),
        ])
        .unwrap()
    }

    fn asked_with(authorization: &str) -> Result<String, (Code, String)> {
        let mut request = Request::new(());
        request
            .metadata_mut()
            .insert("authorization", authorization.parse().unwrap());
        directory()
            .authenticate(&request)
            .map(|entry| entry.caller.name.to_string())
            .map_err(|status| (status.code(), status.message().to_owned()))
    }

    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names
            .iter()
            .map(|name| {
                let text = (*name).try_into().unwrap();
                if name.contains("://") {
                    rcgen::SanType::URI(text)
                } else {
                    rcgen::SanType::DnsName(text)
                }
            })
            .collect();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn each_key_is_its_callers() {
        assert_eq!(asked_with("Bearer key-of-login").unwrap(), "login");
        assert_eq!(asked_with("bearer key-of-campaigns").unwrap(), "campaigns");
    }

    #[test]
    fn anything_else_is_refused_and_told_what_to_send() {
        for (authorization, hint) in [
            ("Bearer key-of-nobody", "not that of a configured caller"),
            ("Bearer ", "not that of a configured caller"),
            ("Basic a2V5", "`Bearer KEY`"),
            ("key-of-login", "`Bearer KEY`"),
        ] {
            let (code, text) = asked_with(authorization).unwrap_err();
            assert_eq!(code, Code::Unauthenticated, "{authorization}");
            assert!(text.contains(hint), "{authorization}: {text}");
        }
        let status = directory().authenticate(&Request::new(())).unwrap_err();
        assert!(status.message().contains("authorization: Bearer KEY"));
    }

    #[test]
    fn a_hash_of_zeros_is_nobodys() {
        let without_key = CallerDirectory::new(vec![entry("billing", None, Some("b.example"))]);
        assert!(without_key.unwrap().by_key("").is_none());
    }

    #[test]
    fn certificates_are_known_by_dns_name_or_uri() {
        let directory = directory();
        let name_of = |names: &[&str]| {
            directory
                .by_certificate(&certificate(names))
                .map(|entry| entry.caller.name.to_string())
        };
        assert_eq!(
            name_of(&["other.example.com", "billing.example.com"]).as_deref(),
            Some("billing")
        );
        assert_eq!(
            name_of(&["spiffe://example.com/ledger"]).as_deref(),
            Some("ledger")
        );
        assert_eq!(name_of(&["login.example.com"]), None);
        let garbage = CertificateDer::from(vec![0x30, 0x82, 0xff]);
        assert!(directory.by_certificate(&garbage).is_none());
    }

    #[test]
    fn a_list_that_cannot_tell_callers_apart_is_refused() {
        let refused = |entries| CallerDirectory::new(entries).unwrap_err();
        assert_eq!(
            refused(vec![entry("a", None, None)]),
            CallerDirectoryError::NoCredential("a".into())
        );
        assert_eq!(
            refused(vec![
                entry("a", Some("k"), None),
                entry("b", Some("k"), None)
            ]),
            CallerDirectoryError::SharedCredential("b".into())
        );
        assert_eq!(
            refused(vec![
                entry("a", None, Some("x.y")),
                entry("b", None, Some("x.y"))
            ]),
            CallerDirectoryError::SharedCredential("b".into())
        );
    }

    #[test]
    fn debug_shows_no_hash() {
        let shown = format!("{:?}", entry("login", Some("k"), None));
        assert!(
            shown.contains("has_key: true") && !shown.contains("key_sha256"),
            "{shown}"
        );
    }
}
