//! Programs that others wrote and that the tests call: found, named, installed.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::cargo::cargo;
use crate::steps::{Failure, run};

/// Whether what is missing may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Install {
    Do,
    OnlySay,
}

/// One program, the Debian package that brings it, and what it is for.
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    package: &'static str,
    pub(crate) purpose: &'static str,
}

const fn tool(program: &'static str, package: &'static str, purpose: &'static str) -> Tool {
    Tool {
        program,
        package,
        purpose,
    }
}

/// All that `cargo xtask test` calls.
pub(crate) const ALL: &[Tool] = &[
    tool("sipp", "sip-tester", "calls from and to SIPp's scenarios"),
    tool("baresip", "baresip-core", "calls from and to baresip"),
    tool(
        "kamailio",
        "kamailio",
        "registers our phones and passes their calls on",
    ),
    tool(
        "openssl",
        "openssl",
        "makes the certificate that Kamailio shows",
    ),
    tool(
        "linphone-daemon",
        "linphone-cli",
        "calls from and to linphone",
    ),
    tool("tcpdump", "tcpdump", "captures a call beside us"),
    tool("tshark", "tshark", "says what is in a capture"),
    tool("sox", "sox", "codecs and levels that are not ours"),
    tool("ffmpeg", "ffmpeg", "encrypts and decrypts media"),
    tool(
        "ip",
        "iproute2",
        "a network namespace of its own where we are not root",
    ),
    tool("chromium", "chromium", "opens the report"),
];

/// Those of `tools` that are not on this machine.
pub(crate) fn missing(tools: &'static [Tool]) -> Vec<&'static Tool> {
    tools
        .iter()
        .filter(|tool| !is_there(tool.program))
        .collect()
}

/// Sees to it that every program of `tools` is there, or fails with what is missing and how to get it.
pub(crate) fn need(tools: &'static [Tool], install: Install) -> Result<(), Failure> {
    let absent = missing(tools);
    if absent.is_empty() {
        println!(
            "every program is there: {}",
            names(tools.iter().map(|tool| tool.program))
        );
        return Ok(());
    }
    for tool in &absent {
        println!(
            "missing: {} (package {}): {}",
            tool.program, tool.package, tool.purpose
        );
    }
    let packages: Vec<&str> = absent.iter().map(|tool| tool.package).collect();
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if install == Install::OnlySay {
        return Err(Failure::new(format!(
            "programs are missing; on Debian or Ubuntu: {by_hand}"
        )));
    }
    let Some(apt) = apt_get() else {
        return Err(Failure::new(format!(
            "programs are missing, and they cannot be installed here (that takes apt-get, and root or `sudo -n`). \
             On Debian or Ubuntu: {by_hand}. Elsewhere install {} by the system's own means",
            names(absent.iter().map(|tool| tool.program))
        )));
    };
    println!("installing: {}", packages.join(" "));
    run(&mut apt(&["-q", "update"]))?;
    let mut args = vec!["-q", "-y", "install", "--no-install-recommends"];
    args.extend(&packages);
    run(&mut apt(&args))?;
    let still: Vec<&Tool> = missing(tools);
    if still.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "still missing after the installation: {}",
            names(still.iter().map(|tool| tool.program))
        )))
    }
}

/// Sees to it that cargo-deny is there.
pub(crate) fn cargo_deny(install: Install) -> Result<(), Failure> {
    let there = cargo(&["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if there {
        return Ok(());
    }
    println!("missing: cargo-deny: licences, bans and sources of the dependencies");
    match install {
        Install::OnlySay => Err(Failure::new(
            "cargo-deny is missing: cargo install --locked cargo-deny",
        )),
        Install::Do => {
            println!("installing: cargo-deny");
            run(&mut cargo(&[
                "install",
                "--locked",
                "--quiet",
                "cargo-deny",
            ]))
        }
    }
}

fn names<'a>(programs: impl Iterator<Item = &'a str>) -> String {
    programs.collect::<Vec<_>>().join(", ")
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // System programs may stand outside a user's own path.
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(Into::into))
        .any(|folder| folder.join(program).is_file())
}

/// How to call apt-get with the right to install, if there is a way that asks nothing.
fn apt_get() -> Option<impl Fn(&[&str]) -> Command> {
    if !is_there("apt-get") {
        return None;
    }
    let root = succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" = 0"]));
    let sudo = !root
        && Path::new("/usr/bin/sudo").exists()
        && succeeds(Command::new("sudo").args(["-n", "true"]));
    (root || sudo).then_some(move |args: &[&str]| {
        let mut command = if root {
            Command::new("env")
        } else {
            Command::new("sudo")
        };
        if sudo {
            command.args(["-n", "env"]);
        }
        command
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .args(args)
            .stdin(Stdio::null());
        command
    })
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
