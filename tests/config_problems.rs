//! A wrong configuration is refused before anything starts: one line for each problem, with file, line, column and what is allowed.

mod engine_process;

use engine_process::Setting;

/// Nobody listens there: nothing here gets as far as connecting.
const CARRIER: &str = "hosts = [\"127.0.0.1:1\"]\nwindow = 0";

#[test]
fn serve_and_check_name_every_problem_and_end_with_2() {
    let setting = Setting::with(
        &[("alpha", CARRIER)],
        "[limits]\nmessages = 0\n[lanes]\nbulk_weigth = 2",
    );
    for subcommand in ["serve", "check"] {
        let ended = setting.command(subcommand).output().unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{text}");
        let main = setting.config();
        let unknown = format!("{}:25:1: lanes.bulk_weigth: unknown field", main.display());
        assert!(text.starts_with(&unknown), "{text}");
        assert!(ended.stdout.is_empty());
    }

    // An unknown key hides the rest of its file; ranges of all files are reported together.
    let setting = Setting::with(&[("alpha", CARRIER)], "[limits]\nmessages = 0");
    let ended = setting.command("check").output().unwrap();
    let text = String::from_utf8(ended.stderr).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(ended.status.code(), Some(2), "{text}");
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].ends_with("limits.messages = 0: allowed are 1 to 134217727"),
        "{text}"
    );
    assert!(
        lines[1].ends_with("alpha.toml:5:10: window = 0: allowed are 1 to 65536"),
        "{text}"
    );
}

#[test]
fn problems_are_given_as_json_too() {
    let setting = Setting::new(&[("alpha", CARRIER)]);
    let ended = setting.command("check").arg("--json").output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let page: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(page["ok"], false);
    assert_eq!(page["problems"][0]["key"], "window");
    assert_eq!(page["problems"][0]["line"], 5);
}
