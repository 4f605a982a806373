//! The account that the user names.

use std::fs;

use msp_core::secret::Secret;
use tipring::{Account, Credential, Key, Uri, target_uri};

use crate::args::AccountArgs;
use crate::exit::{Fail, Failure};

/// Edge proxies of an account.
const MOST_EDGES: usize = 4;

/// Where the password is, if it is neither on the command line nor in a file.
const VARIABLE: &str = "TIPRING_PASSWORD";

impl AccountArgs {
    /// The account, if the user named one; its domain is that of `peer` if the name has none.
    pub(crate) fn account(&self, peer: &str) -> Result<Option<Account>, Fail> {
        let Some(user) = &self.user else {
            let named = [
                ("--password", self.password.is_some()),
                ("--password-file", self.password_file.is_some()),
                ("--proxy", self.proxy.is_some()),
                ("--edge", !self.edges.is_empty()),
                ("--instance", self.instance.is_some()),
            ];
            return match named.iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(usage(format!("{name}: name the user too, with --user"))),
                None => Ok(None),
            };
        };
        let address = match user.contains('@') {
            true => user.clone(),
            false => format!("{user}@{}", host_of(peer)),
        };
        self.account_of(&address).map(Some)
    }

    /// The account to be reached as, if the user named one: its domain has to be named too.
    pub(crate) fn registered(&self) -> Result<Option<Account>, Fail> {
        match &self.user {
            Some(user) if !user.contains('@') => Err(usage(format!(
                "--user {user}: name the domain too, for instance {user}@example.com"
            ))),
            Some(user) => self.account_of(user).map(Some),
            None => self.account(""),
        }
    }

    /// The account of `address`.
    pub(crate) fn account_of(&self, address: &str) -> Result<Account, Fail> {
        let wrong = || usage(format!("'{address}' is no address like alice@example.com"));
        let mut account = Account::new(uri(address).ok_or_else(wrong)?).map_err(|_| wrong())?;
        if let Some(proxy) = &self.proxy {
            let wrong = || usage(format!("--proxy: '{proxy}' is no host"));
            account = account
                .proxy(uri(proxy).ok_or_else(wrong)?)
                .map_err(|_| wrong())?;
        }
        if self.edges.len() > MOST_EDGES {
            return Err(usage(format!("--edge: there are at most {MOST_EDGES}")));
        }
        for edge in &self.edges {
            let edge = uri(edge)
                .filter(Uri::is_sip)
                .ok_or_else(|| usage(format!("--edge: '{edge}' is no host")))?;
            account.registering.edges.push(edge);
        }
        if let Some(instance) = &self.instance {
            let fits = |(n, byte): (usize, u8)| match n {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            };
            if instance.len() != 36 || !instance.bytes().enumerate().all(fits) {
                return Err(usage(format!("--instance: '{instance}' is no UUID")));
            }
            account.registering.instance = Some(format!("urn:uuid:{instance}").into());
        }
        let Some(password) = self.password()? else {
            return Ok(account);
        };
        let named = self.user.as_deref().filter(|u| !u.contains('@'));
        let user = named.map(str::to_owned);
        let user = user.or_else(|| account.aor.user().map(|u| u.into_owned()));
        Ok(account.credential(Credential {
            realm: None,
            user: user.unwrap_or_default().into(),
            key: Key::Password(password),
        }))
    }

    fn password(&self) -> Result<Option<Secret<String>>, Fail> {
        if let Some(password) = &self.password {
            return Ok(Some(password.clone()));
        }
        let Some(file) = &self.password_file else {
            return Ok(std::env::var(VARIABLE).ok().map(Secret::new));
        };
        let named = |why: &dyn std::fmt::Display| {
            usage(format!("--password-file {}: {why}", file.display()))
        };
        let text = Secret::new(fs::read_to_string(file).map_err(|e| named(&e))?);
        match text.expose().lines().next() {
            Some(line) if !line.is_empty() => Ok(Some(Secret::new(line.to_owned()))),
            _ => Err(named(&"its first line is empty")),
        }
    }
}

/// What people write when they mean a SIP URI.
pub(crate) fn uri(text: &str) -> Option<Uri> {
    target_uri(text).ok()
}

/// The host in what the user wrote for a peer.
fn host_of(peer: &str) -> String {
    let host = uri(peer).and_then(|u| u.raw_host().map(str::to_owned));
    host.unwrap_or_default()
}

fn usage(message: String) -> Fail {
    Fail::new(Failure::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str, peer: &str) -> AccountArgs {
        let _ = peer;
        AccountArgs {
            user: Some(user.into()),
            ..AccountArgs::default()
        }
    }

    #[test]
    fn a_name_without_a_domain_is_one_of_the_peers() {
        for (user, peer, aor) in [
            ("alice", "bob@example.com:5070", "sip:alice@example.com"),
            ("alice", "sip:[2001:db8::1]:5070", "sip:alice@[2001:db8::1]"),
            ("alice@a.example", "bob@b.example", "sip:alice@a.example"),
        ] {
            let account = of(user, peer).account(peer).unwrap().unwrap();
            assert_eq!(account.aor.as_str(), aor);
        }
        assert!(of("a b", "x").account("x").is_err());
    }

    #[test]
    fn an_option_without_its_user_is_named() {
        let args = AccountArgs {
            proxy: Some("p".into()),
            ..AccountArgs::default()
        };
        let fail = args.account("x").unwrap_err();
        assert!(fail.message.contains("--proxy") && fail.message.contains("--user"));
        assert!(AccountArgs::default().account("x").unwrap().is_none());
    }

    #[test]
    fn edges_and_the_device_are_those_of_the_account() {
        let uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        let args = |edges: &[&str], instance: &str| AccountArgs {
            edges: edges.iter().map(|e| (*e).to_owned()).collect(),
            instance: Some(instance.into()),
            ..of("alice@a.example", "")
        };
        let account = args(&["e1.example", "e2.example:5070"], uuid).registered();
        let registering = account.unwrap().unwrap().registering;
        let edges: Vec<_> = registering.edges.iter().map(Uri::as_str).collect();
        assert_eq!(edges, ["sip:e1.example", "sip:e2.example:5070"]);
        let urn = format!("urn:uuid:{uuid}");
        assert_eq!(registering.instance.as_deref(), Some(&*urn));
        for (edges, instance, named) in [
            (&["e"; 5][..], uuid, "--edge: there are at most 4"),
            (&["a b"][..], uuid, "--edge: 'a b'"),
            (&["e"][..], "me", "--instance: 'me'"),
            (&["e"][..], &uuid.replace('-', ">"), "--instance: "),
        ] {
            let fail = args(edges, instance).registered().unwrap_err();
            assert!(fail.message.contains(named), "{}", fail.message);
        }
    }

    #[test]
    fn who_wants_to_be_reached_names_the_domain() {
        let account = of("alice@a.example", "").registered().unwrap();
        assert_eq!(account.unwrap().aor.as_str(), "sip:alice@a.example");
        let fail = of("alice", "").registered().unwrap_err();
        assert!(fail.message.contains("alice@example.com"));
        assert!(AccountArgs::default().registered().unwrap().is_none());
    }

    #[test]
    fn the_password_is_not_shown() {
        let args = AccountArgs {
            password: Some(Secret::new("canary-7311".into())),
            ..of("alice", "")
        };
        let account = args.account("b@example.com").unwrap();
        assert_eq!(account.as_ref().unwrap().credentials.len(), 1);
        assert!(!format!("{args:?} {account:?}").contains("canary-7311"));
    }
}
