//! The request pipeline: accept, identify, read, inspect, decide, attempt, relay, settle.
