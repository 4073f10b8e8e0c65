//! A real Prometheus before an engine, with this tree's rules in fast motion. `deploy/check.sh` says where its binary is.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{EngineProcess, PATIENCE, Setting};

/// Names the binary.
const BINARY: &str = "PROMETHEUS";
/// Between two scrapes, and two looks at the rules.
const INTERVAL: &str = "250ms";

/// Running until it is dropped.
pub(crate) struct Prometheus {
    child: Child,
    address: SocketAddr,
}

/// The binary; where there is none, says so in plain sight.
pub(crate) fn binary() -> Option<PathBuf> {
    let given = std::env::var_os(BINARY).map(PathBuf::from);
    if given.is_none() {
        // Not by a macro: those are captured, and this must be seen.
        let said =
            format!("\n!!! SKIPPED: no Prometheus ({BINARY} is not set); see deploy/check.sh\n\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    given
}

/// The committed rules.
pub(crate) fn rules() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/hikyaku.rules.yml");
    fs::read_to_string(path).unwrap()
}

impl Prometheus {
    /// Starts one that scrapes this engine. What an alert waits for is a second, whatever the rules say.
    pub(crate) fn start(binary: &Path, setting: &Setting, engine: &EngineProcess) -> Self {
        let fast: Vec<_> = rules()
            .lines()
            .map(|line| match line.split_once("for: ") {
                Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: 1s"),
                Some(_) | None => line.to_owned(),
            })
            .collect();
        setting.write("hikyaku.rules.yml", &fast.join("\n"));
        setting.write(
            "prometheus.yml",
            &format!(
                "global:\n  scrape_interval: {INTERVAL}\n  scrape_timeout: {INTERVAL}\n  evaluation_interval: {INTERVAL}\n\
                 rule_files: [hikyaku.rules.yml]\n\
                 scrape_configs:\n  - job_name: hikyaku\n    static_configs: [{{ targets: [\"{}\"] }}]\n",
                engine.admin
            ),
        );
        let config = setting.config().with_file_name("prometheus.yml");
        let data = setting.config().with_file_name("prometheus");
        let mut child = Command::new(binary)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.split_once("msg=\"Listening on\" address=");
            let address = address.and_then(|(_, address)| address.trim().parse().ok());
            said.push(line);
            address
        });
        // Who does not read what it says makes it wait.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.unwrap_or_else(|| panic!("it does not listen:\n{}", said.join("\n")));
        Self { child, address }
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The `data` of a page of its API.
    pub(crate) fn ask(&self, page: &str) -> Value {
        let mut connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        // HTTP 1.0: the answer ends with the connection.
        write!(connection, "GET /api/v1/{page} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        // Not ready yet.
        if head.split(' ').nth(1) == Some("503") {
            return Value::Null;
        }
        let mut answer: Value = serde_json::from_str(body).unwrap();
        assert_eq!(answer["status"], "success", "{page}: {answer}");
        answer["data"].take()
    }

    /// The alerts that fire: the name of each and its labels.
    pub(crate) fn firing(&self) -> Vec<(String, Value)> {
        let mut data = self.ask("alerts");
        let alerts = data["alerts"].as_array_mut().map(std::mem::take);
        let firing = alerts.into_iter().flatten();
        firing
            .filter(|alert| alert["state"] == "firing")
            .map(|mut alert| {
                let labels = alert["labels"].take();
                (labels["alertname"].as_str().unwrap().to_owned(), labels)
            })
            .collect()
    }

    /// Waits until what fires is as wanted.
    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn(&[(String, Value)]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let firing = self.firing();
            if holds(&firing) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "not in {PATIENCE:?}: {what}; firing are {firing:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
