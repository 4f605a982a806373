//! A phone: the SIP provider paired with the media engine and its terminals
