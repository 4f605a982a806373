//! Keys that we draw, and whether an agreement is as safe as its policy wants.

use msp_core::params::{MasterKey, MediaParams, Profile, SecurityPolicy};
use msp_core::secret::Secret;
use msp_core::{Error, ErrorKind, Result};
use msp_rtp::srtp::{Srtp, Suite};

use crate::random::Random;

/// A key for each suite, in the order in which they are offered. No two are the same: under one key and two suites what is
/// sent could be told.
pub(crate) fn draw_keys(random: &mut dyn Random) -> Vec<MasterKey> {
    let keys = Suite::ALL.iter().zip(1..).map(|(suite, tag)| {
        let mut key_and_salt = vec![0; suite.key_len() + suite.salt_len()];
        random.fill(&mut key_and_salt);
        MasterKey {
            tag,
            suite: suite.name().into(),
            key_and_salt: Secret::new(key_and_salt),
            mki: None,
        }
    });
    keys.collect()
}

/// Whether media under `params` are encrypted.
pub(crate) const fn is_secured(params: &MediaParams) -> bool {
    !params.keys.send.is_empty()
}

/// What secures media under `params`; none if they are plain, and may be.
///
/// # Errors
/// [`ErrorKind::PeerIncompatible`] when profile or policy want keys and there are none, when there are keys that cannot be
/// used, and for keys that would have to be agreed on in the media path.
pub(crate) fn protect(params: &MediaParams) -> Result<Option<Box<Srtp>>> {
    let refused = |what: &str| {
        let what = format!("slot {}: {what}", params.slot);
        Error::new(ErrorKind::PeerIncompatible, what)
    };
    if matches!(params.profile, Profile::UdpTlsSavp | Profile::UdpTlsSavpf) {
        return Err(refused("keys cannot be agreed on by DTLS"));
    }
    if is_secured(params) || !params.keys.receive.is_empty() {
        let srtp = Srtp::new(&params.keys).map_err(|e| refused(&e.to_string()))?;
        return Ok(Some(Box::new(srtp)));
    }
    if params.profile.is_secure() || params.policy == SecurityPolicy::Required {
        return Err(refused("media would not be encrypted"));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;
    use msp_core::media::MediaKind;
    use msp_core::params::MediaSlot;

    #[test]
    fn each_suite_gets_a_key_of_its_own_length() {
        let keys = draw_keys(&mut SeededRandom::new(1));
        let others = draw_keys(&mut SeededRandom::new(2));
        for (n, (key, suite)) in keys.iter().zip(Suite::ALL).enumerate() {
            assert_eq!((key.tag, &*key.suite), (n as u32 + 1, suite.name()));
            let len = key.key_and_salt.expose().len();
            assert_eq!(len, suite.key_len() + suite.salt_len());
            assert_ne!(key.key_and_salt, others[n].key_and_salt);
            assert!(
                !keys[..n]
                    .iter()
                    .any(|k| { k.key_and_salt.expose()[..16] == key.key_and_salt.expose()[..16] })
            );
        }
        assert_eq!(keys.len(), Suite::ALL.len());
    }

    // Shows: media in the clear are refused where they must be encrypted | RFC 4568, interop row 26
    #[test]
    fn nothing_is_less_safe_than_profile_and_policy_want() {
        use SecurityPolicy::*;
        let keys = draw_keys(&mut SeededRandom::new(1));
        for (profile, policy, keyed, outcome) in [
            (Profile::Avp, Off, false, Some(false)),
            (Profile::Avp, Optional, false, Some(false)),
            (Profile::Avp, Required, false, None),
            (Profile::Avp, Optional, true, Some(true)),
            (Profile::Savp, Off, false, None),
            (Profile::Savp, Optional, false, None),
            (Profile::Savp, Required, true, Some(true)),
            (Profile::UdpTlsSavp, Optional, true, None),
        ] {
            let mut params = MediaParams::new(MediaSlot(0), MediaKind::Audio);
            (params.profile, params.policy) = (profile, policy);
            if keyed {
                params.keys.send = vec![keys[0].clone()];
                params.keys.receive = vec![keys[1].clone()];
            }
            let made = protect(&params).ok().map(|p| p.is_some());
            assert_eq!(made, outcome, "{profile:?} {policy:?} {keyed}");
        }
        let mut half = MediaParams::new(MediaSlot(0), MediaKind::Audio);
        half.keys.receive = vec![keys[0].clone()];
        assert!(protect(&half).is_err());
    }
}
