//! A call, and those that follow from it: each is made because the peer of the one before asked for it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use serde_json::json;
use tipring::msp_core::id::CallKey;
use tipring::msp_engine::{Clock, SystemClock};
use tipring::{Call, CallState, Events};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::args::ProofArgs;
use crate::evidence::Evidence;
use crate::exit::Fail;
use crate::output::Output;
use crate::talk::{Files, Plan, Talked, talk};

/// A peer that passed us on and knows that it worked hangs up; one that does not in this time is hung up on.
const GRACE: Duration = Duration::from_secs(2);

/// One call that is over.
pub(crate) struct Part {
    pub(crate) talked: Talked,
    pub(crate) key: CallKey,
    pub(crate) files: Files,
    /// How many calls were before it.
    pub(crate) depth: u32,
}

/// What is the same for all calls of a chain.
pub(crate) struct Chain<'a> {
    pub(crate) out: Output,
    /// Opens the terminals of a call that so many others were before.
    pub(crate) open: &'a dyn Fn(u32) -> Result<Files, Fail>,
}

impl Chain<'_> {
    /// Follows `call` and those that its peers ask for to their ends; the first is `call` itself.
    pub(crate) async fn run(
        &self,
        call: Call,
        events: Events,
        plan: &Plan,
        files: Files,
    ) -> Result<Vec<Part>, Fail> {
        self.link(call, events, plan, files, 0).await
    }

    fn link<'b>(
        &'b self,
        call: Call,
        events: Events,
        plan: &'b Plan,
        files: Files,
        depth: u32,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Part>, Fail>> + 'b>> {
        Box::pin(async move {
            let out = match depth {
                0 => self.out,
                _ => self.out.of_followed(),
            };
            let (wishes, mut wished) = mpsc::unbounded_channel();
            let talking = talk(&call, events, plan, &files, &out, wishes);
            let following = async {
                let mut parts = Vec::new();
                while let Some(()) = wished.recv().await {
                    parts.extend(self.follow(&call, plan, depth + 1).await?);
                }
                Ok::<_, Fail>(parts)
            };
            let (talked, parts) = tokio::join!(talking, following);
            let key = call.key();
            let part = Part {
                talked: talked?,
                key,
                files,
                depth,
            };
            let mut all = vec![part];
            all.extend(parts?);
            Ok(all)
        })
    }

    /// Makes the call that the peer of `old` asked for, and ends `old` once it is connected.
    async fn follow(&self, old: &Call, plan: &Plan, depth: u32) -> Result<Vec<Part>, Fail> {
        if matches!(old.state(), CallState::Ended(_)) {
            return Ok(Vec::new());
        }
        let files = match (self.open)(depth) {
            Ok(files) => files,
            Err(fail) => {
                old.decline_transfer()?;
                return Err(fail);
            }
        };
        let call = old.follow_transfer()?;
        let events = call.events();
        files.select(&call)?;
        let text = format!("calling {}", call.peer());
        let fields = json!({ "to": call.peer() });
        let out = self.out.of_followed();
        out.event(SystemClock.now(), "calling", &text, fields);
        let plan = plan.of_next();
        let leaving = async {
            if call.connected().await.is_ok() {
                sleep(GRACE).await;
                // It is over already as a rule.
                let _over = old.start_hang_up();
            }
        };
        let next = self.link(call.clone(), events, &plan, files, depth);
        tokio::join!(next, leaving).0
    }
}

/// Judges each call, writes what `proof` asks for, and gives the first failure of all.
pub(crate) async fn conclude(
    parts: Vec<Part>,
    evidence: &Evidence,
    proof: &ProofArgs,
    out: Output,
) -> Result<(), Fail> {
    let mut result = Ok(());
    for part in parts {
        let (files, out) = match part.depth {
            0 => (proof.clone(), out),
            depth => (proof.of_followed(depth), out.of_followed()),
        };
        let verdict = evidence.conclude(files, part.key, part.files, out).await?;
        let verdict = verdict.as_ref().filter(|_| proof.assert);
        let told = part.talked.result(verdict);
        result = result.and(told);
    }
    result
}

/// `name-followed.ext` for a call that one was before, `name-followed-followed.ext` for the one after it.
pub(crate) fn followed(path: &Path, depth: u32) -> PathBuf {
    (0..depth).fold(path.to_owned(), |path, _| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = match path.extension() {
            Some(ext) => format!("{stem}-followed.{}", ext.to_string_lossy()),
            None => format!("{stem}-followed"),
        };
        path.with_file_name(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_follow_have_files_of_their_own() {
        let named = |path: &str, depth| followed(Path::new(path), depth);
        assert_eq!(named("a/b.wav", 0), Path::new("a/b.wav"));
        assert_eq!(named("a/b.wav", 1), Path::new("a/b-followed.wav"));
        assert_eq!(named("b", 2), Path::new("b-followed-followed"));
    }
}
