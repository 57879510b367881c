//! Pure routing decisions: plan, next, observe. No clock, chance, IO, lock or async.
