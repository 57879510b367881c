//! What Google wants of a request: a short-lived token, made from whatever this machine or the configuration has.

mod credentials;
mod external;
mod impersonated;
mod jwt;
mod source;
#[cfg(test)]
mod tests;
mod token;

pub use source::GoogleSource;
pub use token::GoogleToken;
