//! Files of settings: what they say goes before the options that the user wrote, and their errors are told by line.

use std::ffi::OsString;
use std::path::Path;

use clap::{Command, CommandFactory};
use msp_core::secret::Secret;
use toml::de::{DeTable, DeValue};

use crate::args::Cli;
use crate::exit::{Fail, Failure};

/// The option that names the file.
const OPTION: &str = "--config";

/// The text of a file of settings, which may hold passwords.
pub(crate) fn read(path: &Path) -> Result<Secret<String>, Fail> {
    let text = std::fs::read_to_string(path).map_err(|e| named(path, &e.to_string()))?;
    Ok(Secret::new(text))
}

/// An error about a file of settings.
pub(crate) fn named(path: &Path, why: &str) -> Fail {
    Fail::new(Failure::Usage, format!("{}: {why}", path.display()))
}

/// What is wrong with a text, and in which line; never the line itself, which may hold a password.
pub(crate) fn why(text: &str, error: &toml::de::Error) -> String {
    // A value of a wrong type is quoted, and may be a password.
    let message = match error.message().split_once(", expected") {
        Some((_, wanted)) if error.message().starts_with("invalid") => format!("expected{wanted}"),
        _ => error.message().to_owned(),
    };
    match error.span() {
        Some(span) => at(text, span.start, &message),
        None => message,
    }
}

fn at(text: &str, place: usize, message: &str) -> String {
    let before = text.get(..place).unwrap_or_default();
    format!("line {}: {message}", before.matches('\n').count() + 1)
}

/// The command line `args` with the settings of the file that it names: each as the option of that name, unless the user
/// wrote that option.
///
/// # Errors
/// A file that cannot be read, a key that is no option of the verb, a value that none can have.
pub(crate) fn expand(args: Vec<OsString>) -> Result<Vec<OsString>, Fail> {
    let own = args.iter().position(|a| a == "--").unwrap_or(args.len());
    let own = args.get(..own).unwrap_or_default();
    let (Some(verb), Some(path)) = (own.get(1), file_of(own)) else {
        return Ok(args);
    };
    let cli = Cli::command();
    let verb = cli.get_subcommands().find(|c| verb == c.get_name());
    // A verb without such a file says so itself.
    let Some(verb) = verb.filter(|v| option(v, "config").is_some()) else {
        return Ok(args);
    };
    let path = Path::new(&path);
    let text = read(path)?;
    let text = text.expose();
    let table = DeTable::parse(text).map_err(|e| named(path, &why(text, &e)))?;
    let mut settings = Vec::new();
    for (key, value) in table.get_ref() {
        let name: &str = key.get_ref();
        let fault = |place: usize, why: String| named(path, &at(text, place, &why));
        let unknown = || {
            let why = format!(
                "unknown key '{name}'; the keys are the options of tipring {} without --",
                verb.get_name()
            );
            fault(key.span().start, why)
        };
        let arg = option(verb, name).filter(|_| name != "config");
        let takes_value = arg.ok_or_else(unknown)?.get_action().takes_values();
        if own.iter().any(|a| names(a, name)) {
            continue;
        }
        let wrong = |wanted: &str| fault(value.span().start, format!("{name}: expected {wanted}"));
        match (takes_value, value.get_ref()) {
            (false, DeValue::Boolean(true)) => settings.push(format!("--{name}").into()),
            (false, DeValue::Boolean(false)) => {}
            (false, _) => return Err(wrong("true or false")),
            (true, value) => {
                let value = written(value).ok_or_else(|| wrong("a text or a number"))?;
                settings.push(OsString::from(format!("--{name}={value}")));
            }
        }
    }
    let mut all = args;
    all.splice(2..2, settings);
    Ok(all)
}

/// The file that the user named.
fn file_of(args: &[OsString]) -> Option<OsString> {
    args.iter().enumerate().find_map(|(n, arg)| {
        if arg == OPTION {
            return args.get(n + 1).cloned();
        }
        let (name, value) = arg.to_str()?.split_once('=')?;
        (name == OPTION).then(|| value.into())
    })
}

fn option<'a>(verb: &'a Command, name: &str) -> Option<&'a clap::Arg> {
    verb.get_arguments().find(|a| a.get_long() == Some(name))
}

/// Whether the user wrote the option `name`.
fn names(arg: &OsString, name: &str) -> bool {
    let arg = arg.to_str().and_then(|a| a.strip_prefix("--"));
    arg.is_some_and(|a| a.split('=').next() == Some(name))
}

/// A value as it would be written after an option; several with commas between them.
fn written(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Array(all) => {
            let all = all.iter().map(|v| written(v.get_ref()));
            all.collect::<Option<Vec<_>>>()?.join(",")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str, more: &[&str]) -> Result<Vec<String>, Fail> {
        let name = format!(
            "tipring-settings-{}-{:x}.toml",
            std::process::id(),
            text.len()
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let own = ["tipring", "call", "sip:bob@example.com", "--config"];
        let mut args: Vec<OsString> = own.iter().map(Into::into).collect();
        args.push(path.clone().into());
        args.extend(more.iter().map(OsString::from));
        let all = expand(args);
        std::fs::remove_file(&path).unwrap();
        let text = |a: OsString| a.into_string().unwrap();
        let all: Vec<_> = all?.into_iter().map(text).collect();
        Ok(all[2..all.len() - 3 - more.len()].to_vec())
    }

    #[test]
    fn settings_are_options_that_the_user_may_overrule() {
        let text = "user = \"alice@example.com\"\nanonymous = true\nsrtp-keys-in-clear = false\n\
                    codec = [\"pcma\", \"pcmu\"]\nring-time = 5\n";
        let all = expanded(text, &["--ring-time=7s"]).unwrap();
        let mut all: Vec<_> = all.iter().map(String::as_str).collect();
        all.sort_unstable();
        assert_eq!(
            all,
            [
                "--anonymous",
                "--codec=pcma,pcmu",
                "--user=alice@example.com"
            ]
        );
        assert!(expanded("", &[]).unwrap().is_empty());
    }

    // Shows: a settings file for a call: what is wrong is told with the key, the line and the file, and without secrets
    #[test]
    fn what_is_wrong_with_settings_is_named() {
        for (text, wrong) in [
            ("user = \"a\"\ncolour = 1\n", ["line 2", "colour"]),
            ("config = \"x\"\n", ["line 1", "config"]),
            (
                "\nanonymous = \"canary-1\"\n",
                ["line 2", "anonymous: expected true or false"],
            ),
            (
                "password = { a = \"canary-2\" }\n",
                ["line 1", "password: expected a text"],
            ),
            ("password = canary-3\n", ["line 1", ".toml"]),
            ("user = \"a\"\nuser = \"b\"\n", ["line 2", "duplicate"]),
        ] {
            let fail = expanded(text, &[]).unwrap_err();
            let message = &fail.message;
            assert!(wrong.iter().all(|w| message.contains(w)), "{message}");
            assert!(message.contains(".toml: "), "{message}");
            assert!(
                !message.contains("canary") && !message.contains('\n'),
                "{message}"
            );
        }
    }

    // Shows: damaged settings are read or refused, and what is refused does not show the password | hostile input
    #[test]
    fn damaged_settings_are_read_or_refused() {
        const WHOLE: &str = "user = \"alice@example.com\"\nring-time = 5\npassword = \"canary-7311\"\n\
                             codec = [\"pcma\", 'pcmu']\nanonymous = true # no\n[a.b]\nc = 1979-05-27\n";
        const SPICE: &[u8] = b"\"'=[]{}#,.\\\n\r\0 -_+1aex\x80\xff";
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = move |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % n.max(1) as u64).unwrap()
        };
        let mut read = 0;
        for _ in 0..4_000 {
            let mut bytes = WHOLE.as_bytes().to_vec();
            // Half of them end before the table, which no verb takes.
            if below(2) == 0 {
                bytes.truncate(WHOLE.find("[a").unwrap());
            }
            for _ in 0..=below(3) {
                let at = below(bytes.len());
                match below(3) {
                    0 => bytes.insert(at, SPICE[below(SPICE.len())]),
                    1 => drop(bytes.remove(at)),
                    _ => bytes[at] = SPICE[below(SPICE.len())],
                }
            }
            match expanded(&String::from_utf8_lossy(&bytes), &[]) {
                Ok(all) => {
                    read += 1;
                    assert!(all.iter().all(|a| a.starts_with("--")), "{all:?}");
                }
                Err(fail) => assert!(!fail.message.contains("canary"), "{}", fail.message),
            }
        }
        assert!(read > 100, "{read} were still fine");
    }
}
