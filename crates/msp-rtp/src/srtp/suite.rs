//! The suites that we have.

/// How packets are encrypted and checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Suite {
    /// AES-128 in counter mode, tags of 80 bits (RFC 4568 section 6.2.1).
    AesCm128HmacSha1Tag80,
    /// AES-128 in counter mode, tags of 32 bits, those of reports of 80 (RFC 4568 section 6.2.2).
    AesCm128HmacSha1Tag32,
    /// AES-256 in counter mode, tags of 80 bits (RFC 6188).
    AesCm256HmacSha1Tag80,
    /// AES-256 in counter mode, tags of 32 bits, those of reports of 80 (RFC 6188).
    AesCm256HmacSha1Tag32,
    /// AES-128 in Galois counter mode, tags of 128 bits (RFC 7714).
    AeadAes128Gcm,
    /// AES-256 in Galois counter mode, tags of 128 bits (RFC 7714).
    AeadAes256Gcm,
}

impl Suite {
    /// All suites, in the order in which they are offered: first the one that all have (RFC 4568 section 6.2.1), at the
    /// end those with short tags.
    pub const ALL: [Self; 6] = [
        Self::AesCm128HmacSha1Tag80,
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm256HmacSha1Tag80,
        Self::AesCm128HmacSha1Tag32,
        Self::AesCm256HmacSha1Tag32,
    ];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1Tag80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1Tag32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of a name. AES-256 in counter mode goes by two: many write it as its sibling is written.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "AES_CM_256_HMAC_SHA1_80" => Some(Self::AesCm256HmacSha1Tag80),
            "AES_CM_256_HMAC_SHA1_32" => Some(Self::AesCm256HmacSha1Tag32),
            _ => Self::ALL.into_iter().find(|s| s.name() == name),
        }
    }

    /// Octets of a master key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1Tag80 | Self::AesCm128HmacSha1Tag32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1Tag80 | Self::AesCm256HmacSha1Tag32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of a master salt.
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Whether encrypting and checking are one.
    pub(super) const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    /// Octets of the tag of media.
    pub(super) const fn media_tag(self) -> usize {
        match self {
            Self::AesCm128HmacSha1Tag32 | Self::AesCm256HmacSha1Tag32 => 4,
            _ => self.report_tag(),
        }
    }

    /// Octets of the tag of reports.
    pub(super) const fn report_tag(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }
}
