//! Profiles of peers: what each is spoken to with, and why.

use std::fmt;
use std::time::Duration;

use msp_core::params::SecurityPolicy;
use tsp_sip::call::{
    ChangeBy, EarlyMedia, IdentityField, NumberForm, OptionalForm, Reliable, RequestPolicy,
};

use crate::phone::PhoneBuilder;

/// A kind of peer or provider, and what of a phone's settings suits it. A judgement from what such peers are known to do:
/// whoever has one that is set up otherwise changes what it switches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Profile {
    name: &'static str,
    about: &'static str,
    switches: &'static [(Setting, &'static str)],
}

/// One thing that a profile switches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Switch {
    /// What is switched.
    pub name: &'static str,
    /// To what.
    pub value: String,
    /// Why.
    pub why: &'static str,
}

impl Profile {
    /// All profiles.
    pub const fn all() -> &'static [Self] {
        ALL
    }

    /// The profile of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Of whom it is.
    pub const fn about(&self) -> &'static str {
        self.about
    }

    /// What it switches.
    pub fn switches(&self) -> impl Iterator<Item = Switch> {
        self.switches.iter().map(|(setting, why)| Switch {
            name: setting.name(),
            value: setting.to_string(),
            why,
        })
    }
}

impl PhoneBuilder {
    /// Switches what suits a kind of peer, and nothing else; what is set after this holds.
    #[must_use]
    pub fn profile(mut self, profile: &Profile) -> Self {
        for (setting, _) in profile.switches {
            self = setting.apply(self);
        }
        self
    }

    /// Which requests besides calls are taken, and what is done by them.
    #[must_use]
    pub fn requests(mut self, policy: RequestPolicy) -> Self {
        self.requests = policy;
        self
    }
}

/// A setting with its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Setting {
    Codecs(&'static [&'static str]),
    EarlyMedia(EarlyMedia),
    Identity(IdentityField),
    InfoDigits(bool),
    InstantTransfers(bool),
    LockCodec(bool),
    LongByTcp(bool),
    Numbers(NumberForm),
    OptionalKeys(OptionalForm),
    RefreshBy(ChangeBy),
    Reliable(Reliable),
    SendReplaces(bool),
    SessionMin(Duration),
    Srtp(SecurityPolicy),
}

impl Setting {
    const fn name(self) -> &'static str {
        match self {
            Self::Codecs(_) => "codecs",
            Self::EarlyMedia(_) => "early-media",
            Self::Identity(_) => "identity",
            Self::InfoDigits(_) => "info-digits",
            Self::InstantTransfers(_) => "instant-transfers",
            Self::LockCodec(_) => "lock-codec",
            Self::LongByTcp(_) => "long-by-tcp",
            Self::Numbers(_) => "numbers",
            Self::OptionalKeys(_) => "optional-keys",
            Self::RefreshBy(_) => "refresh-by",
            Self::Reliable(_) => "reliable",
            Self::SendReplaces(_) => "send-replaces",
            Self::SessionMin(_) => "session-min",
            Self::Srtp(_) => "srtp",
        }
    }

    fn apply(self, mut phone: PhoneBuilder) -> PhoneBuilder {
        let policy = &mut phone.policy;
        match self {
            Self::Codecs(names) => return phone.codecs(names.iter().copied()),
            Self::EarlyMedia(whose) => policy.early_media = whose,
            Self::Identity(field) => policy.identity.carried_by = field,
            Self::InfoDigits(may) => phone.requests.info_digits = may,
            Self::InstantTransfers(at_once) => phone.requests.instant_transfers = at_once,
            Self::LockCodec(lock) => policy.lock_codec = lock,
            Self::LongByTcp(may) => phone.flows.long_by_tcp = may,
            Self::Numbers(form) => policy.numbers = form,
            Self::OptionalKeys(form) => policy.security.optional = form,
            Self::RefreshBy(by) => policy.timers.get_or_insert_default().by = by,
            Self::Reliable(reliable) => policy.reliable = reliable,
            Self::SendReplaces(may) => phone.requests.send_replaces = may,
            Self::SessionMin(min) => {
                let timers = policy.timers.get_or_insert_default();
                (timers.min, timers.wanted) = (min, Some(min));
            }
            Self::Srtp(security) => policy.security.policy = security,
        }
        phone
    }
}

const fn yes(whether: bool) -> &'static str {
    if whether { "yes" } else { "no" }
}

impl fmt::Display for Setting {
    /// The value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Codecs(names) => return f.write_str(&names.join(",")),
            Self::SessionMin(min) => return write!(f, "{} s", min.as_secs()),
            Self::InfoDigits(b)
            | Self::InstantTransfers(b)
            | Self::LockCodec(b)
            | Self::LongByTcp(b)
            | Self::SendReplaces(b) => yes(*b),
            Self::EarlyMedia(EarlyMedia::Latest) => "latest",
            Self::EarlyMedia(EarlyMedia::First) => "first",
            Self::Identity(IdentityField::From) => "from",
            Self::Identity(IdentityField::Preferred) => "preferred",
            Self::Identity(IdentityField::Asserted) => "asserted",
            Self::Identity(IdentityField::RemoteParty) => "remote-party",
            Self::Numbers(NumberForm::Sip) => "sip",
            Self::Numbers(NumberForm::Tel) => "tel",
            Self::OptionalKeys(OptionalForm::PlainProfile) => "plain-profile",
            Self::OptionalKeys(OptionalForm::SecureProfile) => "secure-profile",
            Self::RefreshBy(ChangeBy::Invite) => "invite",
            Self::RefreshBy(ChangeBy::Update) => "update",
            Self::Reliable(Reliable::Off) => "off",
            Self::Reliable(Reliable::Supported) => "supported",
            Self::Reliable(Reliable::Required) => "required",
            Self::Srtp(SecurityPolicy::Off) => "off",
            Self::Srtp(SecurityPolicy::Optional) => "optional",
            Self::Srtp(SecurityPolicy::Required) => "required",
        };
        f.write_str(word)
    }
}

const G711: &[&str] = &["PCMU", "PCMA"];

/// Numbers as every trunk wants them.
const E164: (Setting, &str) = (
    Setting::Numbers(NumberForm::Sip),
    "it routes by the digits of a sip URI with user=phone",
);

/// A trunk on the open Internet.
const TRUNK: &[(Setting, &str)] = &[
    (
        Setting::Codecs(G711),
        "it carries G.711 for sure, µ-law first; anything else may be transcoded",
    ),
    E164,
    (
        Setting::Identity(IdentityField::Asserted),
        "it takes the number that is shown from P-Asserted-Identity",
    ),
    (
        Setting::Srtp(SecurityPolicy::Off),
        "it refuses keys unless the trunk is set up as secure",
    ),
];

const PROXY: &[(Setting, &str)] = &[
    (
        Setting::Identity(IdentityField::Preferred),
        "a proxy asserts which of its identities a user prefers",
    ),
    (
        Setting::LongByTcp(true),
        "it passes TCP on, and fragments of long datagrams get lost behind NATs",
    ),
    (
        Setting::LockCodec(true),
        "the relay behind it follows one codec without transcoding",
    ),
];

/// Contact centres, which move calls while they last.
const CENTRE: &[(Setting, &str)] = &[
    (
        Setting::InstantTransfers(true),
        "it waits for nothing after REFER but the first word of success",
    ),
    (
        Setting::EarlyMedia(EarlyMedia::First),
        "its announcements come before the agent's phone",
    ),
    E164,
];

const ALL: &[Profile] = &[
    Profile {
        name: "asterisk",
        about: "Asterisk and what is made of it",
        switches: &[
            (
                Setting::LongByTcp(false),
                "it mostly listens at UDP only, and what comes by TCP is lost",
            ),
            (
                Setting::EarlyMedia(EarlyMedia::Latest),
                "a ring group gives early media with one tag after another",
            ),
            (
                Setting::InstantTransfers(true),
                "its Transfer application waits for the final sipfrag",
            ),
        ],
    },
    Profile {
        name: "freeswitch",
        about: "FreeSWITCH",
        switches: &[
            (
                Setting::Reliable(Reliable::Off),
                "its own settings warn of crashes with 100rel",
            ),
            (
                Setting::OptionalKeys(OptionalForm::SecureProfile),
                "it refuses keys under the plain profile",
            ),
            (
                Setting::InfoDigits(true),
                "it takes digits by INFO where telephone-event is off",
            ),
        ],
    },
    Profile {
        name: "kamailio",
        about: "Kamailio, with or without rtpengine",
        switches: PROXY,
    },
    Profile {
        name: "opensips",
        about: "OpenSIPS, with or without rtpengine",
        switches: PROXY,
    },
    Profile {
        name: "cucm",
        about: "Cisco Unified Communications Manager",
        switches: &[
            E164,
            (
                Setting::Identity(IdentityField::RemoteParty),
                "it shows the caller from Remote-Party-ID",
            ),
            (
                Setting::RefreshBy(ChangeBy::Invite),
                "with a media termination point it answers no UPDATE",
            ),
            (
                Setting::SessionMin(Duration::from_secs(1800)),
                "it refreshes each half hour and refuses less often with 422",
            ),
        ],
    },
    Profile {
        name: "teams",
        about: "Microsoft Teams Direct Routing, which knows us by the host name in our certificate: say it with --advertise-host",
        switches: &[
            (
                Setting::Srtp(SecurityPolicy::Required),
                "it takes no call without encrypted media",
            ),
            (
                Setting::SendReplaces(false),
                "it rejects every request with Replaces",
            ),
            (
                Setting::SessionMin(Duration::from_secs(300)),
                "it says Min-SE: 300",
            ),
            (
                Setting::EarlyMedia(EarlyMedia::Latest),
                "each of a user's devices rings with a tag of its own",
            ),
            E164,
        ],
    },
    Profile {
        name: "twilio",
        about: "Twilio Elastic SIP Trunking",
        switches: TRUNK,
    },
    Profile {
        name: "telnyx",
        about: "Telnyx",
        switches: TRUNK,
    },
    Profile {
        name: "vonage",
        about: "Vonage",
        switches: TRUNK,
    },
    Profile {
        name: "genesys",
        about: "Genesys Cloud",
        switches: CENTRE,
    },
    Profile {
        name: "avaya",
        about: "Avaya Aura",
        switches: CENTRE,
    },
    Profile {
        name: "carrier-ims",
        about: "an IMS core of a carrier",
        switches: &[
            (
                Setting::Reliable(Reliable::Required),
                "it acknowledges every provisional response",
            ),
            (
                Setting::Identity(IdentityField::Asserted),
                "it reads who calls from P-Asserted-Identity alone",
            ),
            (
                Setting::Numbers(NumberForm::Tel),
                "numbers are its addresses, whatever the domain",
            ),
            (
                Setting::SessionMin(Duration::from_secs(1800)),
                "its gateways refuse shorter sessions with 422",
            ),
            (
                Setting::EarlyMedia(EarlyMedia::First),
                "announcements come early and are heard to their end",
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Phone;

    /// What every switch stands at, in the words of the profiles.
    fn stand(phone: &PhoneBuilder) -> Vec<(&'static str, String)> {
        let policy = &phone.policy;
        let timers = policy.timers.clone().unwrap_or_default();
        let settings = [
            Setting::EarlyMedia(policy.early_media),
            Setting::Identity(policy.identity.carried_by),
            Setting::InfoDigits(phone.requests.info_digits),
            Setting::InstantTransfers(phone.requests.instant_transfers),
            Setting::LockCodec(policy.lock_codec),
            Setting::LongByTcp(phone.flows.long_by_tcp),
            Setting::Numbers(policy.numbers),
            Setting::OptionalKeys(policy.security.optional),
            Setting::RefreshBy(timers.by),
            Setting::Reliable(policy.reliable),
            Setting::SendReplaces(phone.requests.send_replaces),
            Setting::SessionMin(timers.min),
            Setting::Srtp(policy.security.policy),
        ];
        let mut all: Vec<_> = settings.iter().map(|s| (s.name(), s.to_string())).collect();
        all.push(("codecs", phone.codecs.join(",")));
        all
    }

    // Shows: a profile changes what it says and nothing else
    #[test]
    fn a_profile_changes_exactly_what_it_says() {
        let plain = stand(&Phone::builder());
        for profile in Profile::all() {
            let said: Vec<_> = profile.switches().collect();
            for (name, value) in stand(&Phone::builder().profile(profile)) {
                let usual = plain.iter().find(|(n, _)| *n == name);
                let expected = said.iter().filter(|s| s.name == name);
                let expected: Vec<_> = expected.map(|s| &s.value).collect();
                match *expected {
                    [said] => assert_eq!(value, *said, "{} {name}", profile.name()),
                    [] => assert_eq!(Some(&value), usual.map(|(_, v)| v), "{}", profile.name()),
                    _ => panic!("{} says {name} twice", profile.name()),
                }
            }
        }
    }

    #[test]
    fn a_profile_is_found_by_its_name_and_says_why() {
        assert_eq!(Profile::named("Teams").map(Profile::name), Some("teams"));
        assert!(Profile::named("nobody").is_none());
        for profile in Profile::all() {
            assert!(Profile::named(profile.name()).is_some() && !profile.about().is_empty());
            assert!(profile.switches().count() > 0);
            assert!(
                profile
                    .switches()
                    .all(|s| s.why.len() > 10 && !s.why.contains('\n'))
            );
        }
    }
}
