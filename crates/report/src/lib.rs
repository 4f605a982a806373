//! Evidence of a call from its trace: JSON, HTML, pcap
