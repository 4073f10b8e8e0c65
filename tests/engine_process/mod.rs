//! The real binary, as an operator runs it: a configuration in a folder of its own, ports that the system chooses, killed when dropped.
//!
//! Where it listens is read from its log, which is JSON here; whether it is ready is asked of `/readyz`. Nothing sleeps for a guess:
//! every wait has a condition and a deadline, and a deadline that passes shows the log.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![allow(
    dead_code,
    reason = "every scenario compiles this module and uses a part of it"
)]

pub(crate) mod caller;
pub(crate) mod dice;
pub(crate) mod door;
pub(crate) mod failing_disk;
pub(crate) mod load;
pub(crate) mod prometheus;
pub(crate) mod scene;

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long any wait may take: a debug build on a busy machine is slow, a hang is for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The key of the only caller of [`Setting`], who may do everything.
pub(crate) const API_KEY: &str = "a-key-for-scenarios-only";
/// Between two looks at something that cannot be waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A folder with a configuration, the engine's data and its log; removed when dropped, kept by a scenario that fails.
pub(crate) struct Setting {
    folder: PathBuf,
}

impl Setting {
    /// A configuration with these carriers, each a name and the lines of its file beyond name and account, all in one route group.
    pub(crate) fn new(carriers: &[(&str, &str)]) -> Self {
        Self::with(carriers, "")
    }

    /// The same with further tables in the main file.
    pub(crate) fn with(carriers: &[(&str, &str)], tables: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("engine-{}-{number}", std::process::id());
        let setting = Self {
            folder: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name),
        };
        fs::create_dir_all(setting.folder.join("carriers")).unwrap();
        let mut tier = String::new();
        for (name, lines) in carriers {
            write!(tier, "\"{name}\", ").unwrap();
            let text = format!(
                "name = \"{name}\"\nsystem_id = \"{name}\"\npassword = \"secret08\"\n{lines}\n"
            );
            setting.write(&format!("carriers/{name}.toml"), &text);
        }
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\ninsecure_loopback = true\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [journal]\ndir = \"data\"\n\
             [[tenant]]\nname = \"tenant\"\n\
             [[caller]]\nname = \"caller\"\ntenant = \"tenant\"\nkey_file = \"key\"\ninbound = true\n\
             categories = [\"otp\", \"alert\", \"transactional\", \"promotional\"]\n\
             [[group]]\nname = \"group\"\ntiers = [[{tier}]]\n\
             [[route]]\nprefix = \"\"\ngroup = \"group\"\n{tables}\n"
        );
        setting.write("key", API_KEY);
        setting.write("hikyaku.toml", &text);
        setting
    }

    /// Makes the next engine listen where this one does.
    pub(crate) fn keep_ports(&self, engine: &EngineProcess) {
        let mut text = fs::read_to_string(self.config()).unwrap();
        for address in [engine.grpc, engine.admin] {
            text = text.replacen("127.0.0.1:0", &address.to_string(), 1);
        }
        self.write("hikyaku.toml", &text);
    }

    /// Adds lines to the table of the journal.
    pub(crate) fn journal(&self, lines: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        let with_lines = text.replacen("[journal]\n", &format!("[journal]\n{lines}\n"), 1);
        self.write("hikyaku.toml", &with_lines);
    }

    /// Adds a tenant, and a caller of the same name who may submit what the first may. Gives its key.
    pub(crate) fn add_tenant(&self, name: &str) -> String {
        let key = format!("{API_KEY}-{name}");
        self.write(&format!("key-{name}"), &key);
        let mut text = fs::read_to_string(self.config()).unwrap();
        write!(
            text,
            "[[tenant]]\nname = \"{name}\"\n\
             [[caller]]\nname = \"{name}\"\ntenant = \"{name}\"\nkey_file = \"key-{name}\"\n\
             categories = [\"otp\", \"alert\", \"transactional\", \"promotional\"]\n"
        )
        .unwrap();
        self.write("hikyaku.toml", &text);
        key
    }

    /// The main file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("hikyaku.toml")
    }

    /// Where the engine keeps what it must not lose.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Everything that its engines have logged.
    fn log_file(&self) -> File {
        let mut options = OpenOptions::new();
        let path = self.folder.join("log.jsonl");
        options.create(true).append(true).open(path).unwrap()
    }

    /// Writes a file of the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }

    /// A command of the binary with this configuration.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hikyaku"));
        command.arg(subcommand).arg("--config").arg(self.config());
        command
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept: {}", self.folder.display());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// What the process has said so far, one JSON object a line.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

/// `hikyaku serve`, running.
pub(crate) struct EngineProcess {
    child: Child,
    log: Arc<Log>,
    /// Where callers connect.
    pub(crate) grpc: SocketAddr,
    /// Where metrics and health are.
    pub(crate) admin: SocketAddr,
}

impl EngineProcess {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(setting: &Setting) -> Self {
        Self::start_unready(setting).ready()
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start_unready(setting: &Setting) -> Self {
        Self::spawn(setting).listening()
    }

    /// Starts it and waits for nothing: until [`EngineProcess::listening`] nobody knows where it is.
    pub(crate) fn spawn(setting: &Setting) -> Self {
        Self::spawn_as(setting.command("serve"), Some(setting.log_file()))
    }

    /// Starts a command of the caller's own and waits until it listens.
    pub(crate) fn start_as(command: Command) -> Self {
        Self::spawn_as(command, None).listening()
    }

    fn spawn_as(mut command: Command, mut log_file: Option<File>) -> Self {
        let mut child = command
            .args(["--log", "json"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(file) = &mut log_file {
                    let _ = writeln!(file, "{line}");
                }
                written.lines.lock().unwrap().push(line);
                written.grown.notify_all();
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Self {
            child,
            log,
            grpc: nowhere,
            admin: nowhere,
        }
    }

    /// Waits until it listens.
    pub(crate) fn listening(mut self) -> Self {
        let listening = self.wait_for_line("listening");
        let address = |door: &str| listening[door].as_str().unwrap().parse().unwrap();
        (self.grpc, self.admin) = (address("grpc"), address("admin"));
        self
    }

    /// Waits until it is ready.
    pub(crate) fn ready(self) -> Self {
        self.wait_until("the engine is ready", || self.get("/readyz").0 == 200);
        self
    }

    /// Where callers connect, as a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A page of the admin address: status and body; 0 when nobody answers.
    pub(crate) fn get(&self, page: &str) -> (u16, String) {
        try_get(self.admin, page).unwrap_or_default()
    }

    /// The value of a series in `/metrics`, such as `hikyaku_live_messages` or `name{label="value"}`; 0 when it is not there.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let value = text.lines().find_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            (name == series).then(|| value.parse().unwrap())
        });
        value.unwrap_or(0.0)
    }

    /// Waits for a condition, looking again and again.
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(
                Instant::now() < deadline,
                "not in {PATIENCE:?}: {what}\n{}",
                self.log()
            );
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Waits for a log line with this message.
    pub(crate) fn wait_for_line(&self, message: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.log.lines.lock().unwrap();
        let mut seen = 0;
        loop {
            for line in &lines[seen..] {
                match serde_json::from_str::<Value>(line) {
                    Ok(line) if line["message"] == message => return line,
                    Ok(_) | Err(_) => {}
                }
            }
            seen = lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "not in {PATIENCE:?}: the log says `{message}`\n{}",
                lines.join("\n")
            );
            lines = self.log.grown.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Everything it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lines.lock().unwrap().join("\n")
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = i32::try_from(self.pid()).ok();
        let pid = pid.and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Sends SIGKILL and waits: what a power switch does to a process, but not to the machine.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end: how, and how long it took from now.
    pub(crate) fn wait(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, began.elapsed());
            }
            assert!(
                began.elapsed() < PATIENCE,
                "still running after {PATIENCE:?}\n{}",
                self.log()
            );
            std::thread::sleep(LOOK_INTERVAL);
        }
    }
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn try_get(address: SocketAddr, page: &str) -> Option<(u16, String)> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(connection, "GET {page} HTTP/1.1\r\nhost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
