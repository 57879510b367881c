//! What is as usual is not written down: records are kept by the million. For serde's `default` and `skip_serializing_if`.

/// Is it what a reader takes it for when it is not there?
pub fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A share that is usually all: 1.
#[must_use]
pub const fn all() -> f64 {
    1.0
}

/// Is a share [`all`]?
#[must_use]
pub const fn is_all(share: &f64) -> bool {
    share.to_bits() == all().to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_all() {
        assert!(is_all(&1.0) && !is_all(&0.999) && !is_all(&f64::NAN));
        assert!(is_usual(&0_u64) && is_usual(&Some(1).filter(|_| false)) && !is_usual(&"x".to_owned()));
    }
}
