//! Bringing a message centre up.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::runtime::Builder;
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsAcceptor;

use super::config::{SmscConfig, SmscConfigError, TlsListener};
use super::handle::SmscHandle;
use super::listener::{Listener, listen, reserve};
use super::world::World;

/// Commands of handles that wait; each waits for its answer, so that few ever do.
const COMMANDS_MAX: usize = 16;

/// A message centre to test against.
#[derive(Debug)]
pub struct FakeSmsc;

impl FakeSmsc {
    /// Listens and serves on a thread of its own until the handle is stopped or dropped. Needs no runtime around it.
    ///
    /// # Errors
    /// The configuration is out of range, the address is taken, a TLS file is wrong, or the system has no thread left.
    pub fn start(config: SmscConfig) -> Result<SmscHandle, StartError> {
        config.check()?;
        let tls = config.tls.as_ref().map(load_tls).transpose()?;
        let listen_error = |source| StartError::Listen {
            addr: config.listen,
            source,
        };
        let socket = reserve(config.listen).map_err(listen_error)?;
        let listener = listen(socket).map_err(listen_error)?;
        let local_addr = listener.local_addr().map_err(listen_error)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let config = Arc::new(config);
        let receipt_clock = Arc::new(Notify::new());
        let world = World::new(Arc::clone(&config), Arc::clone(&receipt_clock));
        let world = Arc::new(Mutex::new(world));
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let serving = Listener {
            config,
            world: Arc::clone(&world),
            tls,
            receipt_clock,
            local_addr,
        };
        let thread = thread::Builder::new()
            .name("fake-smsc".to_owned())
            .spawn(move || runtime.block_on(serving.run(listener, received)))
            .map_err(StartError::Thread)?;
        Ok(SmscHandle::new(local_addr, world, commands, thread))
    }
}

/// Why a message centre did not come up: ours to correct. A retry helps only when the address becomes free.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The script cannot be played.
    #[error("sim smsc: {0}")]
    Config(#[from] SmscConfigError),
    /// The address cannot be listened on.
    #[error("sim smsc: cannot listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A file is unreadable or is not PEM.
    #[error("sim smsc: tls: {} cannot be read as PEM: {source}", path.display())]
    TlsFile {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not fit together.
    #[error("sim smsc: tls: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no thread or event queue.
    #[error("sim smsc: cannot start its thread: {0}")]
    Thread(#[source] io::Error),
}

fn load_tls(files: &TlsListener) -> Result<TlsAcceptor, StartError> {
    let unreadable = |path: &PathBuf, source| StartError::TlsFile {
        path: path.clone(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(&files.certificate_file, source))?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|source| unreadable(&files.key_file, source))?;
    // Named, since a process with two providers linked in has no default one.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
