//! One call from where it is to its end: terminals, digits, time limits, Ctrl-C, and what is told of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tipring::msp_core::Error as MediaError;
use tipring::msp_core::event::{Cause, EventKind as MediaEvent, FileState};
use tipring::msp_core::media::Direction;
use tipring::msp_core::time::Instant;
use tipring::msp_engine::{Clock, SystemClock};
use tipring::terminals::{FilePlay, FileRecord, PlayOptions, RecordOptions};
use tipring::{Call, CallState, Digit, EndCause, Ended, Event, EventKind, Events, Side};
use tipring_report::Verdict;
use tokio::sync::mpsc;
use tokio::time::{Instant as Deadline, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use crate::args::MediaArgs;
use crate::exit::{Fail, Failure};
use crate::output::{Output, stats_json};
use crate::scratch::Scratch;
use crate::tape::Tape;
use crate::transfer::{Passing, Transfer};

/// A peer that does not answer our goodbye in this time, in which it was sent four times (RFC 3261 section 17.1.2.2), is
/// gone: the user need not wait for what the transaction still hopes for.
const FAREWELL: Duration = Duration::from_secs(4);

/// What happens on a call besides talking.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Hang up when nobody has answered for this long.
    pub(crate) ring_time: Option<Duration>,
    /// Hang up this long after the call was connected.
    pub(crate) duration: Option<Duration>,
    /// Send these once it is connected.
    pub(crate) dtmf: Option<String>,
    /// Hang up when the file is over.
    pub(crate) until_played: bool,
    /// Pass the call on.
    pub(crate) transfer: Option<Transfer>,
    /// Make the calls that the peer asks for.
    pub(crate) follow: bool,
}

impl Plan {
    /// What happens on a call that follows from one with this plan.
    pub(crate) fn of_next(&self) -> Self {
        Self {
            ring_time: self.ring_time,
            duration: self.duration,
            until_played: self.until_played,
            follow: self.follow,
            ..Self::default()
        }
    }
}

/// A media thread that does not let go of a call for so long is stuck.
const RELEASE: Duration = Duration::from_secs(1);

/// How much of a call is judged: half an hour, of which each second is 100 packets and up to 96,000 samples in memory.
const JUDGED: Duration = Duration::from_secs(30 * 60);

/// The terminals of a call that the command line asked for.
#[derive(Default)]
pub(crate) struct Files {
    play: Option<Arc<FilePlay>>,
    record: Option<(Arc<FileRecord>, PathBuf)>,
    /// Where the recording is if nobody wants to keep it.
    scratch: Option<Scratch>,
}

impl Files {
    /// Opens what `args` names before anything is dialled: a file that is none is an error at once. A call that is to be
    /// judged is recorded, if need be to a file that goes with this.
    pub(crate) fn open(
        args: &MediaArgs,
        record: Option<PathBuf>,
        judged: bool,
    ) -> Result<Self, Fail> {
        let play = args
            .play
            .as_ref()
            .map(|p| FilePlay::open(p, PlayOptions::default()))
            .transpose()?;
        let scratch = match &record {
            None if judged => Some(Scratch::new()?),
            _ => None,
        };
        let options = RecordOptions {
            max_duration: scratch.as_ref().map(|_| JUDGED),
            ..RecordOptions::default()
        };
        let path = record.or_else(|| Some(scratch.as_ref()?.folder().join("call.wav")));
        let record = path
            .map(|p| FileRecord::create(&p, options).map(|r| (r, p)))
            .transpose()?;
        Ok(Self {
            play,
            record,
            scratch,
        })
    }

    /// Puts them on the streams of `call`.
    pub(crate) fn select(&self, call: &Call) -> Result<(), Fail> {
        if let Some(play) = &self.play {
            call.select(Direction::Capture, play.clone())?;
        }
        match &self.scratch {
            None => self.select_record(call),
            // Only once it is connected: then its rate is the codec's, and each sample can be judged.
            Some(_) => Ok(()),
        }
    }

    fn connected(&self, call: &Call) -> Result<(), Fail> {
        match &self.scratch {
            Some(_) => self.select_record(call),
            None => Ok(()),
        }
    }

    fn select_record(&self, call: &Call) -> Result<(), Fail> {
        if let Some((record, _)) = &self.record {
            call.select(Direction::Capture, record.clone())?;
            call.select(Direction::Render, record.clone())?;
        }
        Ok(())
    }

    /// Waits until the media thread has let go of the recording: then it has also written down how the call ended.
    async fn released(&self) {
        let connected = || self.record.as_ref().is_some_and(|(r, _)| r.is_connected());
        let released = async {
            while connected() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        // Without it the report tells what is known.
        let _stuck = timeout(RELEASE, released).await;
    }

    fn finish(&self) -> Result<(), Fail> {
        if let Some((record, _)) = &self.record {
            record.finish()?;
        }
        Ok(())
    }

    /// What was recorded of as much of the call as is judged.
    pub(crate) fn tape(&self) -> Result<Tape, Fail> {
        let Some((record, path)) = &self.record else {
            return Ok(Tape::default());
        };
        let rate = record.recorded().length.rate;
        let most = usize::try_from(rate.ticks(JUDGED)).unwrap_or(usize::MAX);
        Tape::read(record, path, most)
    }
}

/// How a call went.
pub(crate) struct Talked {
    /// Whom the call was with.
    pub(crate) peer: String,
    pub(crate) ended: Ended,
    pub(crate) connected: bool,
    /// What went wrong with its sound.
    pub(crate) media_fail: Option<Fail>,
    /// Why it was not passed on as it should have been.
    pub(crate) transfer_fail: Option<Fail>,
}

impl Talked {
    /// What the program has to say about it at last; `asserted` is a verdict that has to hold.
    pub(crate) fn result(self, asserted: Option<&Verdict>) -> Result<(), Fail> {
        let ended = Fail::of_end(&self.ended, self.connected);
        match (self.media_fail, ended.or(self.transfer_fail)) {
            (Some(fail), _) => Err(fail),
            (None, Some(fail)) => Err(fail.about(&self.peer)),
            (None, None) if asserted.is_none_or(Verdict::holds) => Ok(()),
            (None, None) => {
                Err(Fail::new(Failure::Assertion, "the verdict does not hold").about(&self.peer))
            }
        }
    }
}

struct Talk<'a> {
    call: &'a Call,
    plan: &'a Plan,
    files: &'a Files,
    out: &'a Output,
    connected_at: Option<Deadline>,
    hang_up_at: Option<Deadline>,
    leave_at: Option<Deadline>,
    timed_out: bool,
    media_fail: Option<Fail>,
    passing: Passing<'a>,
    wishes: mpsc::UnboundedSender<()>,
}

/// Follows `call` to its end. `events` are those of the call, subscribed to before anything was asked of it. Who follows
/// transfers hears by `wishes` of each that the peer asks for.
pub(crate) async fn talk(
    call: &Call,
    mut events: Events,
    plan: &Plan,
    files: &Files,
    out: &Output,
    wishes: mpsc::UnboundedSender<()>,
) -> Result<Talked, Fail> {
    let mut talk = Talk {
        call,
        plan,
        files,
        out,
        connected_at: None,
        hang_up_at: plan.ring_time.map(|d| Deadline::now() + d),
        leave_at: None,
        timed_out: false,
        media_fail: None,
        passing: Passing::new(plan.transfer.as_ref(), call),
        wishes,
    };
    let mut progress = interval(Duration::from_millis(500));
    progress.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let ended = loop {
        let (hang_up_at, leave_at) = (talk.hang_up_at, talk.leave_at);
        let transfer_at = talk.passing.at();
        tokio::select! {
            event = events.next() => match event {
                Some(event) => if let Some(ended) = talk.take(&event) {
                    break ended;
                },
                None => return Err(Fail::new(Failure::Sip, "the phone was closed")),
            },
            () = sleep_until(hang_up_at.unwrap_or_else(Deadline::now)), if hang_up_at.is_some() => {
                talk.timed_out = talk.connected_at.is_none();
                talk.hang_up()?;
            }
            () = sleep_until(transfer_at.unwrap_or_else(Deadline::now)), if transfer_at.is_some() => {
                talk.passing.begin(out);
            }
            consulted = talk.passing.consulted(), if talk.passing.consults() => {
                if talk.passing.ask(consulted, out) {
                    talk.hang_up()?;
                }
            }
            () = sleep_until(leave_at.unwrap_or_else(Deadline::now)), if leave_at.is_some() => {
                break talk.leave();
            }
            signal = tokio::signal::ctrl_c() => {
                signal.map_err(|e| Fail::new(Failure::Sip, format!("Ctrl-C: {e}")))?;
                talk.hang_up()?;
            }
            _ = progress.tick() => talk.show_progress(),
        }
    };
    out.clear();
    files.released().await;
    if let Err(fail) = files.finish() {
        talk.media_fail.get_or_insert(fail);
    }
    let ended = match talk.timed_out {
        true => Ended {
            cause: EndCause::NoAnswer,
            ..ended
        },
        false => ended,
    };
    Ok(Talked {
        peer: call.peer().to_string(),
        ended,
        connected: talk.connected_at.is_some(),
        media_fail: talk.media_fail,
        transfer_fail: talk.passing.finish(),
    })
}

/// Which end of a call, in the words of the output.
const fn end_of(side: Side) -> &'static str {
    match side {
        Side::Local => "us",
        Side::Remote => "the peer",
    }
}

impl Talk<'_> {
    /// Takes an event; gives the end of the call if it is that.
    fn take(&mut self, event: &Event) -> Option<Ended> {
        match &event.kind {
            EventKind::Ringing => self.out.event(event.at, "ringing", "ringing", json!({})),
            EventKind::EarlyMedia => {
                self.out.event(
                    event.at,
                    "early-media",
                    "sound before the answer",
                    json!({}),
                );
            }
            EventKind::Connected => self.connected(event),
            EventKind::Held(side) => {
                let text = format!("held by {}", end_of(*side));
                self.out
                    .event(event.at, "held", &text, json!({ "by": end_of(*side) }));
            }
            EventKind::Resumed(side) => {
                let text = format!("no longer held by {}", end_of(*side));
                self.out
                    .event(event.at, "resumed", &text, json!({ "by": end_of(*side) }));
            }
            EventKind::UnsentDigit(digit) => {
                let text = format!("digit {digit} did not reach the peer");
                let fields = json!({ "digit": digit.to_string() });
                self.out.event(event.at, "digit-unsent", &text, fields);
                self.media_fail
                    .get_or_insert_with(|| Fail::new(Failure::Media, text));
            }
            EventKind::TransferRequested { to, consulted, .. } => {
                self.transfer_requested(event.at, to, *consulted);
            }
            EventKind::TransferProgress(_)
            | EventKind::Transferred
            | EventKind::TransferFailed(_)
                if self.passing.take(event, self.out) && self.hang_up().is_err() =>
            {
                // A phone that is closed ends its calls itself.
                self.leave_at = Some(Deadline::now());
            }
            EventKind::Ended(ended) => {
                self.tell_end(event.at, ended);
                return Some(ended.clone());
            }
            EventKind::Media(media) => self.media(event, &media.kind, media.error.as_ref()),
            EventKind::Lagged(_) => {
                // Too much happened at once; the state tells whether the end was among it.
                if let CallState::Ended(ended) = self.call.state() {
                    return Some(ended);
                }
            }
            _ => {}
        }
        None
    }

    fn connected(&mut self, event: &Event) {
        let now = Deadline::now();
        self.connected_at = Some(now);
        self.hang_up_at = self.plan.duration.map(|d| now + d);
        self.passing.connected(now, self.files.play.is_some());
        self.out
            .event(event.at, "connected", "connected", json!({}));
        if let Err(fail) = self.files.connected(self.call) {
            self.media_fail.get_or_insert(fail);
        }
        if let Some(digits) = &self.plan.dtmf
            && let Err(error) = self.call.send_digits(digits)
        {
            self.media_fail = Some(error.into());
        }
    }

    /// The peer pressed a key, whichever way it told so.
    fn digit(&self, at: Instant, digit: Digit) {
        let fields = json!({ "digit": digit.to_string() });
        self.out
            .event(at, "digit", &format!("digit {digit}"), fields);
    }

    fn media(&mut self, event: &Event, kind: &MediaEvent, error: Option<&MediaError>) {
        match kind {
            MediaEvent::Digit(digit) => self.digit(event.at, *digit),
            MediaEvent::File(FileState::EndOfFile) => {
                self.out
                    .event(event.at, "played", "the file is over", json!({}));
                if self.passing.played() {
                    self.passing.begin(self.out);
                } else if self.plan.until_played && self.plan.duration.is_none() {
                    self.hang_up_at = Some(Deadline::now());
                }
            }
            MediaEvent::Secured(secured) => {
                let text = if *secured {
                    "media are encrypted"
                } else {
                    "media are NOT encrypted"
                };
                let fields = json!({ "secured": secured });
                self.out.event(event.at, "security", text, fields);
            }
            MediaEvent::StreamActive | MediaEvent::StreamInactive => {}
            MediaEvent::File(FileState::ReadError | FileState::WriteError)
            | MediaEvent::TerminalFail
            | MediaEvent::StreamFail => {
                let text = error.map_or_else(|| "sound failed".to_owned(), ToString::to_string);
                self.out
                    .event(event.at, "media-failed", &text, json!({ "error": text }));
                self.media_fail
                    .get_or_insert_with(|| Fail::new(Failure::Media, text));
            }
            _ => {}
        }
        if let EventKind::Media(media) = &event.kind
            && media.cause == Cause::MediaTimeout
            && media.kind == MediaEvent::StreamInactive
        {
            let text = "no sound comes any more";
            self.out.event(event.at, "media-lost", text, json!({}));
            self.media_fail
                .get_or_insert_with(|| Fail::new(Failure::Media, text));
        }
    }

    /// The peer wants us to call somebody else.
    fn transfer_requested(&self, at: Instant, to: &str, consulted: bool) {
        let follow = self.plan.follow;
        let (what, more) = match follow {
            true => ("following", ""),
            false => ("declined", ": --follow-transfers would make it"),
        };
        let text = format!("the peer asks for a call to {to}, {what}{more}");
        let fields = json!({ "to": to, "consulted": consulted, "followed": follow });
        self.out.event(at, "transfer-requested", &text, fields);
        if !follow || self.wishes.send(()).is_err() {
            // A call that is over has nobody to tell.
            let _over = self.call.decline_transfer();
        }
    }

    fn tell_end(&self, at: Instant, ended: &Ended) {
        let status = ended.status.map(|s| s.code());
        let cause = format!("{:?}", ended.cause);
        let text = match status {
            Some(status) => format!("ended: {cause} ({status})"),
            None => format!("ended: {cause}"),
        };
        let fields = json!({
            "cause": cause,
            "status": status,
            "reason": &*ended.reason,
            "stats": stats_json(&self.call.stats()),
        });
        self.out.event(at, "ended", &text, fields);
    }

    fn hang_up(&mut self) -> Result<(), Fail> {
        self.hang_up_at = None;
        self.leave_at = Some(Deadline::now() + FAREWELL);
        // The end itself comes as an event, so that nothing before it is missed.
        self.call.start_hang_up()?;
        Ok(())
    }

    /// The end of a call whose peer says nothing to it.
    fn leave(&self) -> Ended {
        let ended = Ended {
            cause: match self.connected_at {
                Some(_) => EndCause::LocalHangUp,
                None => EndCause::Cancelled,
            },
            status: None,
            reason: "the peer is silent".into(),
        };
        self.tell_end(SystemClock.now(), &ended);
        ended
    }

    fn show_progress(&self) {
        if let Some(at) = self.connected_at {
            let codec = self.call.codec();
            let name = codec.as_ref().map_or("?", |c| &*c.name);
            self.out.progress(at.elapsed(), name, &self.call.stats());
        }
    }
}
