//! Real mail and syslog servers.
