//! One RTP session without sockets: RTP, RTCP, telephone-event, playout
