//! The media service provider over RTP: control core, shards, ports, drivers
