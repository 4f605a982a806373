//! `tipring answer`: takes calls.

use std::io::BufRead;
use std::rc::Rc;
use std::sync::Arc;

use tipring::msp_engine::{Clock, SystemClock};
use tipring::{Call, NoMedia};
use tokio::sync::{Mutex, mpsc};

use crate::args::AnswerArgs;
use crate::chain::{Chain, conclude, followed};
use crate::evidence::{Evidence, numbered};
use crate::exit::{Fail, Failure};
use crate::listen::{BUSY, SIP_PORT, listen};
use crate::output::Output;
use crate::talk::{Files, Plan};

pub(crate) async fn run(args: &AnswerArgs) -> Result<(), Fail> {
    // A file that cannot be played is told now and not to the first caller.
    Files::open(&args.media, None, false)?;
    let account = args.account.registered()?;
    let evidence = Evidence::new(args.proof.wants_trace());
    let mut builder = args
        .line
        .builder(None, SIP_PORT, evidence.trace(), &args.peer)?;
    builder = args.trust.on(builder);
    if let Some(bind) = args.line.bind.filter(|_| args.no_media) {
        if bind.ip.is_unspecified() {
            let text = "--no-media: peers have to be told an address: name one with --bind";
            return Err(Fail::new(Failure::Usage, text));
        }
        builder = builder.provider(Arc::new(NoMedia::new(bind.ip)));
    }
    let out = Output::new(&args.output, SystemClock.now());
    let keys = match args.auto_answer {
        Some(_) => None,
        None => Some(keyboard()?),
    };
    let session = Rc::new(Session {
        args: args.clone(),
        evidence,
        out,
        keys,
    });
    let one = |call, n| session.clone().one(call, n);
    listen(builder, account, out, args.max_calls, one).await
}

struct Session {
    args: AnswerArgs,
    evidence: Evidence,
    out: Output,
    /// The lines that are typed, for one ringing call after another.
    keys: Option<Mutex<mpsc::UnboundedReceiver<String>>>,
}

impl Session {
    async fn one(self: Rc<Self>, call: Call, n: u32) -> Result<(), Fail> {
        let (args, out) = (&self.args, &self.out);
        let events = call.events();
        let open = |depth| {
            let record = args.media.record.as_ref();
            let record = record.map(|p| followed(&numbered(p, n), depth));
            match args.no_media {
                true => Ok(Files::default()),
                false => Files::open(&args.media, record, args.proof.judges()),
            }
        };
        let files = match open(0).and_then(|f| f.select(&call).map(|()| f)) {
            Ok(files) => files,
            Err(fail) => {
                // The caller need not wait for what cannot be: it is told, then we are.
                call.reject(500)?;
                return Err(fail);
            }
        };
        self.react(&call)?;
        let plan = Plan {
            ring_time: None,
            duration: args.media.duration,
            dtmf: args.media.dtmf.clone(),
            until_played: false,
            transfer: None,
            follow: args.media.follow_transfers,
        };
        let chain = Chain {
            out: *out,
            open: &open,
        };
        let parts = chain.run(call, events, &plan, files).await?;
        conclude(parts, &self.evidence, &args.proof.for_call(n), *out).await
    }

    fn react(self: &Rc<Self>, call: &Call) -> Result<(), Fail> {
        match self.args.auto_answer {
            Some(..200) => call.ring()?,
            Some(200..300) => call.start_answer()?,
            Some(status) => call.reject(status)?,
            None => {
                call.ring()?;
                tokio::task::spawn_local(self.clone().ask(call.clone()));
            }
        }
        Ok(())
    }

    /// Answers or refuses a call as the user types. Calls that ring at once take turns.
    async fn ask(self: Rc<Self>, call: Call) {
        let Some(keys) = &self.keys else { return };
        let mut keys = keys.lock().await;
        // What was typed before it rang was not meant for it.
        while keys.try_recv().is_ok() {}
        eprintln!("{} rings: Enter answers, 'b' refuses", call.peer());
        loop {
            let line = tokio::select! {
                line = keys.recv() => line,
                _ = call.ended() => None,
            };
            let Some(line) = line else { return };
            let done = match line.trim().to_ascii_lowercase().as_str() {
                "" | "a" => call.start_answer(),
                "b" => call.reject(BUSY),
                _ => continue,
            };
            // A phone that is closed has told so itself.
            let _closed = done;
            return;
        }
    }
}

/// The lines that are typed. The thread ends with the input or the program.
fn keyboard() -> Result<Mutex<mpsc::UnboundedReceiver<String>>, Fail> {
    let (lines, typed) = mpsc::unbounded_channel();
    std::thread::Builder::new()
        .name("keyboard".into())
        .spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if lines.send(line).is_err() {
                    return;
                }
            }
        })
        .map_err(|e| Fail::new(Failure::Usage, format!("keyboard: {e}")))?;
    Ok(Mutex::new(typed))
}
