//! Scripted providers with faults and replay of recordings: for the demo, tests, benches and rehearsals.
