//! The only crate that opens outbound sockets: connect, TLS, pool, exchange.
