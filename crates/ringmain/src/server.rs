//! Listeners, worker threads, drain.
//!
//! One thread accepts; each worker has a runtime of its own and the provider connections that go with it, so that a
//! request lives on one thread. A new connection goes to the worker with the fewest.

mod connection;
mod drain;
mod files;
mod worker;

pub(crate) use connection::probe;
pub(crate) use drain::{Drain, Stage};
pub(crate) use files::raise_open_files;
pub(crate) use worker::Workers;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Connections waiting to be accepted.
const BACKLOG: u32 = 4096;

/// Opens a listening socket.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { tokio::net::TcpSocket::new_v4()? } else { tokio::net::TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until the drain ends: while streams finish, whoever asks must still hear that this process is not ready.
/// Running out of file descriptors is waited out, not died of.
pub(crate) async fn accept(listener: TcpListener, workers: &Workers, mut drain: Drain) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.reached(Stage::Ending) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => workers.give(stream),
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}
