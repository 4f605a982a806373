//! The choices that are left to us when we negotiate.

/// Whose order of preference an answer follows; its first codec is the one that is used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum CodecOrder {
    /// The offerer's, as RFC 3264 section 6.1 recommends.
    #[default]
    Offerer,
    /// Ours.
    Own,
}

/// What to do with an answer that differs from the one that the same offer got before on this leg.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum LaterAnswers {
    /// It replaces the former: servers that play an announcement first send such.
    #[default]
    Replace,
    /// It is passed over (RFC 3261 section 13.2.1).
    Ignore,
}

/// How we negotiate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Whose preference counts when we answer.
    pub order: CodecOrder,
    /// An answer names one sound codec and the telephone events that go with it, so that both ends know
    /// what will be sent.
    pub single_codec: bool,
    /// Whether a leg's later answer to the same offer counts.
    pub later_answers: LaterAnswers,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            order: CodecOrder::default(),
            single_codec: true,
            later_answers: LaterAnswers::default(),
        }
    }
}
