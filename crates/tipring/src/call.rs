//! One call as an application sees it: both halves as one object.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use msp_core::event::{EventKind as MediaEvent, FileState};
use msp_core::id::CallKey;
use msp_core::link::Digit;
use msp_core::media::{Direction, MediaKind};
use msp_core::params::CodecSpec;
use msp_core::provider::Stream;
use msp_core::stats::StreamStats;
use msp_core::terminal::Terminal;
use msp_terminals::{FilePlay, FileRecord, PlayOptions, RecordOptions};
use tokio::sync::watch;
use tsp_sip::call::{Caller, Command, EndCause, Ended};
use tsp_sip::wire::StatusCode;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventKind, Events};
use crate::phone::Shared;

/// How far a call is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CallState {
    /// It was dialled, or came in and nobody has reacted yet.
    Dialing,
    /// The called end rings.
    Ringing,
    /// Sound may come before the call is answered.
    EarlyMedia,
    /// Both ends talk.
    Connected,
    /// The call is connected, and one end holds it, or both do.
    Held {
        /// We hold.
        local: bool,
        /// The peer holds.
        remote: bool,
    },
    /// It is over.
    Ended(Ended),
}

pub(crate) struct CallShared {
    pub(crate) key: CallKey,
    pub(crate) peer: Box<str>,
    /// Whom the peer asked us to call, until that is answered.
    pub(crate) referred: Mutex<Option<Box<str>>>,
    /// The call whose place this one takes, until it did.
    pub(crate) replaces: Mutex<Option<Arc<Self>>>,
    /// Who is called.
    pub(crate) called: Box<str>,
    /// Who calls, if it came in.
    pub(crate) caller: Option<Box<Caller>>,
    /// How many more hops a call that came in may take.
    pub(crate) hops: u8,
    /// What dials; nothing once that was done, or if the call came in.
    pub(crate) dial: Mutex<Option<Command>>,
    pub(crate) state: watch::Sender<CallState>,
    pub(crate) media: Arc<dyn msp_core::provider::Call>,
}

/// A handle to one call; cheap to clone. Dropping it ends nothing: a call lasts until somebody hangs up.
#[derive(Clone)]
pub struct Call {
    pub(crate) shared: Arc<CallShared>,
    pub(crate) phone: Arc<Shared>,
}

impl Call {
    /// The key that both halves of the call share, and that its events carry.
    pub fn key(&self) -> CallKey {
        self.shared.key
    }

    /// The other end, as it was dialled or as it called itself.
    pub fn peer(&self) -> &str {
        &self.shared.peer
    }

    /// Who is called: as it was dialled, or as the peer wrote it.
    pub fn called(&self) -> &str {
        &self.shared.called
    }

    /// Who calls, as far as whom the call came from is believed; nothing for a call of ours.
    pub fn caller(&self) -> Option<&Caller> {
        self.shared.caller.as_deref()
    }

    /// How many more hops a call that came in may take, if it is sent on (RFC 3261 section 20.22).
    pub fn hops_left(&self) -> u8 {
        self.shared.hops
    }

    /// How far the call is.
    pub fn state(&self) -> CallState {
        self.shared.state.borrow().clone()
    }

    /// The media half, for everything that this handle has no shortcut for.
    pub fn media(&self) -> &Arc<dyn msp_core::provider::Call> {
        &self.shared.media
    }

    /// The events of this call from now on.
    pub fn events(&self) -> Events {
        self.phone.events(Some(self.key()))
    }

    /// Dials a call that was [prepared](crate::Phone::prepare).
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] if it was dialled or came in, [`ErrorKind::Closed`].
    pub fn place(&self) -> Result<()> {
        let dial = self.take_dial();
        let dial = dial.ok_or_else(|| Error::new(ErrorKind::WrongState, self.peer()))?;
        self.phone.command(dial)
    }

    /// Says that we ring.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub fn ring(&self) -> Result<()> {
        self.phone.command(Command::Ring(self.key()))
    }

    /// Takes an incoming call and waits until it is connected.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`]; and when the call ends before it is connected, how.
    pub async fn answer(&self) -> Result<()> {
        self.start_answer()?;
        self.connected().await
    }

    /// Takes an incoming call without waiting until it is connected.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub fn start_answer(&self) -> Result<()> {
        self.phone.command(Command::Answer(self.key()))
    }

    /// Refuses an incoming call with a SIP status, 486 (busy) for instance.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidSetting`] for a status below 300 or above 699, [`ErrorKind::Closed`].
    pub fn reject(&self, status: u16) -> Result<()> {
        match StatusCode::new(status).filter(|s| s.code() >= 300) {
            Some(status) => self.phone.command(Command::Reject(self.key(), status)),
            None => Err(Error::new(
                ErrorKind::InvalidSetting,
                format!("status {status}"),
            )),
        }
    }

    /// Waits until the call is connected.
    ///
    /// # Errors
    /// When it ends before: how.
    pub async fn connected(&self) -> Result<()> {
        let reached = |s: &CallState| {
            !matches!(
                s,
                CallState::Dialing | CallState::Ringing | CallState::EarlyMedia
            )
        };
        match self.wait(reached).await? {
            CallState::Ended(ended) => Err(self.ended_error(&ended)),
            _ => Ok(()),
        }
    }

    /// Lets the caller of an incoming call hear us before it is taken.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub fn progress(&self) -> Result<()> {
        self.phone.command(Command::Progress(self.key()))
    }

    /// Holds the call: the peer is asked to be silent, and hears nothing, until [`resume`](Self::resume). Waits until it
    /// agreed.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when the peer does not agree or the call is not connected, [`ErrorKind::Ended`] when the call
    /// ends meanwhile, [`ErrorKind::Closed`].
    pub async fn hold(&self) -> Result<()> {
        self.change_hold(Command::Hold(self.key()), true).await
    }

    /// Takes the call up again that we hold, and waits until the peer agreed.
    ///
    /// # Errors
    /// Those of [`hold`](Self::hold).
    pub async fn resume(&self) -> Result<()> {
        self.change_hold(Command::Resume(self.key()), false).await
    }

    async fn change_hold(&self, command: Command, wanted: bool) -> Result<()> {
        let mut events = self.events();
        let held = |s: &CallState| matches!(s, CallState::Held { local: true, .. });
        self.phone.command(command)?;
        loop {
            let state = self.state();
            if let CallState::Ended(ended) = &state {
                return Err(self.ended_error(ended));
            }
            let connected = matches!(state, CallState::Connected | CallState::Held { .. });
            if connected && held(&state) == wanted {
                return Ok(());
            }
            match events.next().await.map(|e| e.kind) {
                None => return Err(Error::new(ErrorKind::Closed, "phone")),
                Some(EventKind::HoldRefused(status)) => {
                    return Err(Error::new(ErrorKind::Refused, self.peer()).with_status(status));
                }
                Some(_) => {}
            }
        }
    }

    /// Waits until the call is over and says how it ended.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the phone was closed before.
    pub async fn ended(&self) -> Result<Ended> {
        match self.wait(|s| matches!(s, CallState::Ended(_))).await? {
            CallState::Ended(ended) => Ok(ended),
            _ => Err(Error::new(ErrorKind::Closed, "phone")),
        }
    }

    /// Ends the call, whatever its state, and waits until it is over.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub async fn hang_up(&self) -> Result<Ended> {
        self.start_hang_up()?;
        self.ended().await
    }

    /// Ends the call, whatever its state, without waiting until it is over.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub fn start_hang_up(&self) -> Result<()> {
        if self.take_dial().is_some() {
            // It was never dialled: nobody but this phone knows of it.
            self.phone.end_call(self.key(), EndCause::LocalHangUp, "");
            return Ok(());
        }
        self.phone.command(Command::HangUp(self.key()))
    }

    /// Presses keys one after another.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidSetting`] for what is no key; [`ErrorKind::Media`] when the peer takes none.
    pub fn send_digits(&self, keys: &str) -> Result<()> {
        let digit = |c| {
            Digit::from_char(c)
                .ok_or_else(|| Error::new(ErrorKind::InvalidSetting, format!("digit '{c}'")))
        };
        let digits = keys.chars().map(digit).collect::<Result<Vec<_>>>()?;
        Ok(self.stream(Direction::Capture)?.send_digits(&digits)?)
    }

    /// Plays a sound file to the peer, from its start to its end.
    ///
    /// # Errors
    /// [`ErrorKind::Media`] when the file cannot be played, [`ErrorKind::Ended`] when the call ends before the file.
    pub async fn play(&self, path: impl AsRef<Path>) -> Result<()> {
        let file = FilePlay::open(path.as_ref(), PlayOptions::default())?;
        let mut events = self.events();
        let stream = self.stream(Direction::Capture)?;
        stream.select(file.clone())?;
        let played = self.played(&file, &mut events).await;
        let unselected = stream.unselect(file.id());
        // A terminal that failed, or whose call is over, is off the stream already.
        played?;
        Ok(unselected?)
    }

    /// Waits until `file` is over.
    async fn played(&self, file: &FilePlay, events: &mut Events) -> Result<()> {
        let mut over = self.shared.state.subscribe();
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = over.wait_for(|s| matches!(s, CallState::Ended(_))) => None,
            };
            let failed = || Error::new(ErrorKind::Media, file.name());
            let (state, error) = match event.map(|e| e.kind) {
                None => return Err(Error::new(ErrorKind::Ended, self.peer())),
                // What was missed may have been the end.
                Some(EventKind::Lagged(_)) => (file.state(), None),
                Some(EventKind::Media(event)) if event.scope.terminal == Some(file.id()) => {
                    match event.kind {
                        MediaEvent::File(state) => (state, event.error),
                        MediaEvent::TerminalFail => (FileState::ReadError, event.error),
                        _ => continue,
                    }
                }
                Some(_) => continue,
            };
            match state {
                FileState::EndOfFile => return Ok(()),
                FileState::ReadError => {
                    return Err(match error {
                        Some(cause) => failed().caused_by(cause),
                        None => failed(),
                    });
                }
                _ => {}
            }
        }
    }

    /// Records the call as WAV from now on: left what is sent, right what is heard. Ends with the call, or
    /// when the recording is finished.
    ///
    /// # Errors
    /// [`ErrorKind::Media`] when the file cannot be made.
    pub fn record(&self, path: impl AsRef<Path>) -> Result<Arc<FileRecord>> {
        let file = FileRecord::create(path.as_ref(), RecordOptions::default())?;
        self.stream(Direction::Capture)?.select(file.clone())?;
        self.stream(Direction::Render)?.select(file.clone())?;
        Ok(file)
    }

    /// Puts a terminal on the stream of a direction.
    ///
    /// # Errors
    /// [`ErrorKind::Media`] when it does not fit or cannot be connected.
    pub fn select(&self, direction: Direction, terminal: Arc<dyn Terminal>) -> Result<()> {
        Ok(self.stream(direction)?.select(terminal)?)
    }

    /// The codec that we send with, once it is agreed.
    pub fn codec(&self) -> Option<CodecSpec> {
        self.stream(Direction::Capture).ok()?.codec()
    }

    /// The numbers of the call's sound.
    pub fn stats(&self) -> StreamStats {
        self.stream(Direction::Render)
            .map(|s| s.stats())
            .unwrap_or_default()
    }

    fn take_dial(&self) -> Option<Command> {
        self.shared
            .dial
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn stream(&self, direction: Direction) -> Result<Arc<dyn Stream>> {
        self.shared
            .media
            .stream(MediaKind::Audio, direction)
            .ok_or_else(|| Error::new(ErrorKind::Ended, self.peer()))
    }

    /// Waits until the call is in a state that counts as `reached`, or over, and gives the state.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the phone was closed before.
    pub async fn reached(&self, reached: impl Fn(&CallState) -> bool) -> Result<CallState> {
        self.wait(|s| reached(s) || matches!(s, CallState::Ended(_)))
            .await
    }

    async fn wait(&self, reached: impl FnMut(&CallState) -> bool) -> Result<CallState> {
        let mut state = self.shared.state.subscribe();
        let found = state.wait_for(reached).await.map(|s| s.clone());
        found.map_err(|_| Error::new(ErrorKind::Closed, "phone"))
    }

    fn ended_error(&self, ended: &Ended) -> Error {
        let kind = match ended.cause {
            EndCause::Refused
            | EndCause::Rejected
            | EndCause::Busy
            | EndCause::Declined
            | EndCause::BadAddress
            | EndCause::Congestion
            | EndCause::Forwarded
            | EndCause::Incompatible
            | EndCause::Blocked => ErrorKind::Refused,
            EndCause::NoAnswer => ErrorKind::NoAnswer,
            EndCause::Unresolvable => ErrorKind::Unresolvable,
            EndCause::Unreachable => ErrorKind::Unreachable,
            EndCause::Media => ErrorKind::Media,
            _ => ErrorKind::Ended,
        };
        let context = match &*ended.reason {
            "" => self.peer().to_owned(),
            reason => format!("{}: {reason}", self.peer()),
        };
        Error::new(kind, context).with_status(ended.status.map(StatusCode::code))
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Call({}, {}, {:?})",
            self.key(),
            self.peer(),
            self.state()
        )
    }
}
