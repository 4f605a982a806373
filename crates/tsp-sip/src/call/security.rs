//! Keys for media in our offers and answers: who gets to read them, and in which form they are offered (RFC 4568).

use msp_core::link::PrepareSlot;
use msp_core::params::{MediaParams, Profile, SecurityPolicy};

use super::media::SLOTS;
use crate::transport::Flow;

/// Whether media of calls are encrypted, and how that is offered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct MediaSecurity {
    /// Whether media may, should or must be encrypted.
    pub policy: SecurityPolicy,
    /// How keys are offered that a peer need not take.
    pub optional: OptionalForm,
    /// Keys are also written into messages that anybody on the way can read (RFC 4568 section 7.1 forbids it): encryption
    /// then hinders only those who hear the media and not the signalling.
    pub keys_in_clear: bool,
}

/// How an offer is written that a peer may answer with or without keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OptionalForm {
    /// Keys under the plain profile: who does not know them passes them over.
    #[default]
    PlainProfile,
    /// The secure profile, for peers that refuse keys under the plain one. Peers without encryption refuse it with 488, and
    /// are called again in the clear.
    SecureProfile,
}

impl MediaSecurity {
    /// Whether keys may be written into messages that go by `flow`.
    const fn shows_keys(self, flow: Flow) -> bool {
        self.keys_in_clear || flow.transport.is_secure()
    }

    /// The stream pairs of an offer of ours, unless an earlier round says otherwise.
    pub(super) fn slots(self, flow: Flow) -> Vec<PrepareSlot> {
        let profile = match (self.policy, self.optional) {
            (SecurityPolicy::Required, _) => Profile::Savp,
            (SecurityPolicy::Optional, OptionalForm::SecureProfile) if self.shows_keys(flow) => {
                Profile::Savp
            }
            _ => Profile::Avp,
        };
        SLOTS.map(|slot| PrepareSlot { profile, ..slot }).to_vec()
    }

    /// Takes our keys out of `local` where everybody could read them. What must be encrypted cannot be offered then.
    pub(super) fn guard(
        self,
        flow: Flow,
        mut local: Vec<MediaParams>,
    ) -> Result<Vec<MediaParams>, &'static str> {
        if !self.shows_keys(flow) {
            if self.policy == SecurityPolicy::Required {
                return Err("keys for media need secure signalling");
            }
            for params in &mut local {
                params.keys.send.clear();
            }
        }
        Ok(local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Transport;
    use msp_core::media::MediaKind;
    use msp_core::params::{MasterKey, MediaSlot};
    use msp_core::secret::Secret;

    // Shows: keys are written only where nobody can read them, unless the user insists | RFC 4568
    #[test]
    fn keys_are_not_written_into_what_anybody_can_read() {
        let (local, remote) = ("192.0.2.1:5060", "192.0.2.2:5060");
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        let flow = Flow::udp(local, remote);
        let mut params = MediaParams::new(MediaSlot(0), MediaKind::Audio);
        params.keys.send = vec![MasterKey {
            tag: 1,
            suite: "AES_CM_128_HMAC_SHA1_80".into(),
            key_and_salt: Secret::new(vec![1; 30]),
            mki: None,
        }];
        use OptionalForm::*;
        use SecurityPolicy::*;
        for (policy, optional, insists, profile, keys) in [
            (Optional, PlainProfile, false, Profile::Avp, Some(0)),
            (Optional, SecureProfile, false, Profile::Avp, Some(0)),
            (Optional, PlainProfile, true, Profile::Avp, Some(1)),
            (Optional, SecureProfile, true, Profile::Savp, Some(1)),
            (Required, PlainProfile, false, Profile::Savp, None),
            (Required, PlainProfile, true, Profile::Savp, Some(1)),
        ] {
            let security = MediaSecurity {
                policy,
                optional,
                keys_in_clear: insists,
            };
            assert_eq!(security.slots(flow)[0].profile, profile);
            let local = security.guard(flow, vec![params.clone()]).ok();
            assert_eq!(local.map(|l| l[0].keys.send.len()), keys, "{security:?}");
        }
        // Over TLS nobody has to insist.
        let flow = Flow::to(Transport::Tls, local, remote);
        for policy in [Optional, Required] {
            let security = MediaSecurity {
                policy,
                ..MediaSecurity::default()
            };
            let local = security.guard(flow, vec![params.clone()]).ok();
            assert_eq!(local.map(|l| l[0].keys.send.len()), Some(1));
        }
    }
}
