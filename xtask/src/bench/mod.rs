//! stub
use anyhow::Result;
use clap::Args;
#[derive(Args)]
pub(crate) struct Options {}
pub(crate) fn command(_options: &Options) -> Result<bool> {
    Ok(true)
}
