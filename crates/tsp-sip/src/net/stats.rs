//! What the driver counts, and how it is read from other threads.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;
use crate::call::AgentStats;
use crate::counters::counters;
use crate::transaction::TransactionStats;

counters! {
    /// What sockets took and gave, and what was lost on this machine.
    SocketStats {
        /// Datagrams that came.
        received,
        /// Datagrams that the system took to be sent.
        sent,
        /// Connections that peers opened here.
        accepted,
        /// Connections that we opened.
        dialled,
        /// Messages, and line breaks, that came on connections.
        received_on_streams,
        /// Messages, and line breaks, that connections took to be sent.
        sent_on_streams,
        /// Connections refused because their source has as many as one may have.
        excess_of_source,
        /// Connections refused because there are as many as there may be.
        excess_connections,
        /// Connections that the system would not let in.
        not_accepted,
        /// Connections of ours that did not come to be.
        unopened,
        /// Connections of peers whose TLS handshake failed.
        failed_handshakes,
        /// Times that files of TLS had changed and were read again.
        reloads,
        /// Times that they could not be read; what was read before stays.
        failed_reloads,
        /// Connections that their peers closed.
        closed_by_peers,
        /// Connections that broke.
        broken_connections,
        /// Connections closed because nothing came on them in time.
        silent_connections,
        /// Connections closed because the end of a message did not come in time.
        slow_messages,
        /// Connections closed because what came cannot be cut into messages.
        garbled_streams,
        /// Connections closed because the peer does not read what is sent.
        unread_connections,
        /// Errors that a socket reported instead of a datagram: what the network said of datagrams sent before.
        receive_errors,
        /// Datagrams dropped because no way leads back to their source, so nobody could be answered.
        unroutable,
        /// Datagrams of strangers, most of them requests that would begin something, dropped unread because more came than can
        /// be served or refused; whoever asked asks again.
        shed_requests,
        /// Datagrams of what is known, calls above all, dropped because too many wait to be read.
        excess_within_calls,
        /// Datagrams that were not sent because the system's buffer was full; retransmission is there for it.
        buffer_full,
        /// Datagrams that were not sent because no socket is of their family, or because the system refused.
        unsendable,
        /// Times that the machine had another address and what we need could not be opened there.
        not_moved,
        /// Messages that the link to the media half did not take, for it was full or its other end was gone.
        untold_media,
    }
}

/// What one endpoint counted, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct SignallingStats {
    /// At the sockets.
    pub sockets: SocketStats,
    /// In transactions.
    pub transactions: TransactionStats,
    /// In dialogs and calls.
    pub agent: AgentStats,
    /// The error of the last message that could not be read.
    pub last_error: Option<Error>,
}

/// Reads what a running endpoint counts; cheap to clone, and still there when the endpoint has ended.
#[derive(Clone, Debug, Default)]
pub struct StatsReader(Arc<Mutex<SignallingStats>>);

impl StatsReader {
    /// The counts as of the last message that was handled.
    pub fn read(&self) -> SignallingStats {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, stats: SignallingStats) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }
}
