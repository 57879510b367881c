//! Now and then another is asked first, to see how it does.
//!
//! Strategies that follow what they measure stop measuring what they leave: a target that was slow once would stay so for
//! ever. The cost of looking is bounded twice: by a share of requests and, under `fastest`, by time too, so that neither
//! a busy nor a quiet route sends more than it takes. One that is out waits for a probe, and so comes by this way too.

use super::{Entrant, Scene, to_front};

/// Share of first attempts that `fastest` spends so.
const SHARE: f64 = 0.02;
/// Seconds after which a target is looked at again.
const IDLE: f64 = 10.0;

/// Of those that are clearly worse than the best and idle, the one unheard of for longest. `ranked` is in order of load;
/// this only moves the shares, and says whom to put first this time.
pub(super) fn unheard(scene: &Scene<'_>, ranked: &mut [Entrant], tolerance: f64) -> Option<usize> {
    let best = ranked.first()?.load;
    let idle = |it: &Entrant| {
        let row = scene.view.rows.get(it.at)?;
        let idle = row.pace.idle.unwrap_or(f64::INFINITY);
        let is_passed_over = it.weight > 0.0 && it.load * (1.0 - tolerance) > best;
        (is_passed_over && row.in_flight == 0 && idle >= IDLE).then_some(idle)
    };
    let candidates = ranked.iter().enumerate().filter_map(|(place, it)| Some((place, idle(it)?)));
    let (place, _) = candidates.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    for it in ranked.iter_mut() {
        it.share *= 1.0 - SHARE;
    }
    let it = ranked.get_mut(place)?;
    it.share += SHARE;
    (scene.seed.draw("explore").unit() < SHARE).then_some(it.at)
}

/// Any of those that have no share, by weight: gives them this one, and puts one of them first if it is its time.
pub(super) fn any(scene: &Scene<'_>, field: &mut [Entrant], share: f64) {
    let weights: f64 = field.iter().filter(|it| it.share <= 0.0).map(|it| it.weight).sum();
    if share <= 0.0 || weights <= 0.0 {
        return;
    }
    let is_time = scene.seed.draw("explore").unit() < share;
    let mut point = scene.seed.draw("explored").unit() * weights;
    let mut explored = None;
    for (place, it) in field.iter_mut().enumerate() {
        if it.share > 0.0 {
            it.share *= 1.0 - share;
        } else if it.weight > 0.0 {
            it.share = share * it.weight / weights;
            if point >= 0.0 {
                explored = Some(place);
            }
            point -= it.weight;
        }
    }
    if let Some(explored) = explored.filter(|_| is_time) {
        to_front(field, explored);
    }
}
