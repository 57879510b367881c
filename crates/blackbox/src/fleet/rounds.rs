//! Peace and trouble in turns. What a busy machine does by itself comes and goes; what a store that is out costs requests
//! comes with it every time. So where one round does not tell, two of three do.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::load::Part;

/// How much slower the slowest of a hundred may be while a store is out.
const SLOWER_MAX: Duration = Duration::from_millis(5);
/// Answers of which a p99 can be told: of fewer it is chance, and the p90 is looked at. It tells whether requests wait for
/// what is out, and nothing finer.
const SAMPLES: i64 = 2000;
const SLOWER_MAX_OF_FEW: Duration = Duration::from_millis(100);
const BUSY_OF_FEW: Duration = Duration::from_millis(50);
/// A build or a machine on which the slowest of a hundred takes so long at peace says nothing of 5 ms in one round: the
/// release build takes a third of it.
const BUSY: Duration = Duration::from_millis(15);
/// And where it takes so many times as long there is no room for what is asked: the slowest tell nothing, and the others may
/// take twice as long. Who waits for a server that is out waits longer.
const OVERLOADED: u32 = 3;
/// Rounds that agree decide.
const AGREEING: usize = 2;

/// One look at peace, trouble and peace again. What is normal is seen before and after.
struct Look {
    /// Nobody waited for what was out.
    is_well: bool,
    /// It was quiet enough to believe that of one look.
    is_calm: bool,
    said: String,
}

impl Look {
    fn at(before: &Part, during: &Part, after: &Part) -> Self {
        let few = [before, during, after].iter().any(|part| part.answered() < SAMPLES);
        let (of, slower, busy) = if few { (90, SLOWER_MAX_OF_FEW, BUSY_OF_FEW) } else { (99, SLOWER_MAX, BUSY) };
        let told = |of| [before, during, after].map(|part| part.percentile(of));
        let [half, half_then, half_later] = told(50);
        let [normal, then, later] = told(of);
        let said = format!(
            "p{of} {normal:.1?} before, {then:.1?} meanwhile, {later:.1?} after (p50 {half:.1?}, {half_then:.1?}, \
             {half_later:.1?})"
        );
        let (normal, half) = (normal.max(later), half.max(half_later));
        // Where the slowest are slow by themselves, that all wait is seen in the others.
        let is_well = match normal > OVERLOADED * busy {
            true => half_then <= 2 * half + slower,
            false => then <= normal + slower && half_then <= half + slower,
        };
        Self { is_well, is_calm: normal <= busy, said }
    }
}

/// What cannot be repeated: nobody failed, and where the machine is quiet enough to tell, nobody waited.
pub(super) fn judge(before: &Part, during: &Part, after: &Part) -> Result<String> {
    before.none_failed("before")?;
    during.none_failed("meanwhile")?;
    after.none_failed("after it")?;
    let Look { is_well, is_calm, said } = Look::at(before, during, after);
    if !is_calm {
        return Ok(format!("none of the requests failed; too slow at peace to judge more: {said}"));
    }
    ensure!(is_well, "{said}");
    let count = before.answered() + during.answered() + after.answered();
    Ok(format!("{count} requests, none failed, {said}"))
}

/// What can.
pub(super) struct Rounds {
    /// Peace first and last, trouble and peace in turns between.
    parts: Vec<Part>,
}

impl Rounds {
    /// Begins with peace.
    pub(super) fn new(peace: Part) -> Result<Self> {
        peace.none_failed("before")?;
        Ok(Self { parts: vec![peace] })
    }

    /// One more round.
    pub(super) fn add(&mut self, trouble: Part, peace: Part) -> Result<()> {
        trouble.none_failed("meanwhile")?;
        peace.none_failed("after it")?;
        self.parts.extend([trouble, peace]);
        Ok(())
    }

    /// Requests that were answered in all of them.
    pub(super) fn answered(&self) -> i64 {
        self.parts.iter().map(Part::answered).sum()
    }

    /// What they say. `None`: nothing yet, there is to be another.
    ///
    /// # Errors
    /// Requests were slower while the store was out.
    pub(super) fn verdict(&self) -> Result<Option<String>> {
        let looks: Vec<Look> = self.parts.windows(3).step_by(2).map(|of| Look::at(&of[0], &of[1], &of[2])).collect();
        let said = looks.iter().map(|look| look.said.as_str()).collect::<Vec<_>>().join("; again: ");
        let well = looks.iter().filter(|look| look.is_well).count();
        let is_clear = matches!(&looks[..], [Look { is_well: true, is_calm: true, .. }]);
        if is_clear || well >= AGREEING {
            return Ok(Some(format!("{} requests, none failed, {said}", self.answered())));
        }
        if looks.len() - well >= AGREEING {
            bail!("{said}");
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most take so long, and two of a hundred as much longer as they do when nothing is out.
    fn part(most_ms: u64, slowest_ms: u64) -> Part {
        let time = |at: u64| Duration::from_millis(if at.is_multiple_of(50) { slowest_ms } else { most_ms });
        Part::of((0..2400).map(time).collect())
    }

    fn verdicts(peace: (u64, u64), trouble: &[(u64, u64)]) -> Vec<&'static str> {
        let mut rounds = Rounds::new(part(peace.0, peace.1)).unwrap();
        let verdict = |rounds: &Rounds| match rounds.verdict() {
            Ok(Some(_)) => "passed",
            Ok(None) => "another",
            Err(_) => "failed",
        };
        let mut told = Vec::new();
        for out in trouble {
            rounds.add(part(out.0, out.1), part(peace.0, peace.1)).unwrap();
            told.push(verdict(&rounds));
        }
        told
    }

    #[test]
    fn one_round_tells_on_a_quiet_machine() {
        assert_eq!(verdicts((3, 6), &[(3, 10)]), ["passed"]);
    }

    #[test]
    fn what_comes_once_is_the_machine_and_what_comes_twice_is_not() {
        assert_eq!(verdicts((3, 6), &[(3, 40), (3, 7), (3, 7)]), ["another", "another", "passed"]);
        assert_eq!(verdicts((3, 6), &[(3, 40), (3, 7), (3, 40)]), ["another", "another", "failed"]);
    }

    /// However slow the machine is at peace, that every request waits 20 ms for what is out is seen.
    #[test]
    fn a_busy_machine_is_judged() {
        assert_eq!(verdicts((9, 30), &[(9, 33), (9, 28)]), ["another", "passed"]);
        assert_eq!(verdicts((9, 30), &[(9, 50), (9, 50)]), ["another", "failed"]);
        assert_eq!(verdicts((9, 60), &[(9, 155), (9, 62)]), ["another", "passed"]);
        assert_eq!(verdicts((9, 60), &[(29, 60), (29, 60)]), ["another", "failed"]);
        assert_eq!(verdicts((20, 400), &[(40, 600), (20, 300)]), ["another", "passed"]);
        assert_eq!(verdicts((20, 400), &[(80, 400), (80, 400)]), ["another", "failed"]);
    }

    #[test]
    fn one_request_that_failed_is_enough() {
        let mut failed = part(3, 6);
        failed.failed.push("503".to_owned());
        assert!(Rounds::new(part(3, 6)).unwrap().add(failed, part(3, 6)).is_err());
    }
}
