//! How `send`, `watch`, `explain` and `list` reach an engine, and how they say what went wrong.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use grpc_api::v1::dispatch_client::DispatchClient;
use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

/// Where the engine is and who asks.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Target {
    /// Where the engine listens; https:// needs --ca
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070")]
    target: String,
    #[command(flatten)]
    access: Access,
}

/// Who asks, and whom we trust.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Access {
    /// File that holds the API key
    #[arg(long, value_name = "FILE", conflicts_with = "api_key_env")]
    api_key_file: Option<PathBuf>,
    /// Environment variable that holds the API key
    #[arg(long, value_name = "NAME", default_value = "HIKYAKU_API_KEY")]
    api_key_env: String,
    /// The authority that signed the engine's certificate, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our certificate, PEM, when the engine knows us by it
    #[arg(long, value_name = "FILE", requires = "certificate_key")]
    certificate: Option<PathBuf>,
    /// The key of --certificate, PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    certificate_key: Option<PathBuf>,
}

/// A connected client that presents its key with every call.
pub(crate) type Client = DispatchClient<InterceptedService<Channel, Key>>;

/// Puts the API key into the metadata.
#[derive(Clone)]
pub(crate) struct Key(Option<MetadataValue<Ascii>>);

/// Why a command could not do its work.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// A file that was named cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The key has octets that metadata cannot carry.
    #[error("the API key in {0} is not one line of printable ASCII")]
    Key(String),
    /// A key over plain text to another machine.
    #[error(
        "{0} is not encrypted and not this machine: the API key would be readable on the way; use https:// and --ca"
    )]
    PlainText(String),
    /// Neither http nor https.
    #[error("--target {0} is not a URL: http://HOST:PORT or https://HOST:PORT")]
    Scheme(String),
    /// https without an authority.
    #[error("{0} needs --ca FILE, the authority that signed the engine's certificate")]
    NoAuthority(String),
    /// The address or the TLS files cannot be used.
    #[error("--target {target} cannot be used: {source}")]
    Target {
        target: String,
        source: tonic::transport::Error,
    },
    /// Nobody answers.
    #[error("cannot reach {target}: {cause}; is `hikyaku serve` running there?")]
    Unreachable { target: String, cause: String },
    /// The engine refused the call.
    #[error("{}", explain(.0))]
    Refused(Box<Status>),
    /// What follows the position in a file is gone; `oldest` is where the engine can go on.
    #[error(
        "{}\n  the position came from {}: write {oldest} into that file to go on from there, or remove the file to go on from now",
        explain(.status), .path.display()
    )]
    PositionFile {
        status: Box<Status>,
        path: PathBuf,
        oldest: String,
    },
    /// The engine ended a stream that should go on.
    #[error("the engine ended the stream")]
    StreamEnded,
    /// Standard output is gone or full, or this process may not have a runtime.
    #[error("{0}")]
    Output(#[from] std::io::Error),
}

/// Runs a command to its end on a runtime of its own, and says on standard error why it failed.
pub(crate) fn run_command(
    command: impl Future<Output = Result<ExitCode, ClientError>>,
) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => Err(ClientError::Output(error)),
    };
    match ended {
        Ok(code) => code,
        // Whoever read us has seen enough.
        Err(ClientError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("hikyaku: {error}");
            ExitCode::FAILURE
        }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}

impl Target {
    /// Connects.
    pub(crate) async fn connect(&self) -> Result<Client, ClientError> {
        let (endpoint, key) = self.access.endpoint(&self.target)?;
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| ClientError::Unreachable {
                target: self.target.clone(),
                cause: innermost(&error),
            })?;
        let key = key.map(|key| key.metadata()).transpose()?;
        Ok(DispatchClient::with_interceptor(channel, Key(key)))
    }
}

/// An API key and where it was found.
pub(crate) struct FoundKey {
    /// As it stands there, without the blanks around it.
    pub(crate) text: String,
    place: String,
}

impl FoundKey {
    /// It cannot be sent.
    pub(crate) fn unusable(&self) -> ClientError {
        ClientError::Key(self.place.clone())
    }

    fn metadata(&self) -> Result<MetadataValue<Ascii>, ClientError> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", self.text)
            .parse()
            .map_err(|_| self.unusable())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Access {
    /// How to reach an engine, and the key to show it. No key leaves this machine in plain text.
    pub(crate) fn endpoint(&self, url: &str) -> Result<(Endpoint, Option<FoundKey>), ClientError> {
        let encrypted = url.starts_with("https://");
        if !encrypted && !url.starts_with("http://") {
            return Err(ClientError::Scheme(url.to_owned()));
        }
        let key = self.key()?;
        if key.is_some() && !encrypted && !is_loopback(url) {
            return Err(ClientError::PlainText(url.to_owned()));
        }
        let unusable = |source| ClientError::Target {
            target: url.to_owned(),
            source,
        };
        let mut endpoint = grpc_api::endpoint(url).map_err(unusable)?;
        if encrypted {
            endpoint = endpoint.tls_config(self.tls(url)?).map_err(unusable)?;
        }
        Ok((endpoint, key))
    }

    fn key(&self) -> Result<Option<FoundKey>, ClientError> {
        let (text, place) = match &self.api_key_file {
            Some(path) => {
                let octets = read(path)?;
                let text = String::from_utf8_lossy(&octets).trim().to_owned();
                (text, path.display().to_string())
            }
            None => match std::env::var(&self.api_key_env) {
                Ok(text) => (text, self.api_key_env.clone()),
                Err(_) => return Ok(None),
            },
        };
        Ok(Some(FoundKey { text, place }))
    }

    fn tls(&self, url: &str) -> Result<ClientTlsConfig, ClientError> {
        let Some(ca) = &self.ca else {
            return Err(ClientError::NoAuthority(url.to_owned()));
        };
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.certificate_key) {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        Ok(tls)
    }
}

/// A refused call in the words of its details: reason, fields, when to try again.
fn explain(status: &Status) -> String {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str());
    let mut text = match reason {
        Some(reason) => format!("refused: {reason}"),
        None => format!("refused: {}", status.code()),
    };
    match details.bad_request() {
        Some(bad_request) => {
            for violation in &bad_request.field_violations {
                text.push_str(&field_line(&violation.field, &violation.description));
            }
        }
        None => text.push_str(&format!("\n  {}", status.message())),
    }
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    if let Some(delay) = delay {
        text.push_str(&format!("\n  try again after {delay:?}"));
    }
    text
}

/// A field and what is wrong with it, on a line of its own.
pub(crate) fn field_line(field: &str, description: &str) -> String {
    format!("\n  {field} {description}")
}

fn read(path: &PathBuf) -> Result<Vec<u8>, ClientError> {
    fs::read(path).map_err(|source| ClientError::File {
        path: path.clone(),
        source,
    })
}

fn is_loopback(url: &str) -> bool {
    let authority = url.strip_prefix("http://").unwrap_or(url);
    let authority = authority.split('/').next().unwrap_or_default();
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host)
        .trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The cause at the bottom of an error, which is the one that a person can act on.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_key_goes_over_plain_text_to_this_machine_only() {
        for here in [
            "http://127.0.0.1:7070",
            "http://localhost:1",
            "http://[::1]:7070/",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "http://10.0.0.1:7070",
            "http://localhost.example.com:1",
            "http://[fe80::1]:1",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn a_refusal_names_reason_fields_and_delay() {
        let mut details =
            ErrorDetails::with_bad_request_violation("recipient.msisdn", "is missing");
        details.set_error_info(
            "INVALID_ARGUMENT",
            "hikyaku",
            std::collections::HashMap::new(),
        );
        details.set_retry_info(Some(Duration::from_millis(20)));
        let status = Status::with_error_details(Code::InvalidArgument, "long text", details);
        assert_eq!(
            ClientError::from(status).to_string(),
            "refused: INVALID_ARGUMENT\n  recipient.msisdn is missing\n  try again after 20ms"
        );
        let bare = ClientError::from(Status::unavailable("gone")).to_string();
        assert!(bare.ends_with("\n  gone"), "{bare}");
    }
}
