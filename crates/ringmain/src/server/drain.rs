//! How far the process is on its way out.

use tokio::sync::watch;

/// The stages of going out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// In service.
    Serving,
    /// Nothing new is taken; what is running goes on.
    Draining,
    /// The grace is over: what is still running ends now, with an error its caller can read.
    Ending,
}

/// Watches the stage.
#[derive(Debug, Clone)]
pub(crate) struct Drain(watch::Receiver<Stage>);

impl Drain {
    /// A stage to move, and what watches it.
    pub(crate) fn new() -> (watch::Sender<Stage>, Self) {
        let (sender, receiver) = watch::channel(Stage::Serving);
        (sender, Self(receiver))
    }

    /// Waits for a stage, or a later one.
    pub(crate) async fn reached(&mut self, stage: Stage) {
        // The sender lives as long as the process serves.
        let _ = self.0.wait_for(|now| *now >= stage).await;
    }

    /// Where it stands.
    pub(crate) fn stage(&self) -> Stage {
        *self.0.borrow()
    }
}
