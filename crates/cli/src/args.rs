//! What the user can ask for.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use msp_core::secret::Secret;
use tipring::{Host, Package, Profile};

/// Places and answers SIP calls, plays and records them, and proves what was heard.
#[derive(Debug, Parser)]
#[command(name = "tipring", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Two phones in one process call each other, play, record, compare and report
    Loop(LoopArgs),
    /// Place a call
    Call(CallArgs),
    /// Answer calls; with --user NAME@DOMAIN those for that name, registered there as long as the program runs
    Answer(AnswerArgs),
    /// Answer calls and send back what is heard
    Echo(EchoArgs),
    /// Ask a peer what it can do
    Options(OptionsArgs),
    /// Register at a provider and stay registered
    Register(RegisterArgs),
    /// Be a registrar, and connect calls between the users of a file
    Serve(ServeArgs),
    /// Send a text to a user
    Message(MessageArgs),
    /// Say what a profile switches and why, or which profiles there are
    Profile(ProfileArgs),
    /// Subscribe to a state of somebody's and tell it
    Watch(WatchArgs),
    /// Look at this machine, and say what will hurt a call and what to do
    Doctor(DoctorArgs),
}

/// How to speak to the user.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// One JSON object a line on standard output, and nothing else there
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) json: bool,
    /// Print nothing but errors
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// What to leave behind of a call.
#[derive(Debug, Clone, Args)]
pub(crate) struct EvidenceArgs {
    /// Write an HTML report of the call, and the same as JSON beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write the SIP and RTP of the call as a capture that Wireshark opens; secrets are masked
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// Write the keys of encrypted media, one a line: who has this file can hear the call
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,
}

/// What to leave behind of a call, and whether it has to be good.
#[derive(Debug, Clone, Args)]
pub(crate) struct ProofArgs {
    #[command(flatten)]
    pub(crate) files: EvidenceArgs,
    /// End with status 1 if what this end can know of the call is not as it should be
    #[arg(long)]
    pub(crate) assert: bool,
}

/// Where to be on the network, and with which codecs.
#[derive(Debug, Clone, Args)]
pub(crate) struct LineArgs {
    /// Address and port for SIP; port 0 takes any. Media use the same address
    #[arg(long, value_name = "IP[:PORT]", value_parser = bind_address)]
    pub(crate) bind: Option<Bind>,
    /// The address that peers are told, when it is not the bound one
    #[arg(long, value_name = "IP")]
    pub(crate) advertise: Option<IpAddr>,
    /// The host name that SIP peers are told instead of any address, for trunks that know us by it, such as Teams
    #[arg(long, value_name = "NAME", value_parser = host)]
    pub(crate) advertise_host: Option<Host>,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    /// Codecs to offer, the preferred first: pcmu, pcma, l16
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) codec: Vec<String>,
    /// Ports for RTP and RTCP
    #[arg(long, value_name = "FIRST-LAST", value_parser = port_range)]
    pub(crate) ports: Option<(u16, u16)>,
    /// What is done about a network whose delay varies: to follow it, to wait 60 ms whatever it does, or to leave out nothing
    /// that came, for who listens later
    #[arg(long, value_name = "MODE", value_enum, default_value = "adaptive")]
    pub(crate) playout: Playout,
    /// Whether media are encrypted with keys in SDP: never, if the peer can, or always; never unless a profile says more
    #[arg(long, value_name = "WHEN", value_enum)]
    pub(crate) srtp: Option<Srtp>,
    /// Send the keys of --srtp even where the signalling can be read by anybody
    #[arg(long)]
    pub(crate) srtp_keys_in_clear: bool,
}

/// What is done about a network whose delay varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Playout {
    Adaptive,
    Fixed,
    Recorder,
}

/// Whether media are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Srtp {
    Off,
    Optional,
    Required,
}

/// How TLS is spoken: for sips: URIs and those with transport=tls.
#[derive(Debug, Clone, Args)]
pub(crate) struct TlsArgs {
    /// Our certificate and those that lead to a root, as PEM; then TLS is taken at the port after that of SIP
    #[arg(long = "tls-cert", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of our certificate, as PEM
    #[arg(long = "tls-key", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Whom to trust instead of the roots of the system, as PEM
    #[arg(long = "tls-ca", value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Peers that connect have to show a certificate, too
    #[arg(long = "tls-ask-peers", requires = "tls_cert")]
    pub(crate) tls_ask_peers: bool,
}

/// Who to be to a provider.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AccountArgs {
    /// Name at the provider: alice, or alice@example.com
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Password there; others on this machine can see it: better in a file, or in TIPRING_PASSWORD
    #[arg(long, value_name = "TEXT", value_parser = password, conflicts_with = "password_file")]
    pub(crate) password: Option<Secret<String>>,
    /// File whose first line is the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// The provider's proxy, which all goes through: host or host:port
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) proxy: Option<String>,
    /// An edge proxy before all others, by which the registrar reaches us; up to four, each by a connection of its own
    #[arg(
        long = "edge",
        value_name = "HOST[:PORT]",
        value_delimiter = ',',
        requires = "instance"
    )]
    pub(crate) edges: Vec<String>,
    /// What tells this device from others of the user, the same at each start: a UUID
    #[arg(long, value_name = "UUID")]
    pub(crate) instance: Option<String>,
}

/// Which kind of peer is spoken to.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PeerArgs {
    /// Settings that suit a kind of peer, which `tipring profile` lists; other options go before it
    #[arg(long, value_name = "NAME", value_parser = profile)]
    pub(crate) profile: Option<&'static Profile>,
    /// TOML file of settings: the options of the verb without --, each as key = value; those that are written go before it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Options of `profile`.
#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// Which; all are listed without
    #[arg(value_name = "NAME", value_parser = profile)]
    pub(crate) name: Option<&'static Profile>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What to look at.
#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    /// Address and port that SIP is to have
    #[arg(long, value_name = "IP[:PORT]", value_parser = bind_address)]
    pub(crate) bind: Option<Bind>,
    /// Ports for RTP and RTCP
    #[arg(long, value_name = "FIRST-LAST", value_parser = port_range)]
    pub(crate) ports: Option<(u16, u16)>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Who to say that calls.
#[derive(Debug, Clone, Args)]
pub(crate) struct IdentityArgs {
    /// The name beside our address
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Show this address instead of the account's: sip:+12015550100@example.com
    #[arg(long, value_name = "ADDRESS", conflicts_with = "anonymous")]
    pub(crate) caller_id: Option<String>,
    /// Do not show the called end who calls
    #[arg(long)]
    pub(crate) anonymous: bool,
    /// Which field besides From says who calls, to whom --trust believes; none unless a profile says more
    #[arg(long, value_name = "FIELD", value_enum)]
    pub(crate) identity: Option<Field>,
    /// How a telephone number is written for the provider; as sip unless a profile says more
    #[arg(long, value_name = "SCHEME", value_enum)]
    pub(crate) numbers: Option<Numbers>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

/// Whom to trust about who calls.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrustArgs {
    /// Who is believed about who calls, and told who we are: nobody, the account's provider, or anybody
    #[arg(long = "trust", value_name = "WHOM", value_enum, default_value_t)]
    pub(crate) whom: Trusted,
}

/// A field that says who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Field {
    From,
    Preferred,
    Asserted,
    RemoteParty,
}

/// A form of a telephone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Numbers {
    Sip,
    Tel,
}

/// Who is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Trusted {
    Nobody,
    #[default]
    Provider,
    Anybody,
}

/// Options of `register`.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// The address to register: alice@example.com
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// Where to register, if not at the domain of the address: host or host:port
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) registrar: Option<String>,
    /// For how long at a time
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m")]
    pub(crate) expires: Duration,
    /// Leave once it is known whether it worked
    #[arg(long)]
    pub(crate) once: bool,
    /// Do not register: tell where the address is registered now, and leave
    #[arg(long, conflicts_with = "once")]
    pub(crate) fetch: bool,
    /// Address and port for SIP; port 0 takes any
    #[arg(long, value_name = "IP[:PORT]", value_parser = bind_address)]
    pub(crate) bind: Option<Bind>,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
    #[command(flatten)]
    pub(crate) account: AccountArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// TOML file: domain = "example.com", and for each user [[user]] with name and password
    #[arg(value_name = "FILE")]
    pub(crate) office: PathBuf,
    #[command(flatten)]
    pub(crate) line: LineArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What to do while a call lasts.
#[derive(Debug, Clone, Args)]
pub(crate) struct MediaArgs {
    /// Play a sound file to the peer
    #[arg(long, value_name = "FILE")]
    pub(crate) play: Option<PathBuf>,
    /// Record the call as WAV: left what is sent, right what is heard
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Send digits once the call is connected (0-9, *, #, A-D)
    #[arg(long, value_name = "DIGITS", value_parser = digits)]
    pub(crate) dtmf: Option<String>,
    /// Hang up this long after the call was connected
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Make the call that the peer asks for when it passes us on, and play and record there too: to files named -followed
    #[arg(long)]
    pub(crate) follow_transfers: bool,
}

/// Whom to pass a call on to.
#[derive(Debug, Clone, Args)]
pub(crate) struct TransferArgs {
    /// Ask the peer to call this address instead, once what we play is over; status 3 if that does not come about
    #[arg(long, value_name = "URI")]
    pub(crate) transfer_to: Option<String>,
    /// Ask it this long after the call was connected
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "transfer_to")]
    pub(crate) transfer_after: Option<Duration>,
    /// Hold the call and call the address first; then the peer takes the place of that second call
    #[arg(long, requires = "transfer_to")]
    pub(crate) consult: bool,
}

/// Options of `loop`.
#[derive(Debug, Args)]
pub(crate) struct LoopArgs {
    /// Codec of the call: pcmu, pcma or l16
    #[arg(long, default_value = "pcmu", value_name = "NAME")]
    pub(crate) codec: String,
    /// How long to talk; default: as long as the longer file lasts
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Ports for RTP and RTCP of both phones
    #[arg(long, value_name = "FIRST-LAST", value_parser = port_range)]
    pub(crate) ports: Option<(u16, u16)>,
    /// Use ::1 instead of 127.0.0.1
    #[arg(long)]
    pub(crate) ipv6: bool,
    /// What Alice plays instead of the built-in speech
    #[arg(long, value_name = "FILE")]
    pub(crate) play_alice: Option<PathBuf>,
    /// What Bob plays instead of the built-in speech
    #[arg(long, value_name = "FILE")]
    pub(crate) play_bob: Option<PathBuf>,
    /// Where to keep the two recordings; default: they are compared and thrown away
    #[arg(long, value_name = "DIR")]
    pub(crate) record_dir: Option<PathBuf>,
    /// Share of RTP packets that the network loses each way, for instance 5%
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) loss: Option<f64>,
    /// How much later than others a packet may arrive
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) jitter: Option<Duration>,
    /// Lose packets in bursts of this many on average instead of one by one
    #[arg(long, value_name = "PACKETS", num_args = 0..=1, default_missing_value = "3", requires = "loss")]
    pub(crate) burst: Option<f64>,
    /// Seed of the network's dice
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(crate) seed: u64,
    /// Encrypt the media
    #[arg(long)]
    pub(crate) srtp: bool,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Options of `call`.
#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// Whom to call: sip:user@host:port, user@host, or host
    #[arg(value_name = "URI")]
    pub(crate) target: String,
    /// Give up when nobody has answered for this long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "32s")]
    pub(crate) ring_time: Duration,
    #[command(flatten)]
    pub(crate) account: AccountArgs,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
    #[command(flatten)]
    pub(crate) media: MediaArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Options of `answer`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AnswerArgs {
    /// Answer with this status instead of waiting for the keyboard: 200 takes the call, 180 rings only
    #[arg(long, value_name = "STATUS", num_args = 0..=1, default_missing_value = "200",
          value_parser = clap::value_parser!(u16).range(180..700))]
    pub(crate) auto_answer: Option<u16>,
    /// Leave after this many calls
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_calls: Option<u32>,
    /// Carry no media: agree to G.711, open no port, be silent
    #[arg(long, requires = "bind", conflicts_with_all = ["play", "record", "report", "codec", "ports"])]
    pub(crate) no_media: bool,
    #[command(flatten)]
    pub(crate) account: AccountArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
    #[command(flatten)]
    pub(crate) media: MediaArgs,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Options of `echo`.
#[derive(Debug, Args)]
pub(crate) struct EchoArgs {
    /// Leave after this many calls
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_calls: Option<u32>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Options of `options`.
#[derive(Debug, Args)]
pub(crate) struct OptionsArgs {
    /// Whom to ask
    #[arg(value_name = "URI", default_value = "sip:127.0.0.1")]
    pub(crate) target: String,
    /// Give up when nobody has answered for this long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "32s")]
    pub(crate) timeout: Duration,
    /// Address and port for SIP; port 0 takes any
    #[arg(long, value_name = "IP[:PORT]", value_parser = bind_address)]
    pub(crate) bind: Option<Bind>,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) account: AccountArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Options of `message`.
#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    /// Whom it is for: sip:user@host:port, user@host, or host
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// The text
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
    /// Address and port for SIP; port 0 takes any
    #[arg(long, value_name = "IP[:PORT]", value_parser = bind_address)]
    pub(crate) bind: Option<Bind>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Options of `watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Whose state: sip:user@host:port, user@host, or host
    #[arg(value_name = "ADDRESS")]
    pub(crate) target: String,
    /// Which state
    #[arg(long, value_enum)]
    pub(crate) event: WatchedEvent,
    /// Ask once, tell what it is, and leave
    #[arg(long)]
    pub(crate) once: bool,
    /// How long a subscription lasts before it is refreshed
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "3600s")]
    pub(crate) expires: Duration,
    /// Address and port for SIP; port 0 takes any
    #[arg(long, value_name = "IP[:PORT]", value_parser = bind_address)]
    pub(crate) bind: Option<Bind>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// States that can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WatchedEvent {
    /// Messages that wait
    MessageSummary,
    /// Calls: the busy lamp
    Dialog,
    /// Whether the user can be reached
    Presence,
}

impl WatchedEvent {
    pub(crate) const fn package(self) -> Package {
        match self {
            Self::MessageSummary => Package::MessageSummary,
            Self::Dialog => Package::Dialog,
            Self::Presence => Package::Presence,
        }
    }
}

/// An address to bind. Without a port the verb chooses one; port 0 is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) ip: IpAddr,
    pub(crate) port: Option<u16>,
}

impl Bind {
    /// The address, with `port` if the user named none.
    pub(crate) fn or_port(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, self.port.unwrap_or(port))
    }
}

fn bind_address(text: &str) -> Result<Bind, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Bind {
            ip: address.ip(),
            port: Some(address.port()),
        });
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => Ok(Bind { ip, port: None }),
        Err(_) => Err("expected an IP address, with or without a port".into()),
    }
}

fn host(name: &str) -> Result<Host, String> {
    Host::new(name).map_err(|_| "expected a host name".into())
}

fn profile(name: &str) -> Result<&'static Profile, String> {
    let names = || Profile::all().iter().map(Profile::name).collect::<Vec<_>>();
    Profile::named(name).ok_or_else(|| format!("there are {}", names().join(", ")))
}

fn password(text: &str) -> Result<Secret<String>, String> {
    Ok(Secret::new(text.to_owned()))
}

fn port_range(text: &str) -> Result<(u16, u16), String> {
    let parse = |s: &str| s.trim().parse::<u16>().map_err(|e| e.to_string());
    let (first, last) = text
        .split_once('-')
        .ok_or("expected FIRST-LAST, for instance 40000-40100")?;
    let range = (parse(first)?, parse(last)?);
    if range.0 == 0 || range.0 >= range.1 {
        return Err("the first port must be above 0 and below the last".into());
    }
    Ok(range)
}

/// A duration in seconds, or with a unit: 10, 1.5s, 40ms, 2m.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number
        .trim()
        .parse()
        .map_err(|_| format!("'{number}' is no number"))?;
    let seconds = match unit {
        "" | "s" => number,
        "ms" => number / 1000.0,
        "m" | "min" => number * 60.0,
        other => return Err(format!("unknown unit '{other}', use ms, s or m")),
    };
    if !(0.0..=86_400.0).contains(&seconds) {
        return Err("must lie between 0 and 24 hours".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A share: 5%, 0.05.
fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    let share = number
        .trim()
        .parse::<f64>()
        .map_err(|_| format!("'{text}' is no share"))?
        / scale;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err("must lie between 0 and 100%".into())
    }
}

fn digits(text: &str) -> Result<String, String> {
    match text
        .chars()
        .find(|c| tipring::Digit::from_char(*c).is_none())
    {
        Some(odd) => Err(format!("'{odd}' is no digit (0-9, *, #, A-D)")),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn times_and_shares_are_read_with_and_without_units() {
        assert_eq!(duration("40ms"), Ok(Duration::from_millis(40)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("-1").is_err() && duration("5 years").is_err());
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("0.05"), Ok(0.05));
        assert!(share("500").is_err());
    }

    #[test]
    fn bind_takes_an_address_with_or_without_a_port() {
        let address = |text| bind_address(text).unwrap().or_port(5060).to_string();
        assert_eq!(address("127.0.0.1"), "127.0.0.1:5060");
        assert_eq!(address("127.0.0.1:0"), "127.0.0.1:0");
        assert_eq!(address("[::1]:5070"), "[::1]:5070");
        assert_eq!(address("::1"), "[::1]:5060");
        assert!(bind_address("nowhere").is_err());
        assert_eq!(port_range("40000-40010"), Ok((40000, 40010)));
        assert!(port_range("9-3").is_err());
    }
}
