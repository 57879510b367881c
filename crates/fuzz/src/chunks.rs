//! One input, two arrivals: whole, and in pieces whose lengths the input itself draws.

use bytes::Bytes;

/// Takes the first byte as a draw and cuts the rest into pieces by it.
pub(crate) fn pieces(data: &[u8]) -> (Bytes, Vec<Bytes>) {
    let Some((draw, body)) = data.split_first() else { return (Bytes::new(), Vec::new()) };
    let whole = Bytes::copy_from_slice(body);
    let mut state = u32::from(*draw);
    let mut pieces = Vec::new();
    let mut rest = whole.clone();
    while !rest.is_empty() {
        // The constants of Numerical Recipes' generator; any would do.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let most = 1 + usize::from(*draw) / 4;
        let len = (1 + (state >> 16) as usize % most).min(rest.len());
        pieces.push(rest.split_to(len));
    }
    (whole, pieces)
}
