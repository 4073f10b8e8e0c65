//! `hikyaku check`: says whether a configuration can be started, without starting it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use message::Slug;
use serde_json::{Value, json};

use crate::cli::put;
use crate::config::effective::{Caller, Carrier, Config, Transport};
use crate::config::{self, Problem, Problems};
use crate::plan::Plan;

const EXAMPLES: &str = "\
Examples:
  hikyaku check --config config/hikyaku.toml
  hikyaku check --config /etc/hikyaku/hikyaku.toml --json | jq .carriers

Ends with 0 when it can be started, else with 2 and one line for each problem:
file:line:column: key = value: what is allowed.";

/// Check a configuration
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The main file of the configuration
    #[arg(long, value_name = "FILE", default_value = "config/hikyaku.toml")]
    config: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let (verdict, page) = match (checked(&args.config), args.json) {
        (Ok(config), true) => (ExitCode::SUCCESS, format!("{:#}\n", as_json(&config))),
        (Ok(config), false) => (ExitCode::SUCCESS, as_text(&config)),
        (Err(problems), true) => {
            let problems: Vec<_> = problems.iter().map(problem_as_json).collect();
            let page = json!({ "ok": false, "problems": problems });
            (ExitCode::from(2), format!("{page:#}\n"))
        }
        (Err(problems), false) => {
            eprintln!("{}", Problems(problems));
            (ExitCode::from(2), String::new())
        }
    };
    put(&page);
    verdict
}

/// Everything that `serve` would find wrong before it opens a socket.
fn checked(path: &Path) -> Result<Config, Vec<Problem>> {
    let config = config::load(path).map_err(|problems| problems.0)?;
    let mut problems = Vec::new();
    if let Err(error) = Plan::new(&config) {
        problems.push(Problem::of_file(path, error.to_string()));
    }
    if let Err(error) = try_directory(&config.journal.dir) {
        let dir = config.journal.dir.display();
        let what = format!("journal.dir: {dir} cannot be written: {error}");
        problems.push(Problem::of_file(path, what));
    }
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

/// Whether files can be made in a directory, or in the nearest one above it that is there already.
fn try_directory(dir: &Path) -> io::Result<()> {
    let mut there = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    while !there.exists() {
        there = match there.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            Some(_) | None => Path::new("."),
        };
    }
    let probe = there.join(format!(".hikyaku-check-{}", std::process::id()));
    File::create_new(&probe)?;
    fs::remove_file(&probe)
}

fn as_json(config: &Config) -> Value {
    let carriers = config.carriers.iter().map(carrier_as_json);
    let callers = config.callers.iter().map(caller_as_json);
    let routes = config
        .routes
        .iter()
        .map(|route| json!({ "prefix": route.prefix, "group": route.group.as_str() }));
    json!({
        "ok": true,
        "version": version(config),
        "listen": config.server.listen.to_string(),
        "tls": config.server.transport != Transport::PlainLoopback,
        "admin": config.admin_listen.to_string(),
        "data": config.journal.dir,
        "partitions": config.journal.partitions,
        "carriers": carriers.collect::<Vec<_>>(),
        "callers": callers.collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
    })
}

fn carrier_as_json(carrier: &Carrier) -> Value {
    json!({
        "name": carrier.name.as_str(),
        "hosts": carrier.hosts,
        "sessions": carrier.sessions,
        "window": carrier.window,
        "contract_per_second": carrier.contract_per_second,
        "tls": carrier.tls.is_some(),
    })
}

fn caller_as_json(caller: &Caller) -> Value {
    json!({
        "name": caller.name.as_str(),
        "tenant": caller.tenant.as_str(),
        "categories": category_names(caller),
        "inbound": caller.inbound,
    })
}

fn category_names(caller: &Caller) -> Vec<&'static str> {
    let categories = caller.categories.iter();
    categories.map(|category| category.name()).collect()
}

fn problem_as_json(problem: &Problem) -> Value {
    json!({
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "value": problem.value,
        "what": problem.what,
    })
}

fn as_text(config: &Config) -> String {
    let protection = match config.server.transport {
        Transport::PlainLoopback => "plain text, this machine only",
        Transport::Tls(_) => "TLS",
    };
    let mut text = format!(
        "The configuration can be started, version {}.\n\n",
        version(config)
    );
    let mut line = |left: &str, right: String| text += &format!("  {left:<22}{right}\n");
    line(
        "callers connect to",
        format!("{} ({protection})", config.server.listen),
    );
    line(
        "metrics and health",
        format!("http://{}", config.admin_listen),
    );
    let journal = &config.journal;
    line(
        "data directory",
        format!(
            "{} ({} partitions)",
            journal.dir.display(),
            journal.partitions
        ),
    );
    text += "\nCarriers\n";
    for carrier in &config.carriers {
        text += &format!(
            "  {:<22}{}\n",
            carrier.name.as_str(),
            carrier_as_text(carrier)
        );
    }
    text += "\nCallers\n";
    for caller in &config.callers {
        let inbound = if caller.inbound {
            "; reads inbound"
        } else {
            ""
        };
        let categories = category_names(caller).join(", ");
        let name = caller.name.as_str();
        text += &format!(
            "  {name:<22}tenant {}; {categories}{inbound}\n",
            caller.tenant
        );
    }
    text += "\nRoutes\n";
    for route in &config.routes {
        let prefix = match route.prefix.as_str() {
            "" => "every other number",
            prefix => prefix,
        };
        let tiers = tiers_as_text(config, &route.group);
        text += &format!("  {prefix:<22}{}: {tiers}\n", route.group);
    }
    text
}

fn carrier_as_text(carrier: &Carrier) -> String {
    let pace = match carrier.contract_per_second {
        Some(contract) => format!("{contract} segments/s"),
        None => "unlimited".to_owned(),
    };
    let protection = if carrier.tls.is_some() {
        "TLS"
    } else {
        "plain TCP"
    };
    format!(
        "{pace}; sessions: {}, each with a window of {}; {protection} to {}",
        carrier.sessions,
        carrier.window,
        carrier.hosts.join(", "),
    )
}

fn tiers_as_text(config: &Config, group: &Slug) -> String {
    let groups = config.groups.iter().filter(|known| known.name == *group);
    let tiers = groups.flat_map(|group| &group.tiers).map(|tier| {
        let carriers: Vec<_> = tier.iter().map(Slug::as_str).collect();
        carriers.join(" + ")
    });
    tiers.collect::<Vec<_>>().join(", then ")
}

fn version(config: &Config) -> String {
    format!("{:016x}", config.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_need_not_be_there_but_one_above_it_must_be_writable() {
        let scratch = std::env::temp_dir().join(format!("hikyaku-check-{}", std::process::id()));
        fs::create_dir_all(&scratch).unwrap();
        assert!(try_directory(&scratch.join("not/there/yet")).is_ok());
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
        fs::write(scratch.join("file"), "").unwrap();
        assert!(try_directory(&scratch.join("file/data")).is_err());
        fs::remove_dir_all(&scratch).unwrap();
    }
}
