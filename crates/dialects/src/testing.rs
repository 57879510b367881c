//! What the codecs' tests share.
