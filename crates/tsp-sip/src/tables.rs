//! Hash tables whose keys come from the network: keyed by random numbers, so that nobody outside can foresee collisions, and
//! cheap for the short keys that they have.

/// A map.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, ahash::RandomState>;

/// A set.
pub(crate) type HashSet<K> = std::collections::HashSet<K, ahash::RandomState>;
