//! Where values come from that are not in the file.

/// The environment and the files a configuration may refer to.
pub trait Sources {
    /// The environment variable of this name; `None` where it is unset or no text.
    fn var(&self, name: &str) -> Option<String>;

    /// The text of a file that holds a secret.
    ///
    /// # Errors
    /// Why it cannot be read, in a few words ("no such file"), without anything of its content.
    fn file(&self, path: &str) -> Result<String, String>;
}
