//! A telephony service provider for SIP: wire, transport, transaction, dialog, call
