//! The engine's metrics, as a scrape would get them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A page is made from counters in memory: a second means that nobody is at home.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One scrape.
#[derive(Default)]
pub(super) struct Metrics(String);

impl Metrics {
    /// Reads `/metrics` at the admin address; empty when nobody answers.
    pub(super) fn scrape(admin: SocketAddr) -> Self {
        Self(fetch(admin).unwrap_or_default())
    }

    /// A series by its name and labels as they stand on the page; 0 when it is not there.
    pub(super) fn value(&self, series: &str) -> f64 {
        let value = self.0.lines().find_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            (name == series).then(|| value.parse().ok())?
        });
        value.unwrap_or(0.0)
    }
}

fn fetch(admin: SocketAddr) -> std::io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&admin, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    write!(
        connection,
        "GET /metrics HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        let page = "# HELP a_total x\na_total{lane=\"otp\"} 7\na_total_more 3\nb 1.5\n";
        let metrics = Metrics(page.to_owned());
        assert_eq!(metrics.value("a_total{lane=\"otp\"}"), 7.0);
        assert_eq!(metrics.value("b"), 1.5);
        assert_eq!(metrics.value("a_total"), 0.0);
        assert_eq!(Metrics::default().value("b"), 0.0);
    }
}
