//! The file as written: a tree with places, then the same tree with every value read by the schema.

mod data;
mod interpolate;
mod read;
mod tree;
mod trend;
mod value;

pub(crate) use data::{Data, Field, Layers, Section};
pub(crate) use read::{Reader, nearest, quoted};
pub(crate) use tree::{Kind, Node, parse};
pub(crate) use trend::Trend;
