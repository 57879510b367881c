//! What Redis runs for us, and how it gets to know it: with each connection, so that no request pays for that.

use redis::aio::MultiplexedConnection;

pub(super) const BEAT: &str = include_str!("beat.lua");
pub(super) const OUTAGES: &str = include_str!("outages.lua");
pub(super) const RESERVE: &str = include_str!("reserve.lua");
pub(super) const SETTLE: &str = include_str!("settle.lua");
pub(super) const STANDING: &str = include_str!("standing.lua");

/// Tells Redis all of them. One that it does not take, or forgets, is told again by whoever needs it.
pub(super) async fn load(connection: &mut MultiplexedConnection) {
    let mut lines = redis::pipe();
    for script in [BEAT, OUTAGES, RESERVE, SETTLE, STANDING] {
        lines.cmd("SCRIPT").arg("LOAD").arg(script).ignore();
    }
    if let Err(error) = lines.query_async::<()>(connection).await {
        tracing::debug!(why = super::link::described(&error), "state.shared does not take scripts beforehand");
    }
}
