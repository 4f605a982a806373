//! Terminals that go over to the call that takes the place of theirs.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use msp_core::media::{Direction, MediaKind};
use msp_core::provider::Stream;
use msp_core::terminal::Terminal;

use crate::call::CallShared;
use crate::event::{Event, EventKind};
use crate::phone::Shared;

/// A terminal is free a tick after it was taken off its stream; so often it is asked whether it is.
const TRIES: u32 = 25;
const INTERVAL: Duration = Duration::from_millis(20);

/// Takes the terminals of the call whose place `heir` takes, which is about to end, and puts them on `heir` in the background,
/// for that may block. A stream that the application has put terminals on is left as it is.
pub(crate) fn inherit(shared: &Arc<Shared>, heir: &Arc<CallShared>) {
    let old = heir
        .replaces
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(old) = old else { return };
    let mut left = Vec::new();
    for direction in [Direction::Capture, Direction::Render] {
        let stream = |call: &CallShared| call.media.stream(MediaKind::Audio, direction);
        let (Some(from), Some(to)) = (stream(&old), stream(heir)) else {
            continue;
        };
        let terminals = from.terminals();
        if terminals.is_empty() || !to.terminals().is_empty() {
            continue;
        }
        for terminal in &terminals {
            // Its call may be over already: then it is off the stream all the same.
            let _over = from.unselect(terminal.id());
        }
        left.push((to, terminals));
    }
    if left.is_empty() {
        return;
    }
    let (shared, key) = (shared.clone(), heir.key);
    tokio::spawn(async move {
        for (stream, terminals) in left {
            for terminal in terminals {
                if !put(&stream, &terminal).await {
                    shared.bus.emit(&Event {
                        at: Shared::now(),
                        call: Some(key),
                        kind: EventKind::TerminalLost(terminal.name().into()),
                    });
                }
            }
        }
    });
}

/// Whether the terminal is on the stream in the end.
async fn put(stream: &Arc<dyn Stream>, terminal: &Arc<dyn Terminal>) -> bool {
    for _ in 0..TRIES {
        let (stream, terminal) = (stream.clone(), terminal.clone());
        // What is behind a terminal may take its time to open.
        let selected = tokio::task::spawn_blocking(move || stream.select(terminal)).await;
        match selected {
            Ok(Ok(())) => return true,
            Ok(Err(e)) if e.kind() == msp_core::ErrorKind::TerminalInUse => {
                tokio::time::sleep(INTERVAL).await;
            }
            _ => return false,
        }
    }
    false
}
