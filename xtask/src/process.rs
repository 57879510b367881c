//! CPU time and memory of a running system, read from `/proc`: the sum over a process and its descendants.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// A process and those below it, as found when it was looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProcessTree {
    pids: Vec<u32>,
}

impl ProcessTree {
    /// The process and everything it has started so far.
    pub(crate) fn of(root: u32) -> Self {
        let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter_map(|pid| Some((pid, Stat::read(pid)?.parent)))
            .collect();
        let mut pids = vec![root];
        let mut next = 0;
        while let Some(parent) = pids.get(next).copied() {
            pids.extend(parents.iter().filter(|(_, above)| *above == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        Self { pids }
    }

    /// User and system time used so far; exact to the kernel's clock tick.
    pub(crate) fn cpu(&self, ticks_per_second: u64) -> Duration {
        let ticks: u64 = self.pids.iter().filter_map(|pid| Stat::read(*pid)).map(|stat| stat.ticks).sum();
        Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64)
    }

    /// Resident memory in MiB. Pages shared between the processes are counted for each.
    pub(crate) fn resident_mib(&self) -> f64 {
        let kib: u64 = self.pids.iter().filter_map(|pid| resident_kib(*pid)).sum();
        kib as f64 / 1024.0
    }
}

struct Stat {
    parent: u32,
    ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The fields after the command, which stands in brackets and may hold anything: `state ppid …`, with `utime`
    /// and `stime` the 12th and 13th (proc(5) fields 14 and 15).
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self { parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
    }
}

fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Clock ticks in a second, the unit of CPU time in `/proc`; 100 where the system does not say.
pub(crate) fn ticks_per_second() -> u64 {
    let output = Command::new("getconf").arg("CLK_TCK").output().ok();
    output.and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok()).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_with_odd_commands_are_read() {
        let stat = Stat::parse("42 (a) b (c) S 7 42 42 0 -1 4194304 1 2 3 4 150 25 0 0 20 0 1 0 5 6 7").unwrap();
        assert_eq!((stat.parent, stat.ticks), (7, 175));
        assert!(Stat::parse("42 (x) S").is_none());
    }

    #[test]
    fn this_process_is_somewhere() {
        let tree = ProcessTree::of(std::process::id());
        assert!(tree.resident_mib() > 0.5);
    }
}
