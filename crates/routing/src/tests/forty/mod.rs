//! The forty failover scenarios that were seen in the field, by number.
//!
//! Where our answer differs from the product a scenario was seen at, the test says ours.
//!
//! | no. | scenario | covered by |
//! |---|---|---|
//! | 1-4 | a primary with all the weight answers 500, 429, 401, or not at all | `outages::s01_to_s04_…`; the first call is served too |
//! | 5, 6 | replicas learn of an outage from each other | not here: health between instances is the shared store's |
//! | 7 | one failure inside one request | `requests::s07_…` |
//! | 8 | a target that is always late, many retries | `requests::s08_…` |
//! | 9 | 25 failures in a row | `outages::s09_…` |
//! | 10 | nothing is sent inside the time out | `outages::s10_…` |
//! | 11 | a host that cannot be reached | `outages::s11_…` |
//! | 12 | a prompt that is too long | `requests::s12_…`, `classes::a_longer_prompt_goes_to_a_larger_window_only` |
//! | 13 | a content filter | `requests::s13_…` |
//! | 14 | no other target, and the time is up | `requests::s14_…`; its status and its stream are the engine's, see `tests/sdk/test_races.py` |
//! | 15 | a caller hangs up | `requests::s15_…`; that the upstream is closed, `tests/sdk/test_streams.py` |
//! | 16 | weights 1 : 0 | `shares::weights_hold_within_a_point` |
//! | 17 | the cheapest, whatever the weights | with the strategy `cheapest` |
//! | 18 | a target capped at one token a minute | `limits::s18_…` |
//! | 19 | the fastest meets a dead target once | with the strategy `fastest` |
//! | 20 | a long stream holds one of four | with the strategy `least-busy` |
//! | 21 | one target's breaker is its own | `outages::s21_…`; how soon it opens is a setting of the route |
//! | 22 | rate limits are no failures | `limits::s22_…` |
//! | 23 | failures of the second target count too | `outages::s23_…` |
//! | 24 | a caller cannot bench a target | by construction: `observe` is told nothing that a caller wrote but hashes, `requests::s24_…` |
//! | 25 | an error as the first event | to routing any failure before the first token, `classes::one_failing_target`; the rest, `tests/sdk/test_pools.py` |
//! | 26, 27 | an answer that breaks off is continued, and its usage summed | `classes::an_answer_that_breaks_off_…`; the rest, `tests/sdk/test_resume.py` |
//! | 28 | A falls back to B and B to A | a route is a list, not a graph; `requests::s28_s29_…` |
//! | 29 | a target that is listed twice | `requests::s28_s29_…` |
//! | 30 | all fail | `scenarios::all_failing_tells_the_last_answer_of_a_provider` |
//! | 31 | ids of files and batches stay with their provider | not here: with what is passed through |
//! | 32 | a time out that is over is forgotten | `limits::s32_…` |
//! | 33 | a route with one target | `outages::s33_…`; its breaker opens like any other's |
//! | 34 | Retry-After 20, then 50, with 60 s | `scenarios::a_wait_beyond_the_deadline_is_not_begun` |
//! | 35 | Retry-After 5 | `scenarios::a_target_out_for_a_limit_is_back_when_it_ends` |
//! | 36 | a refused key waits for a probe, a limited one does not | `limits::s36_…` |
//! | 37 | two tiers | `requests::s37_…` |
//! | 38 | a warm target that is limited | `affinity::s38_a_conversation_that_must_move_stays_where_it_went` |
//! | 39 | every breaker is open | `outages::s39_…`; a fast answer that says why, and one probe |
//! | 40 | a refusal of the request benches nobody | `requests::s40_…` |

mod limits;
mod outages;
mod requests;
