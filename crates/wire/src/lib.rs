//! Sans-IO framers for streamed answers, and the JSON span index with byte splices.
pub mod json {
    #![allow(missing_docs)]
    pub struct Object<'a>(pub &'a [u8]);
}
