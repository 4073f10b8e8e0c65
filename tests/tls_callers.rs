//! TLS towards callers: one proves itself with a key, one with its certificate, a stranger with neither; files that do not fit
//! together are refused by `check`.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use engine_process::caller::submission;
use engine_process::{API_KEY, EngineProcess, Setting};
use grpc_api::v1;
use grpc_api::v1::dispatch_client::DispatchClient;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Code, Request, Status};

const SERVER_TLS: &str =
    "[server.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\nclient_ca = \"ca.pem\"";
const CERTIFIED_CALLER: &str = "[[caller]]\nname = \"certified\"\ntenant = \"tenant\"\n\
     certificate_san = \"billing.example.net\"\ncategories = [\"otp\"]";

/// An authority of this scenario.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate and its key.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A configuration with TLS; nobody listens at its carrier.
fn setting(authority: &Authority) -> Setting {
    let setting = Setting::with(
        &[("alpha", "hosts = [\"127.0.0.1:1\"]")],
        &format!("{SERVER_TLS}\n{CERTIFIED_CALLER}"),
    );
    let text = std::fs::read_to_string(setting.config()).unwrap();
    setting.write(
        "hikyaku.toml",
        &text.replace("insecure_loopback = true\n", ""),
    );
    let (certificate, key) = authority.issue("localhost");
    setting.write("ca.pem", &authority.pem);
    setting.write("server.pem", &certificate);
    setting.write("server.key", &key);
    setting
}

async fn connect(
    engine: &EngineProcess,
    authority: &Authority,
    identity: Option<Identity>,
) -> DispatchClient<Channel> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&authority.pem))
        .domain_name("localhost");
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    let url = engine.url().replace("http:", "https:");
    let endpoint = grpc_api::endpoint(&url).unwrap().tls_config(tls).unwrap();
    DispatchClient::new(endpoint.connect().await.unwrap())
}

fn request(category: v1::Category) -> Request<v1::SubmitRequest> {
    Request::new(v1::SubmitRequest {
        submission: Some(submission(category, 1)),
        on_full: v1::OnFull::Refuse.into(),
    })
}

fn code<T>(answer: Result<T, Status>) -> Option<Code> {
    answer.err().map(|status| status.code())
}

#[tokio::test]
async fn a_caller_proves_itself_with_a_key_or_with_a_certificate() {
    let authority = Authority::new();
    let setting = setting(&authority);
    let engine = EngineProcess::start(&setting);

    let mut stranger = connect(&engine, &authority, None).await;
    let refused = stranger.submit(request(v1::Category::Otp)).await;
    assert_eq!(code(refused), Some(Code::Unauthenticated));
    let mut with_key = request(v1::Category::Promotional);
    let key = format!("Bearer {API_KEY}").parse().unwrap();
    with_key.metadata_mut().insert("authorization", key);
    assert_eq!(code(stranger.submit(with_key).await), None);

    let (certificate, key) = authority.issue("billing.example.net");
    let identity = Identity::from_pem(certificate, key);
    let mut certified = connect(&engine, &authority, Some(identity)).await;
    assert_eq!(
        code(certified.submit(request(v1::Category::Otp)).await),
        None
    );
    let beyond = certified.submit(request(v1::Category::Alert)).await;
    assert_eq!(code(beyond), Some(Code::PermissionDenied));

    let (certificate, key) = authority.issue("unknown.example.net");
    let identity = Identity::from_pem(certificate, key);
    let mut unknown = connect(&engine, &authority, Some(identity)).await;
    let refused = unknown.submit(request(v1::Category::Otp)).await;
    assert_eq!(code(refused), Some(Code::Unauthenticated));
}

#[test]
fn files_that_do_not_fit_are_named_by_check() {
    let authority = Authority::new();
    let setting = setting(&authority);
    let problem = || {
        let ended = setting.command("check").output().unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        (ended.status.code(), text)
    };
    assert_eq!(problem(), (Some(0), String::new()));

    let (_, key_of_another) = authority.issue("localhost");
    setting.write("server.key", &key_of_another);
    let (code, text) = problem();
    assert_eq!(code, Some(2));
    assert!(
        text.contains("server.tls: certificate and key cannot be used"),
        "{text}"
    );

    setting.write("server.pem", "no certificate");
    let (code, text) = problem();
    assert_eq!(code, Some(2));
    assert!(text.contains("server.pem holds no certificate"), "{text}");

    setting.write("carriers/alpha.toml", "name = \"alpha\"\nsystem_id = \"a\"\npassword = \"b\"\nhosts = [\"127.0.0.1:1\"]\n[tls]\nca = \"../key\"");
    let (certificate, key) = authority.issue("localhost");
    setting.write("server.pem", &certificate);
    setting.write("server.key", &key);
    let (code, text) = problem();
    assert_eq!(code, Some(2));
    assert!(
        text.contains("carrier alpha: tls: ") && text.contains("holds no certificate"),
        "{text}"
    );
}
