//! When a stream flows: one pure rule, and the events that follow from it.
//!
//! A stream flows if it is wanted, its transport is ready and allows the direction, media have not timed
//! out, and a terminal is selected. TAPI's sources disagree about whether an empty stream may be started:
//! here the wish is kept and takes effect when a terminal comes.

use crate::event::Cause;

/// What the application wants of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Desired {
    /// It shall flow as soon as it can: so a new stream begins.
    #[default]
    Run,
    /// Keep everything ready but let nothing flow.
    Pause,
    /// Nothing flows until it is started again.
    Stop,
}

/// How far the network side of a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum TransportState {
    /// Nothing was prepared.
    #[default]
    None,
    /// Ports are open, nothing is agreed.
    Configured,
    /// Agreed and usable.
    Ready,
    /// Released; it will not come back.
    Closed,
}

/// Everything that decides whether a stream flows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FlowState {
    /// What the application wants.
    pub desired: Desired,
    /// How far the network side is.
    pub transport: TransportState,
    /// Whether the agreement lets media of this direction through.
    pub permitted: bool,
    /// No media came for too long (only of received streams).
    pub timed_out: bool,
    /// How many terminals are selected.
    pub terminals: u32,
}

/// Something that may change whether a stream flows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FlowInput {
    /// The application wants this.
    Desire(Desired),
    /// A terminal was selected.
    TerminalSelected,
    /// A terminal was unselected.
    TerminalUnselected,
    /// A terminal broke and is no longer there.
    TerminalFailed,
    /// The network side got this far, by an act of the local or the remote end.
    Transport(TransportState, Cause),
    /// The agreement lets media of this direction through, or no longer.
    Permit(bool, Cause),
    /// No media came for too long.
    MediaTimeout,
    /// Media came again.
    MediaRecovered,
}

/// How the flow of a stream changed, and by whose doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FlowChange {
    /// It began to flow.
    Active(Cause),
    /// It ceased to flow.
    Inactive(Cause),
}

impl FlowState {
    /// Whether a stream in this state flows. The whole rule.
    pub fn flows(self) -> bool {
        self.desired == Desired::Run
            && self.transport == TransportState::Ready
            && self.permitted
            && !self.timed_out
            && self.terminals > 0
    }

    /// The state after `input`, and the change of flow if there is one, with the cause of this input.
    #[must_use]
    pub fn after(self, input: FlowInput) -> (Self, Option<FlowChange>) {
        let mut next = self;
        let cause = match input {
            FlowInput::Desire(desired) => {
                next.desired = desired;
                Cause::LocalRequest
            }
            FlowInput::TerminalSelected => {
                next.terminals = self.terminals.saturating_add(1);
                Cause::LocalRequest
            }
            FlowInput::TerminalUnselected => {
                next.terminals = self.terminals.saturating_sub(1);
                Cause::LocalRequest
            }
            FlowInput::TerminalFailed => {
                next.terminals = self.terminals.saturating_sub(1);
                Cause::BadDevice
            }
            FlowInput::Transport(transport, cause) => {
                // Closed is the end: a late message cannot open it again.
                if self.transport != TransportState::Closed {
                    next.transport = transport;
                }
                cause
            }
            FlowInput::Permit(permitted, cause) => {
                next.permitted = permitted;
                cause
            }
            FlowInput::MediaTimeout => {
                next.timed_out = true;
                Cause::MediaTimeout
            }
            FlowInput::MediaRecovered => {
                next.timed_out = false;
                Cause::MediaRecovered
            }
        };
        let change = match (self.flows(), next.flows()) {
            (false, true) => Some(FlowChange::Active(cause)),
            (true, false) => Some(FlowChange::Inactive(cause)),
            _ => None,
        };
        (next, change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cause() -> impl Strategy<Value = Cause> {
        prop_oneof![
            Just(Cause::LocalRequest),
            Just(Cause::RemoteRequest),
            Just(Cause::ConnectFail)
        ]
    }

    fn input() -> impl Strategy<Value = FlowInput> {
        use FlowInput::*;
        use TransportState as T;
        prop_oneof![
            prop_oneof![
                Just(Desired::Run),
                Just(Desired::Pause),
                Just(Desired::Stop)
            ]
            .prop_map(Desire),
            Just(TerminalSelected),
            Just(TerminalUnselected),
            Just(TerminalFailed),
            // Closed is drawn rarely, so that long runs do not end at once.
            (
                prop_oneof![
                    5 => Just(T::None),
                    10 => Just(T::Configured),
                    20 => Just(T::Ready),
                    1 => Just(T::Closed)
                ],
                cause()
            )
                .prop_map(|(t, c)| Transport(t, c)),
            (any::<bool>(), cause()).prop_map(|(p, c)| Permit(p, c)),
            Just(MediaTimeout),
            Just(MediaRecovered),
        ]
    }

    /// The cause that an input must be reported with, told apart from the product's own mapping.
    fn expected(input: FlowInput) -> Cause {
        match input {
            FlowInput::Transport(_, c) | FlowInput::Permit(_, c) => c,
            FlowInput::MediaTimeout => Cause::MediaTimeout,
            FlowInput::MediaRecovered => Cause::MediaRecovered,
            FlowInput::TerminalFailed => Cause::BadDevice,
            FlowInput::Desire(_) | FlowInput::TerminalSelected | FlowInput::TerminalUnselected => {
                Cause::LocalRequest
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// C07, C08: Active and Inactive alternate, beginning with Active, each with the cause of its input,
        /// and what was last reported is always what the rule says.
        #[test]
        fn active_and_inactive_alternate_with_their_causes(inputs in prop::collection::vec(input(), 0..200)) {
            let mut state = FlowState::default();
            let mut active = false;
            let mut closed = false;
            for input in inputs {
                let (next, change) = state.after(input);
                match change {
                    Some(FlowChange::Active(c)) => {
                        prop_assert!(!active && !closed);
                        prop_assert_eq!(c, expected(input));
                        active = true;
                    }
                    Some(FlowChange::Inactive(c)) => {
                        prop_assert!(active);
                        prop_assert_eq!(c, expected(input));
                        active = false;
                    }
                    None => {}
                }
                state = next;
                closed |= matches!(input, FlowInput::Transport(TransportState::Closed, _));
                prop_assert_eq!(active, state.flows());
            }
        }
    }

    fn ready() -> FlowState {
        FlowState {
            transport: TransportState::Ready,
            permitted: true,
            ..FlowState::default()
        }
    }

    #[test]
    fn c07_flows_by_itself_whichever_comes_last() {
        let (state, change) = ready().after(FlowInput::TerminalSelected);
        assert!(state.flows());
        assert_eq!(change, Some(FlowChange::Active(Cause::LocalRequest)));

        let waiting = FlowState {
            terminals: 1,
            permitted: true,
            ..FlowState::default()
        };
        let input = FlowInput::Transport(TransportState::Ready, Cause::RemoteRequest);
        assert_eq!(
            waiting.after(input).1,
            Some(FlowChange::Active(Cause::RemoteRequest))
        );
    }

    #[test]
    fn c09_the_wish_survives_having_no_terminal() {
        let (stopped, _) = ready().after(FlowInput::Desire(Desired::Stop));
        let (stopped, change) = stopped.after(FlowInput::TerminalSelected);
        assert_eq!(change, None);
        let (stopped, _) = stopped.after(FlowInput::TerminalUnselected);
        let (started, change) = stopped.after(FlowInput::Desire(Desired::Run));
        assert_eq!(change, None);
        assert!(started.after(FlowInput::TerminalSelected).0.flows());
    }

    #[test]
    fn c10_only_the_last_terminal_out_ends_the_flow() {
        let two = FlowState {
            terminals: 2,
            ..ready()
        };
        let (one, change) = two.after(FlowInput::TerminalUnselected);
        assert_eq!(change, None);
        assert_eq!(
            one.after(FlowInput::TerminalUnselected).1,
            Some(FlowChange::Inactive(Cause::LocalRequest))
        );
    }
}
