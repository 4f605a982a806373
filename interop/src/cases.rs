//! The cases, in the order of the table.

mod baresip;
mod digits;
mod failures;
mod ffmpeg;
mod kamailio;
mod linphone;
mod office;
mod ours;
mod phones;
mod secured;
mod sipp;
mod transfers;
mod wire;

use crate::case::Case;

/// Every case.
pub(crate) const ALL: &[Case] = &[
    sipp::CALLS_ECHO,
    sipp::CALLS_PLAYING,
    sipp::CALLS_ODDLY,
    sipp::CALLED_ECHO,
    sipp::CALLED_PLAYING,
    sipp::CALLED_IPV6,
    sipp::ASKS,
    sipp::ASKED,
    baresip::CALLS,
    baresip::CALLED_PCMU,
    baresip::CALLED_PCMA,
    baresip::CALLED_L16,
    phones::RINGS,
    phones::EARLY,
    phones::RINGS_THEN_EARLY,
    phones::DECLINES,
    phones::IS_BUSY,
    phones::WE_DECLINE,
    phones::HOLDS,
    phones::HOLDS_OUR_CALL,
    secured::CALLS,
    secured::CALLS_OPTIONAL,
    secured::CALLED,
    secured::CALLED_OPTIONAL,
    ffmpeg::SENDS,
    ffmpeg::RECEIVES,
    linphone::CALLED,
    linphone::HOLDS,
    linphone::DIGITS,
    linphone::CALLED_SRTP,
    linphone::RINGS_RELIABLY,
    office::CALLED,
    office::CALLS,
    office::BARESIP_CALLED,
    office::BARESIP_CALLS,
    transfers::WE_TRANSFER_BARESIP,
    transfers::BARESIP_TRANSFERS_US,
    transfers::LINPHONE_TRANSFERS_US,
    digits::TO_BARESIP,
    digits::FROM_BARESIP,
    digits::FROM_SIPP,
    digits::TO_SIPP,
    failures::WE_CANCEL,
    failures::CALLER_CANCELS,
    failures::REFUSED,
    failures::NO_ANSWER,
    failures::NOBODY_THERE,
    failures::SIPP_VANISHES,
    failures::BARESIP_VANISHES,
    kamailio::ASKED,
    kamailio::REGISTERS,
    kamailio::REGISTERS_TCP,
    kamailio::WRONG_PASSWORD,
    kamailio::CONNECTS,
    kamailio::CONNECTS_TCP,
    kamailio::CONNECTS_BOTH,
    kamailio::CONNECTS_TLS,
    kamailio::FORKS,
    wire::TSHARK_AGREES,
    wire::TSHARK_AGREES_ON_LOSS,
];
