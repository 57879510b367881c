//! Connections of a world: pipes to its simulator.

use std::time::Duration;

use ringmain_provider_sim::MemorySim;
use ringmain_upstream::{Dial, Dialed, Io, Origin};

/// Dials the simulator, whatever the host.
#[derive(Debug)]
pub struct Pipes(pub MemorySim);

impl Dial for Pipes {
    fn dial<'a>(&'a self, _: &'a Origin, _: Duration) -> Dialed<'a> {
        Box::pin(async move { Ok(Box::new(self.0.connect()) as Box<dyn Io>) })
    }
}
