//! One codec for each provider dialect, all meeting in one intermediate representation.
