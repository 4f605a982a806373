//! The program `tipring`: places and answers SIP calls, plays and records them, and proves what was heard.
#![forbid(unsafe_code)]

mod account;
mod args;
mod chain;
mod evidence;
mod exit;
#[cfg(feature = "faults")]
mod faults;
mod identity;
mod impaired;
mod line;
mod listen;
mod output;
mod scratch;
mod settings;
mod talk;
mod tape;
mod transfer;
mod verb;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Verb};
use exit::{Fail, Failure};

fn main() -> ExitCode {
    let args = match settings::expand(std::env::args_os().collect()) {
        Ok(args) => args,
        Err(fail) => {
            eprintln!("tipring: {fail}");
            return fail.exit_code();
        }
    };
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are no failure; everything else is a matter of usage.
            let _unread = e.print();
            return if e.use_stderr() {
                ExitCode::from(Failure::Usage as u8)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run(cli.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fail) => {
            eprintln!("tipring: {fail}");
            fail.exit_code()
        }
    }
}

fn run(verb: Verb) -> Result<(), Fail> {
    #[cfg(feature = "faults")]
    faults::switch_on()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Fail::new(Failure::Sip, format!("runtime: {e}")))?;
    runtime.block_on(async {
        match verb {
            Verb::Loop(args) => verb::loop_back::run(&args).await,
            Verb::Call(args) => verb::call::run(&args).await,
            Verb::Answer(args) => verb::answer::run(&args).await,
            Verb::Echo(args) => verb::echo::run(&args).await,
            Verb::Serve(args) => verb::serve::run(&args).await,
            Verb::Register(args) => verb::register::run(&args).await,
            Verb::Options(args) => verb::options::run(&args).await,
            Verb::Message(args) => verb::message::run(&args).await,
            Verb::Watch(args) => verb::watch::run(&args).await,
            Verb::Doctor(args) => verb::doctor::run(&args),
            Verb::Profile(args) => {
                verb::profile::run(&args);
                Ok(())
            }
        }
    })
}
