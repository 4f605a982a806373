//! Which ways messages take, where networks differ.

/// How messages take their ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FlowPolicy {
    /// Whether requests of more than 1300 bytes that would go by UDP go by TCP, and by UDP only where that fails (RFC 3261
    /// section 18.1.1). Some peers listen at UDP only and drop, not refuse, what comes by TCP.
    pub long_by_tcp: bool,
}

impl Default for FlowPolicy {
    fn default() -> Self {
        Self { long_by_tcp: true }
    }
}
