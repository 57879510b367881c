//! Providers, models, prices and quirks, as data files and the types that read them.
