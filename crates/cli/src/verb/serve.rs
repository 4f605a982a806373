//! `tipring serve`: a registrar, and calls between its users.

use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use tipring::msp_core::secret::Secret;
use tipring::msp_core::trace::Trace;
use tipring::msp_engine::{Clock, SystemClock};
use tipring::{Algorithm, Credential, Domain, Host, Key, Server};

use crate::args::{PeerArgs, ServeArgs};
use crate::exit::Fail;
use crate::line::GOODBYES;
use crate::listen::SIP_PORT;
use crate::output::{Output, phone_json};
use crate::settings;

/// The file that names the domain and its users.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Office {
    /// The host in the addresses of the users, and the realm of their passwords.
    domain: String,
    /// What users prove their passwords by, the preferred first; SHA-256 and MD5 if nothing is said.
    algorithms: Option<Vec<String>>,
    #[serde(default)]
    user: Vec<User>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    password: String,
}

pub(crate) async fn run(args: &ServeArgs) -> Result<(), Fail> {
    let domain = read(&args.office)?;
    let (host, users) = (domain.host.to_string(), domain.users.len());
    let builder = args
        .line
        .builder(None, SIP_PORT, Trace::OFF, &PeerArgs::default())?;
    let out = Output::new(&args.output, SystemClock.now());
    let server = Server::start(builder, domain).await?;
    let local = server.phone().local_addr();
    let text = format!("serving {users} users of {host} on {local}");
    let fields = json!({ "local": local.to_string(), "domain": host, "users": users });
    out.event(SystemClock.now(), "serving", &text, fields);
    let stop = async {
        stopped().await;
        let calls = server.phone().calls();
        let text = format!("stopping when {calls} calls are over; again to stop at once");
        out.event(
            SystemClock.now(),
            "stopping",
            &text,
            json!({ "calls": calls }),
        );
    };
    let result = tokio::select! {
        result = server.run(stop) => result,
        () = twice() => Ok(()),
    };
    let stats = server.phone().stats();
    out.numbers(SystemClock.now(), "signalling", phone_json(&stats));
    let _silent_peer = tokio::time::timeout(GOODBYES, server.close()).await;
    Ok(result?)
}

/// Ctrl-C, or a polite request of the system.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return drop(tokio::signal::ctrl_c().await);
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// The second such wish.
async fn twice() {
    stopped().await;
    stopped().await;
}

fn read(path: &Path) -> Result<Domain, Fail> {
    let named = |why: String| settings::named(path, &why);
    let text = settings::read(path)?;
    let office: Office =
        toml::from_str(text.expose()).map_err(|e| named(settings::why(text.expose(), &e)))?;
    let host = Host::new(&office.domain)
        .map_err(|_| named(format!("domain: '{}' is no host", office.domain)))?;
    if office.user.is_empty() {
        return Err(named(
            "it names no user: add [[user]] with name and password".into(),
        ));
    }
    let mut users: Vec<Credential> = Vec::new();
    for User { name, password } in office.user {
        if users.iter().any(|u| *u.user == *name) {
            return Err(named(format!("user '{name}' is there twice")));
        }
        users.push(Credential {
            realm: None,
            user: name.into(),
            key: Key::Password(Secret::new(password)),
        });
    }
    let mut domain = Domain::new(host, users);
    if let Some(names) = office.algorithms {
        domain.algorithms = algorithms(&names).map_err(named)?;
    }
    Ok(domain)
}

/// The algorithms of these names.
fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, String> {
    let known = || Algorithm::KNOWN.map(|a| format!("\"{a}\"")).join(", ");
    if names.is_empty() {
        return Err(format!("algorithms: name one or more of {}", known()));
    }
    let one = |name: &String| {
        let unknown = || format!("algorithms: '{name}' is none of {}", known());
        Algorithm::named(name).ok_or_else(unknown)
    };
    names.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str) -> Result<Domain, Fail> {
        let name = format!(
            "tipring-office-{}-{:x}.toml",
            std::process::id(),
            text.len()
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let read = read(&path);
        std::fs::remove_file(&path).unwrap();
        read
    }

    #[test]
    fn an_office_has_a_domain_and_users() {
        let domain =
            reading("domain = \"a.example\"\n[[user]]\nname = \"bob\"\npassword = \"canary-1\"\n")
                .unwrap();
        assert_eq!(
            (domain.host.to_string().as_str(), domain.users.len()),
            ("a.example", 1)
        );
        assert!(!format!("{domain:?}").contains("canary"));
    }

    #[test]
    fn an_office_may_say_by_what_its_users_prove_themselves() {
        let offered = |line: &str| {
            let user = "[[user]]\nname = \"bob\"\npassword = \"builder\"\n";
            reading(&format!("domain = \"a.example\"\n{line}\n{user}")).map(|d| d.algorithms)
        };
        assert_eq!(offered("").unwrap(), [Algorithm::Sha256, Algorithm::Md5]);
        assert_eq!(offered("algorithms = [\"md5\"]").unwrap(), [Algorithm::Md5]);
        for (line, named) in [
            ("algorithms = [\"MD5\", \"SHA-1\"]", "'SHA-1'"),
            ("algorithms = []", "name one or more"),
        ] {
            let fail = offered(line).unwrap_err();
            let told = &fail.message;
            assert!(
                told.contains(named) && told.contains("\"SHA-512-256\""),
                "{told}"
            );
            assert!(told.contains(".toml: algorithms"), "{told}");
        }
    }

    // Shows: a settings file with a fault: one line that names the file, the line and what is wrong
    #[test]
    fn what_is_wrong_with_a_file_is_named_without_its_secrets() {
        for (text, wrong) in [
            ("domain = \"a.example\"\ncolour = 1\n", ["line 2", "colour"]),
            (
                "domain = \"a.example\"\n[[user]]\nname = \"bob\"\npasword = \"canary-2\"\n",
                ["line 4", "pasword"],
            ),
            (
                "domain = \"a.example\"\n[[user]]\nname = \"bob\"\npassword = 4711\n",
                ["line 4", "expected a string"],
            ),
            (
                "domain = \"a b\"\n[[user]]\nname = \"bob\"\npassword = \"canary-3\"\n",
                ["domain", "a b"],
            ),
            ("domain = \"a.example\"\n", ["names no user", "[[user]]"]),
            (
                "domain = \"a.example\"\n[[user]]\nname = \"bob\"\npassword = canary-4\n",
                ["line 4", ".toml"],
            ),
        ] {
            let fail = reading(text).unwrap_err();
            assert!(
                wrong.iter().all(|w| fail.message.contains(w)),
                "{}",
                fail.message
            );
            assert!(
                !fail.message.contains("canary")
                    && !fail.message.contains("4711")
                    && !fail.message.contains('\n'),
                "{}",
                fail.message
            );
        }
        let missing = read(Path::new("/nowhere/office.toml")).unwrap_err();
        assert!(
            missing.message.contains("/nowhere/office.toml"),
            "{}",
            missing.message
        );
    }
}
