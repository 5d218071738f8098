//! Which CPUs do what.
//!
//! Owns the choice of worker CPUs (configured, else isolated, else the last allowed one) and of
//! the CPUs for everything else.

use crate::daemon::error::RunError;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the kernel lists the CPUs that its scheduler leaves alone.
const ISOLATED: &str = "/sys/devices/system/cpu/isolated";

/// The CPUs of the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuPlan {
    /// One for each worker.
    pub workers: Vec<u16>,
    /// For all other threads; those of the workers where there are no others.
    pub others: Vec<u16>,
}

/// Chooses the CPUs; `wanted` are those of the configuration.
pub fn plan(wanted: &[u16]) -> Result<CpuPlan, RunError> {
    let allowed = allowed().map_err(RunError::system("read the CPU affinity"))?;
    let isolated = parse_list(&std::fs::read_to_string(ISOLATED).unwrap_or_default());
    choose(wanted, &isolated, &allowed)
}

fn choose(wanted: &[u16], isolated: &[u16], allowed: &[u16]) -> Result<CpuPlan, RunError> {
    // Isolated CPUs are outside the affinity that processes inherit, and may be used all the same.
    let is_usable = |cpu: &u16| allowed.contains(cpu) || isolated.contains(cpu);
    if let Some(cpu) = wanted.iter().find(|cpu| !is_usable(cpu)) {
        return Err(RunError::Cpu { cpu: *cpu, allowed: format_list(allowed) });
    }
    let workers = match (wanted, isolated) {
        ([], []) => allowed.last().copied().into_iter().collect(),
        ([], isolated) => isolated.to_vec(),
        (wanted, _) => wanted.to_vec(),
    };
    let rest: Vec<u16> = allowed.iter().copied().filter(|cpu| !workers.contains(cpu)).collect();
    let others = if rest.is_empty() { workers.clone() } else { rest };
    Ok(CpuPlan { workers, others })
}

/// The CPUs this process may use.
fn allowed() -> std::io::Result<Vec<u16>> {
    let set = sched_getaffinity(None)?;
    let cpus = (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu));
    Ok(cpus.filter_map(|cpu| u16::try_from(cpu).ok()).collect())
}

/// Binds the calling thread, and those it makes from now on, to `cpus`.
pub fn bind(cpus: &[u16]) -> std::io::Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(usize::from(*cpu)));
    Ok(sched_setaffinity(None, &set)?)
}

/// CPU numbers as the kernel writes them: `1,4-7`. What is no number is skipped.
pub fn parse_list(text: &str) -> Vec<u16> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            cpus.extend(first..=last);
        }
    }
    cpus
}

fn format_list(cpus: &[u16]) -> String {
    cpus.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_kernel_are_read() {
        assert_eq!(parse_list("1,4-7\n"), [1, 4, 5, 6, 7]);
        assert_eq!(parse_list("\n"), [0_u16; 0]);
        assert_eq!(parse_list("3-x,2"), [2]);
    }

    #[test]
    fn workers_are_the_configured_else_the_isolated_else_the_last_one() {
        let plan = |wanted: &[u16], isolated: &[u16]| choose(wanted, isolated, &[0, 1, 2]);
        assert_eq!(plan(&[], &[]).unwrap(), CpuPlan { workers: vec![2], others: vec![0, 1] });
        assert_eq!(plan(&[], &[3, 4]).unwrap().workers, [3, 4]);
        assert_eq!(plan(&[1], &[3]).unwrap(), CpuPlan { workers: vec![1], others: vec![0, 2] });
        assert_eq!(plan(&[0, 1, 2], &[]).unwrap().others, [0, 1, 2]);
    }

    #[test]
    fn a_cpu_that_may_not_be_used_is_named_with_those_that_may() {
        let error = choose(&[9], &[], &[0, 1]).unwrap_err().to_string();
        assert!(error.contains("CPU 9") && error.contains("allowed: 0,1"), "{error}");
    }
}
