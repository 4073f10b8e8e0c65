//! Recipients by keyed hash.
//!
//! Phone numbers are few: whoever had a plain hash of every number could read the index like a telephone book. So the hash is keyed
//! with 32 random octets that lie beside the data, readable by the engine's user only, and not in the index.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use message::{Msisdn, TenantId};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

const SECRET_OCTETS: usize = 32;
const RANDOM_PATH: &str = "/dev/urandom";

/// Whom a message is for: a keyed hash of tenant and number, so that the same number of two tenants has nothing in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecipientHash(pub(crate) [u8; 16]);

impl fmt::Debug for RecipientHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}…", self.0[0], self.0[1])
    }
}

/// The secret of one data directory.
#[derive(Clone)]
pub struct RecipientSecret([u8; SECRET_OCTETS]);

impl fmt::Debug for RecipientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecipientSecret(<redacted>)")
    }
}

/// Why there is no secret.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file cannot be read or made.
    #[error("cannot read or make {path}: {source}; the engine's user must own its directory")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not what was once written.
    #[error(
        "{path} has {found} octets, not {SECRET_OCTETS}: restore it, or remove it and the index beside it is rebuilt with a new one"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: usize,
    },
}

impl RecipientSecret {
    /// The secret in `path`; made, with mode 0600, where there is none.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn load_or_make(path: &Path) -> Result<Self, SecretError> {
        let failed = |source| SecretError::Io {
            path: path.to_path_buf(),
            source,
        };
        match fs::read(path) {
            Ok(octets) => match <[u8; SECRET_OCTETS]>::try_from(octets.as_slice()) {
                Ok(secret) => Ok(Self(secret)),
                Err(_) => Err(SecretError::Length {
                    path: path.to_path_buf(),
                    found: octets.len(),
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map_err(failed),
            Err(error) => Err(failed(error)),
        }
    }

    /// The hash of a tenant's number. Every input has one length, and half of the digest is kept: so neither can one input continue
    /// another, nor a digest be continued, and a plain prefix key is as good as HMAC.
    #[must_use]
    pub fn hash(&self, tenant: TenantId, number: Msisdn) -> RecipientHash {
        let digest = Sha256::new()
            .chain_update(self.0)
            .chain_update(tenant.0.to_be_bytes())
            .chain_update(number.to_u64().to_be_bytes())
            .finalize();
        RecipientHash(half(&digest))
    }

    /// What the index keeps to notice that it was made with another secret: the hash of what can be no number.
    pub(crate) fn check(&self) -> [u8; 16] {
        half(
            &Sha256::new()
                .chain_update(self.0)
                .chain_update(b"check")
                .finalize(),
        )
    }
}

fn half(digest: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// Written aside, synced and renamed: a crash leaves no secret or a whole one.
fn make(path: &Path) -> io::Result<RecipientSecret> {
    let mut secret = [0; SECRET_OCTETS];
    File::open(RANDOM_PATH)?.read_exact(&mut secret)?;
    let aside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(RecipientSecret(secret))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_for_its_owner_only() {
        let dir = std::env::temp_dir().join(format!("hikyaku-secret-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("history.key");
        let made = RecipientSecret::load_or_make(&path).unwrap();
        let again = RecipientSecret::load_or_make(&path).unwrap();
        assert_eq!(made.0, again.0);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        fs::write(&path, b"short").unwrap();
        let refused = RecipientSecret::load_or_make(&path).unwrap_err();
        assert!(refused.to_string().contains("5 octets"), "{refused}");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_hash_depends_on_secret_tenant_and_number() {
        let number = |digits: u64| Msisdn::from_u64(digits).unwrap();
        let (one, other) = (RecipientSecret([1; 32]), RecipientSecret([2; 32]));
        let hash = one.hash(TenantId(1), number(819_012_345_678));
        assert_eq!(hash, one.hash(TenantId(1), number(819_012_345_678)));
        assert_ne!(hash, other.hash(TenantId(1), number(819_012_345_678)));
        assert_ne!(hash, one.hash(TenantId(2), number(819_012_345_678)));
        assert_ne!(hash, one.hash(TenantId(1), number(819_012_345_679)));
        assert_ne!(one.check(), other.check());
        assert!(!format!("{one:?}").contains('1'));
    }
}
