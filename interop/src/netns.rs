//! A network of our own where we are not root: inside it a capture and raw sockets are allowed.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const INSIDE: &str = "TIPRING_INTEROP_NETNS";

/// Starts this program again in a user and network namespace of its own, if we are not root and
/// the system lets us; otherwise everything stays as it is.
pub(crate) fn enter() {
    if std::env::var_os(INSIDE).is_some() || is_root() || !may_unshare() {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let error = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "sh",
            "-c",
            "ip link set lo up && exec \"$0\" \"$@\"",
        ])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    eprintln!("interop: no network namespace of our own: {error}");
}

/// Whether captures and raw sockets are allowed.
pub(crate) fn may_capture() -> bool {
    is_root()
}

fn is_root() -> bool {
    succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" = 0"]))
}

fn may_unshare() -> bool {
    succeeds(Command::new("unshare").args([
        "--user",
        "--map-root-user",
        "--net",
        "ip",
        "link",
        "set",
        "lo",
        "up",
    ]))
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
