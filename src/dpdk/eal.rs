//! The environment abstraction layer: started once per process, used by registered threads.
//!
//! Owns the argument list (with or without hugepages, which devices may be probed), the detection
//! of free hugepages, and [`EalThread`], the proof that a thread may allocate buffers. Threads are
//! made and pinned by the caller; EAL gets one lcore of its own for the thread that starts it.
//!
//! *Invariants*: an [`Eal`] exists only after `rte_eal_init` succeeded, at most one per process.
//! The CPU affinity of the thread that starts it is the same before and after.
//! *Standards*: DPDK Linux guide, "EAL parameters". `--no-huge` with `--in-memory` is fatal in
//! 22.11, so without hugepages the files are avoided by `--no-shconf` instead.

use super::failure::{Failure, take_log};
use super::mbuf::Mbuf;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering};
use std::ffi::{CStr, CString};
use std::path::Path;

/// Memory EAL and the drivers need beside the packet buffers, in MiB.
pub const OVERHEAD_MIB: u32 = 64;

/// How EAL shall start.
#[derive(Clone, Debug, Default)]
pub struct EalOptions {
    /// CPUs of the thread that starts EAL and of EAL's own threads; empty: those it may use now.
    pub main_cpus: Vec<u16>,
    /// Use hugepages; `None`: where enough are free.
    pub hugepages: Option<bool>,
    /// Memory for packet buffers, in MiB; [`OVERHEAD_MIB`] is added.
    pub memory_mib: u32,
    /// Name of this router among the DPDK processes of the machine.
    pub file_prefix: String,
    /// PCI devices are wanted now or later. Off keeps EAL from looking at the bus at all.
    pub has_pci: bool,
    /// PCI addresses that may be probed; others stay untouched.
    pub pci_allowed: Vec<String>,
    /// Further arguments, after ours.
    pub eal_args: Vec<String>,
    /// Messages of EAL and the drivers go to stderr.
    pub is_verbose: bool,
}

/// Why EAL did not start.
#[derive(Debug, thiserror::Error)]
pub enum EalError {
    /// It starts once per process, also when that failed.
    #[error("DPDK was started in this process before; restart the router")]
    AlreadyStarted,
    /// Hugepages were asked for and are not there.
    #[error(
        "{wanted_mib} MiB of hugepages wanted, {free_mib} MiB free; \
         reserve them (`sysctl vm.nr_hugepages=…`) or set `dpdk.hugepages = false`"
    )]
    Hugepages {
        /// MiB needed.
        wanted_mib: u64,
        /// MiB free.
        free_mib: u64,
    },
    /// An argument with a zero octet inside.
    #[error("the EAL argument {0:?} contains a zero octet")]
    Argument(String),
    /// DPDK's own refusal.
    #[error("DPDK does not start with `{arguments}`: {failure}")]
    Refused {
        /// The argument list.
        arguments: String,
        /// What DPDK said.
        failure: Failure,
    },
    /// The fields of packet buffers that are free for applications are taken.
    #[error("DPDK has no room in its packet buffers for what the router notes there: {0}")]
    Fields(Failure),
    /// The thread could not be registered.
    #[error("DPDK cannot take another thread: {0}")]
    Thread(Failure),
    /// CPU affinity could not be read or restored.
    #[error("CPU affinity: {0}")]
    Affinity(#[from] std::io::Error),
}

/// Proof that EAL runs; one per process.
#[derive(Debug)]
pub struct Eal {
    has_hugepages: bool,
}

/// Set by the first attempt.
static IS_STARTED: AtomicBool = AtomicBool::new(false);

impl Eal {
    /// Starts EAL.
    pub fn init(options: &EalOptions) -> Result<Self, EalError> {
        let has_hugepages = choose_hugepages(options)?;
        let affinity = rustix::thread::sched_getaffinity(None).map_err(std::io::Error::from)?;
        let cpus = if options.main_cpus.is_empty() {
            (0..1024).filter(|cpu| affinity.is_set(usize::from(*cpu))).collect()
        } else {
            options.main_cpus.clone()
        };
        let arguments = arguments(options, &cpus, has_hugepages);
        let mut strings = Vec::with_capacity(arguments.len());
        for argument in &arguments {
            let string = CString::new(argument.as_str());
            strings.push(string.map_err(|_| EalError::Argument(argument.clone()))?);
        }
        if IS_STARTED.swap(true, Ordering::AcqRel) {
            return Err(EalError::AlreadyStarted);
        }
        // EAL keeps the pointers and permutes them: strings and array stay for the whole process.
        let argv: Vec<_> = strings.into_iter().map(CString::into_raw).collect();
        let argv = Vec::leak(argv);
        let count = i32::try_from(argv.len()).unwrap_or(i32::MAX);
        // SAFETY: opens a stdio stream and hands it to DPDK's logger; called once, before EAL
        // starts.
        unsafe { dpdk_sys::kumiki_log_open(i32::from(options.is_verbose)) };
        // SAFETY: `argv` holds `count` pointers to strings that live for the whole process.
        let result = unsafe { dpdk_sys::rte_eal_init(count, argv.as_mut_ptr()) };
        let failure = (result < 0).then(Failure::from_errno);
        rustix::thread::sched_setaffinity(None, &affinity).map_err(std::io::Error::from)?;
        match failure {
            Some(failure) => Err(EalError::Refused { arguments: arguments.join(" "), failure }),
            None => {
                // What a successful start has to say explains no later failure.
                take_log();
                Mbuf::reserve_meta().map_err(EalError::Fields)?;
                Ok(Self { has_hugepages })
            }
        }
    }

    /// Whether buffers live in hugepages.
    pub const fn has_hugepages(&self) -> bool {
        self.has_hugepages
    }
}

/// DPDK's name and version, as linked.
pub fn version() -> String {
    // SAFETY: gives a string that is never freed or changed after the first call.
    let text = unsafe { CStr::from_ptr(dpdk_sys::rte_version()) };
    text.to_string_lossy().into_owned()
}

/// The time-stamp counter: what cycles are measured with.
#[inline]
pub fn cycles() -> u64 {
    // SAFETY: reads a register.
    unsafe { dpdk_sys::kumiki_cycles() }
}

/// Cycles of [`cycles`] in one second.
pub fn cycles_per_second(_eal: &Eal) -> u64 {
    // SAFETY: reads a variable that EAL has set at its start.
    unsafe { dpdk_sys::rte_get_tsc_hz() }
}

/// A thread that EAL knows: it has an lcore id, and thereby a cache in every pool. Made on the
/// thread it speaks for and bound to it; dropping it gives the lcore id back.
#[derive(Debug)]
pub struct EalThread {
    /// Registration belongs to one thread: neither `Send` nor `Sync`.
    bound: PhantomData<*const ()>,
}

impl EalThread {
    /// Registers the calling thread, which the caller has pinned already.
    pub fn register(_eal: &Eal) -> Result<Self, EalError> {
        // SAFETY: EAL runs, which `_eal` proves.
        let result = unsafe { dpdk_sys::rte_thread_register() };
        if result < 0 {
            return Err(EalError::Thread(Failure::from_errno()));
        }
        Ok(Self { bound: PhantomData })
    }

    /// The number EAL gave this thread.
    pub fn lcore_id(&self) -> u32 {
        // SAFETY: reads a thread-local variable.
        unsafe { dpdk_sys::kumiki_lcore_id() }
    }
}

impl Drop for EalThread {
    fn drop(&mut self) {
        // SAFETY: the thread is registered and this is the same thread, as the type is not `Send`.
        unsafe { dpdk_sys::rte_thread_unregister() }
    }
}

/// MiB of hugepages that are free, all sizes together.
pub fn free_hugepages_mib() -> u64 {
    free_hugepages_in(Path::new("/sys/kernel/mm/hugepages"))
}

fn free_hugepages_in(folder: &Path) -> u64 {
    let Ok(sizes) = std::fs::read_dir(folder) else { return 0 };
    let mib = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        let size_kib: u64 =
            name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let free = std::fs::read_to_string(entry.path().join("free_hugepages")).ok()?;
        Some(free.trim().parse::<u64>().ok()?.saturating_mul(size_kib) / 1024)
    };
    sizes.flatten().filter_map(mib).sum()
}

fn choose_hugepages(options: &EalOptions) -> Result<bool, EalError> {
    let wanted_mib = u64::from(options.memory_mib) + u64::from(OVERHEAD_MIB);
    let free_mib = free_hugepages_mib();
    match options.hugepages {
        Some(true) if free_mib < wanted_mib => Err(EalError::Hugepages { wanted_mib, free_mib }),
        Some(choice) => Ok(choice),
        None => Ok(free_mib >= wanted_mib),
    }
}

/// The argument list; what the operator gives as an argument of his own replaces ours.
fn arguments(options: &EalOptions, cpus: &[u16], has_hugepages: bool) -> Vec<String> {
    let theirs = |names: &[&str]| {
        options.eal_args.iter().any(|argument| {
            let name = argument.split('=').next().unwrap_or(argument);
            names.contains(&name)
        })
    };
    let mut list = vec!["kumiki".to_owned()];
    let mut add = |words: &[&str]| list.extend(words.iter().map(|word| (*word).to_owned()));
    if !theirs(&["-l", "-c", "--lcores"]) {
        let cpus: Vec<_> = cpus.iter().map(u16::to_string).collect();
        add(&["--lcores", &format!("0@({})", cpus.join(","))]);
    }
    if !options.file_prefix.is_empty() && !theirs(&["--file-prefix"]) {
        add(&["--file-prefix", &options.file_prefix]);
    }
    add(&["--no-telemetry"]);
    if !theirs(&["--no-huge", "--in-memory"]) {
        add(if has_hugepages { &["--in-memory"] } else { &["--no-huge", "--no-shconf"] });
    }
    if !theirs(&["-m", "--socket-mem"]) {
        add(&["-m", &(options.memory_mib + OVERHEAD_MIB).to_string()]);
    }
    if !theirs(&["--no-pci", "-a", "--allow", "-b", "--block"]) {
        if options.has_pci {
            // An allow list with nothing useful on it keeps EAL from taking NICs it was not given.
            let nothing = ["0000:00:00.0".to_owned()];
            let allowed = &options.pci_allowed;
            for address in if allowed.is_empty() { &nothing[..] } else { allowed } {
                add(&["-a", address]);
            }
        } else {
            add(&["--no-pci"]);
        }
    }
    add(&options.eal_args.iter().map(String::as_str).collect::<Vec<_>>());
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_hugepages_nothing_is_shared_and_in_memory_is_absent() {
        let options = EalOptions { memory_mib: 100, ..EalOptions::default() };
        let text = arguments(&options, &[0, 2], false).join(" ");
        assert_eq!(
            text,
            "kumiki --lcores 0@(0,2) --no-telemetry --no-huge --no-shconf -m 164 --no-pci"
        );
    }

    #[test]
    fn arguments_of_the_operator_replace_ours() {
        let options = EalOptions {
            memory_mib: 100,
            has_pci: true,
            eal_args: ["-m", "512", "--lcores=0@3", "-a", "0000:01:00.0"].map(String::from).into(),
            ..EalOptions::default()
        };
        let text = arguments(&options, &[0], true).join(" ");
        assert_eq!(text, "kumiki --no-telemetry --in-memory -m 512 --lcores=0@3 -a 0000:01:00.0");
    }

    #[test]
    fn free_hugepages_of_all_sizes_are_added() {
        let folder = tempfile::tempdir().unwrap();
        for (name, free) in [("hugepages-2048kB", "10\n"), ("hugepages-1048576kB", "1\n")] {
            let size = folder.path().join(name);
            std::fs::create_dir(&size).unwrap();
            std::fs::write(size.join("free_hugepages"), free).unwrap();
        }
        assert_eq!(free_hugepages_in(folder.path()), 20 + 1024);
        assert_eq!(free_hugepages_in(Path::new("/nonexistent")), 0);
    }
}
