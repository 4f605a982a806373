//! How a terminal that is selected on a call as a whole finds its streams (C21).
//!
//! A terminal of one track goes to the first stream of its kind for each direction that it serves. One of several tracks
//! goes track by track: each track, in the terminal's order, to the first stream of its kind and direction that no track
//! before it took; for each stream that is left the terminal is asked for one more track, and a stream for which it makes none
//! stays without. It is all or nothing: when one selection fails, those before it are undone, and so are the tracks that were
//! made. Tracks that found no stream are told, they are no error.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{StreamId, TerminalId};
use crate::media::Direction;
use crate::provider::Stream;
use crate::terminal::Terminal;

/// What a terminal that was selected on a call came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// The streams that were served, in the order in which they were, and by which terminal or track.
    pub selected: Vec<(StreamId, TerminalId)>,
    /// Tracks for which there was no stream.
    pub unused: Vec<TerminalId>,
}

type Match = (Arc<dyn Stream>, Arc<dyn Terminal>);

/// Selects `terminal` on those of `streams` that it serves.
pub(crate) fn select(
    streams: &[Arc<dyn Stream>],
    terminal: &Arc<dyn Terminal>,
) -> Result<Selection> {
    let (mut matches, mut unused) = (Vec::new(), Vec::new());
    let tracks = leaves(terminal);
    if tracks.is_empty() {
        matches = plain(streams, terminal);
    }
    for track in tracks {
        match first_free(streams, &matches, &*track) {
            Some(stream) => matches.push((stream, track)),
            None => unused.push(track.id()),
        }
    }
    let mut made = Vec::new();
    for stream in streams {
        if taken(&matches, stream) {
            continue;
        }
        if let Ok(track) = terminal.add_track(stream.kind(), stream.direction()) {
            made.push(track.id());
            matches.push((stream.clone(), track));
        }
    }
    let result = select_all(&matches);
    if result.is_err() {
        for track in made {
            // It was made a moment ago and is on no stream.
            let _removed = terminal.remove_track(track);
        }
    }
    result?;
    if matches.is_empty() {
        return Err(Error::new(ErrorKind::InvalidDirection, terminal.name()));
    }
    let selected = matches.iter().map(|(s, t)| (s.id(), t.id())).collect();
    Ok(Selection { selected, unused })
}

/// Takes `terminal` or its tracks off all of `streams`.
pub(crate) fn unselect(streams: &[Arc<dyn Stream>], terminal: &Arc<dyn Terminal>) -> Result<()> {
    let mut ids: Vec<_> = leaves(terminal).iter().map(|t| t.id()).collect();
    ids.push(terminal.id());
    let mut found = false;
    for stream in streams {
        for on_it in stream.terminals() {
            if ids.contains(&on_it.id()) {
                stream.unselect(on_it.id())?;
                found = true;
            }
        }
    }
    if found {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::InvalidTerminal, terminal.name()))
    }
}

/// The tracks of a terminal that have none of their own, in their order.
fn leaves(terminal: &Arc<dyn Terminal>) -> Vec<Arc<dyn Terminal>> {
    let mut all = Vec::new();
    for track in terminal.tracks() {
        let own = leaves(&track);
        if own.is_empty() {
            all.push(track);
        } else {
            all.extend(own);
        }
    }
    all
}

fn plain(streams: &[Arc<dyn Stream>], terminal: &Arc<dyn Terminal>) -> Vec<Match> {
    let directions = [Direction::Capture, Direction::Render];
    let serves = directions
        .into_iter()
        .filter(|d| terminal.direction().serves(*d));
    let first = |direction| {
        let mut all = streams.iter();
        let stream = all.find(|s| s.kind() == terminal.kind() && s.direction() == direction)?;
        Some((stream.clone(), terminal.clone()))
    };
    serves.filter_map(first).collect()
}

fn first_free(
    streams: &[Arc<dyn Stream>],
    matches: &[Match],
    track: &dyn Terminal,
) -> Option<Arc<dyn Stream>> {
    let fits = |s: &&Arc<dyn Stream>| {
        s.kind() == track.kind() && track.direction().serves(s.direction()) && !taken(matches, s)
    };
    streams.iter().find(fits).cloned()
}

fn taken(matches: &[Match], stream: &Arc<dyn Stream>) -> bool {
    matches.iter().any(|(s, _)| s.id() == stream.id())
}

fn select_all(matches: &[Match]) -> Result<()> {
    for (n, (stream, terminal)) in matches.iter().enumerate() {
        if let Err(error) = stream.select(terminal.clone()) {
            for (stream, terminal) in matches.iter().take(n) {
                // It may have failed meanwhile, and be off already.
                let _off = stream.unselect(terminal.id());
            }
            return Err(error);
        }
    }
    Ok(())
}
