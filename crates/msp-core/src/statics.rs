//! Terminals that are there without being made: microphones, loudspeakers and whatever else can be plugged in (C16).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::{Error, ErrorKind, Result};
use crate::id::TerminalId;
use crate::media::{Direction, MediaKind};
use crate::terminal::Terminal;

/// What happened to a static terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StaticChange {
    /// It was plugged in.
    Available(TerminalId),
    /// It was unplugged: streams that it is on lose it.
    Unavailable(TerminalId),
}

/// The static terminals of a registry, in the order in which they were plugged in, with a default for each kind and direction.
/// Whoever knows of devices plugs them in and out; clones are the same list.
#[derive(Clone, Default)]
pub struct StaticTerminals {
    plugged: Arc<Mutex<Plugged>>,
    /// Held while watchers are told, so that all hear of changes in their order.
    telling: Arc<Mutex<()>>,
}

#[derive(Default)]
struct Plugged {
    terminals: Vec<Arc<dyn Terminal>>,
    defaults: BTreeMap<(MediaKind, bool), TerminalId>,
    watchers: Vec<Weak<Watcher>>,
}

type Watcher = dyn Fn(StaticChange) + Send + Sync;

/// A watch over static terminals, as long as it is kept.
pub struct StaticWatch {
    #[expect(dead_code, reason = "it is held for its watcher to be told")]
    watcher: Arc<Watcher>,
}

impl StaticTerminals {
    /// A terminal is there from now on.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminal`] if it was there already.
    pub fn plug(&self, terminal: Arc<dyn Terminal>) -> Result<()> {
        let _in_order = lock(&self.telling);
        let id = terminal.id();
        {
            let mut plugged = lock(&self.plugged);
            if plugged.get(id).is_some() {
                return Err(Error::new(ErrorKind::InvalidTerminal, terminal.name()));
            }
            plugged.terminals.push(terminal);
        }
        self.tell(StaticChange::Available(id));
        Ok(())
    }

    /// A terminal is gone; if it was a default, the first of those that are left is, until it is plugged in again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminal`] if it was not there.
    pub fn unplug(&self, id: TerminalId) -> Result<Arc<dyn Terminal>> {
        let _in_order = lock(&self.telling);
        let terminal = {
            let mut plugged = lock(&self.plugged);
            let terminal = plugged.get(id).ok_or_else(|| unknown(id))?;
            plugged.terminals.retain(|t| t.id() != id);
            terminal
        };
        self.tell(StaticChange::Unavailable(id));
        Ok(terminal)
    }

    /// Those that are there.
    pub fn list(&self) -> Vec<Arc<dyn Terminal>> {
        lock(&self.plugged).terminals.clone()
    }

    /// The one to use for streams of `kind` and `direction` unless somebody chooses: what
    /// [`set_default`](Self::set_default) said, else the first that serves them.
    pub fn default_for(&self, kind: MediaKind, direction: Direction) -> Option<Arc<dyn Terminal>> {
        let plugged = lock(&self.plugged);
        let chosen = plugged.defaults.get(&way(kind, direction));
        chosen.and_then(|id| plugged.get(*id)).or_else(|| {
            let mut all = plugged.terminals.iter();
            all.find(|t| serves(t, kind, direction)).cloned()
        })
    }

    /// Makes a terminal the default for streams of `kind` and `direction`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminal`] if it is not there, [`ErrorKind::InvalidMediaType`] or
    /// [`ErrorKind::InvalidDirection`] if it does not serve them.
    pub fn set_default(&self, kind: MediaKind, direction: Direction, id: TerminalId) -> Result<()> {
        let mut plugged = lock(&self.plugged);
        let terminal = plugged.get(id).ok_or_else(|| unknown(id))?;
        let refuse = |kind| Err(Error::new(kind, terminal.name()));
        if terminal.kind() != kind {
            return refuse(ErrorKind::InvalidMediaType);
        }
        if !terminal.direction().serves(direction) {
            return refuse(ErrorKind::InvalidDirection);
        }
        plugged.defaults.insert(way(kind, direction), id);
        Ok(())
    }

    /// Has `watcher` told of each change from now on, in their order, until the watch is dropped. It must neither block nor
    /// plug anything itself.
    pub fn watch(&self, watcher: impl Fn(StaticChange) + Send + Sync + 'static) -> StaticWatch {
        let watcher: Arc<Watcher> = Arc::new(watcher);
        let mut plugged = lock(&self.plugged);
        plugged.watchers.retain(|w| w.strong_count() > 0);
        plugged.watchers.push(Arc::downgrade(&watcher));
        StaticWatch { watcher }
    }

    fn tell(&self, change: StaticChange) {
        let watchers = lock(&self.plugged).watchers.clone();
        for watcher in watchers.iter().filter_map(Weak::upgrade) {
            watcher(change);
        }
    }
}

impl Plugged {
    fn get(&self, id: TerminalId) -> Option<Arc<dyn Terminal>> {
        self.terminals.iter().find(|t| t.id() == id).cloned()
    }
}

const fn way(kind: MediaKind, direction: Direction) -> (MediaKind, bool) {
    (kind, matches!(direction, Direction::Capture))
}

fn serves(terminal: &Arc<dyn Terminal>, kind: MediaKind, direction: Direction) -> bool {
    terminal.kind() == kind && terminal.direction().serves(direction)
}

fn unknown(id: TerminalId) -> Error {
    Error::new(ErrorKind::InvalidTerminal, format!("terminal {id}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for StaticTerminals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

impl fmt::Debug for StaticWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticWatch")
    }
}
