//! Network namespaces: a kernel's network stack more, with devices and routes of its own.
//!
//! Owns making, keeping and entering them; what is put inside belongs to the caller. A namespace
//! lives as long as a process is in it or a file is bound to it. [`Namespace::create`] binds it to
//! a path, so that other processes find it and it outlives its maker; [`Namespace::delete`] undoes
//! that.
//!
//! *Invariants*: no function leaves the calling thread in another namespace, except
//! [`enter_user_namespace`] and [`join_user_namespace`], which move the whole process and say so.
//! *Standards*: namespaces(7), user_namespaces(7), setns(2).

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Why a namespace could not be made, entered or deleted.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The kernel refused a step.
    #[error("cannot {action}: {source}")]
    Refused {
        /// What was tried, in words that follow "cannot".
        action: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Only a process with one thread may change its user namespace.
    #[error("cannot enter a user namespace: the process has {thread_count} threads already")]
    Threads {
        /// Threads of this process.
        thread_count: usize,
    },
}

impl NamespaceError {
    fn new(action: impl Into<String>, source: io::Error) -> Self {
        Self::Refused { action: action.into(), source }
    }
}

/// A network namespace held open; clones share the descriptor.
#[derive(Clone, Debug)]
pub struct Namespace {
    file: Arc<File>,
    path: PathBuf,
}

impl Namespace {
    /// Makes a namespace and binds it to `path`, which must not exist.
    pub fn create(path: &Path) -> Result<Self, NamespaceError> {
        let action = || format!("create the network namespace {}", path.display());
        File::create_new(path).map_err(|e| NamespaceError::new(action(), e))?;
        let made = on_a_thread(|| {
            unshare(libc::CLONE_NEWNET)?;
            mount(Path::new("/proc/thread-self/ns/net"), path, libc::MS_BIND)
        });
        if let Err(error) = made {
            // The file is empty and ours; that it stays is no second error.
            let _ = std::fs::remove_file(path);
            return Err(NamespaceError::new(action(), error));
        }
        Self::open(path)
    }

    /// Opens the namespace bound to `path` (also `/proc/PID/ns/net`).
    pub fn open(path: &Path) -> Result<Self, NamespaceError> {
        let file = File::open(path).map_err(|e| {
            NamespaceError::new(format!("open the network namespace {}", path.display()), e)
        })?;
        Ok(Self { file: Arc::new(file), path: path.to_owned() })
    }

    /// The namespace the calling thread is in.
    pub fn current() -> Result<Self, NamespaceError> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// Unbinds the namespace from `path` and removes the file. It ends with its last process.
    pub fn delete(path: &Path) -> Result<(), NamespaceError> {
        let action = || format!("delete the network namespace {}", path.display());
        match unmount(path) {
            // Not a mount point, because a crash came between making the file and binding, or
            // because it was one in a mount namespace that has ended. A mount that is there and may
            // not be undone keeps the file from being removed below.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM)) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(NamespaceError::new(action(), error)),
            Ok(()) => {}
        }
        std::fs::remove_file(path).map_err(|e| NamespaceError::new(action(), e))
    }

    /// Where it is bound.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor, for netlink requests that put a device here.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Runs `work` inside, on a thread of its own. Sockets opened there stay in the namespace.
    pub fn run<T, F>(&self, work: F) -> Result<T, NamespaceError>
    where
        T: Send,
        F: FnOnce() -> T + Send,
    {
        on_a_thread(|| {
            setns(self.fd(), libc::CLONE_NEWNET)?;
            Ok(work())
        })
        .map_err(|e| self.enter_error(e))
    }

    /// Moves the calling thread inside, for the rest of its life. For threads that serve one
    /// namespace.
    pub fn enter(&self) -> Result<(), NamespaceError> {
        setns(self.fd(), libc::CLONE_NEWNET).map_err(|e| self.enter_error(e))
    }

    /// Makes `command` start inside.
    pub fn start_inside(&self, command: &mut Command) {
        let file = Arc::clone(&self.file);
        // SAFETY: between fork and exec the hook only calls setns(2), which is async-signal-safe,
        // on a descriptor that the captured `Arc` keeps open.
        unsafe {
            command.pre_exec(move || setns(file.as_fd(), libc::CLONE_NEWNET));
        }
    }

    fn enter_error(&self, error: io::Error) -> NamespaceError {
        let action = format!("enter the network namespace {}", self.path.display());
        NamespaceError::new(action, error)
    }
}

/// Makes `command` get this signal when the thread that started it ends, unless it changes its user
/// (the kernel forgets the signal then).
pub fn die_with_parent(command: &mut Command, signal: i32) {
    let parent = std::process::id();
    // SAFETY: prctl(2) and getppid(2) are async-signal-safe and take no pointers here.
    unsafe {
        command.pre_exec(move || {
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::c_ulong::from(signal.unsigned_abs())))?;
            // A parent that ended before the call sends nothing any more.
            if libc::getppid().unsigned_abs() == parent {
                Ok(())
            } else {
                Err(io::Error::from(io::ErrorKind::NotFound))
            }
        });
    }
}

/// Makes `command` the leader of a session of its own, out of reach of the terminal's ctrl-C.
pub fn start_detached(command: &mut Command) {
    // SAFETY: setsid(2) is async-signal-safe and takes no pointers.
    unsafe {
        command.pre_exec(|| check(libc::setsid()));
    }
}

/// Makes `command` see the first directory of each pair in place of the second, in a mount
/// namespace of its own.
pub fn mount_over(command: &mut Command, pairs: &[(PathBuf, PathBuf)]) -> io::Result<()> {
    let texts = pairs.iter().map(|(own, system)| Ok((path_text(own)?, path_text(system)?)));
    let pairs = texts.collect::<io::Result<Vec<_>>>()?;
    let root = c"/";
    // SAFETY: between fork and exec the hook calls unshare(2) and mount(2) only, which are
    // async-signal-safe; the strings were made before and are captured.
    unsafe {
        command.pre_exec(move || {
            unshare(libc::CLONE_NEWNS)?;
            mount_text(root, root, libc::MS_REC | libc::MS_PRIVATE)?;
            pairs.iter().try_for_each(|(own, system)| mount_text(own, system, libc::MS_BIND))
        });
    }
    Ok(())
}

/// Makes `command` see the devices of its own network namespace in /sys, in a mount namespace of
/// its own, as `ip netns exec` does. Where the kernel does not allow it, /sys stays as it is.
pub fn mount_own_sys(command: &mut Command) {
    let (root, kind, target) = (c"/", c"sysfs", c"/sys");
    // SAFETY: between fork and exec, or right before exec, the hook calls unshare(2) and mount(2)
    // only, which are async-signal-safe, with terminated strings of the program itself; sysfs reads
    // no data, so null is allowed for it.
    unsafe {
        command.pre_exec(move || {
            unshare(libc::CLONE_NEWNS)?;
            mount_text(root, root, libc::MS_REC | libc::MS_PRIVATE)?;
            let data = std::ptr::null();
            libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, data);
            Ok(())
        });
    }
}

/// Whether this process may make network namespaces as it is.
pub fn may_create_namespaces() -> bool {
    on_a_thread(|| unshare(libc::CLONE_NEWNET)).is_ok()
}

/// Moves the whole process into a new user namespace in which it is root, with mount and network
/// namespaces of its own. Only while the process has one thread.
pub fn enter_user_namespace() -> Result<(), NamespaceError> {
    check_single_thread()?;
    // SAFETY: geteuid(2) and getegid(2) take nothing and cannot fail.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET)
        .map_err(|e| NamespaceError::new("make a user namespace (does the kernel allow it?)", e))?;
    let write = |path: &str, text: String| {
        std::fs::write(path, text).map_err(|e| NamespaceError::new(format!("write {path}"), e))
    };
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    mount_private().map_err(|e| NamespaceError::new("make the mounts private", e))
}

/// Moves the whole process into the user, mount and network namespaces of process `pid`. Only while
/// the process has one thread. The working directory stays.
pub fn join_user_namespace(pid: u32) -> Result<(), NamespaceError> {
    check_single_thread()?;
    let refused = |e| NamespaceError::new(format!("join the namespaces of process {pid}"), e);
    let directory = std::env::current_dir().map_err(refused)?;
    let open = |kind: &str| File::open(format!("/proc/{pid}/ns/{kind}"));
    let user = open("user").map_err(refused)?;
    let mounts = open("mnt").map_err(refused)?;
    let network = open("net").map_err(refused)?;
    setns(user.as_fd(), libc::CLONE_NEWUSER).map_err(refused)?;
    setns(mounts.as_fd(), libc::CLONE_NEWNS).map_err(refused)?;
    setns(network.as_fd(), libc::CLONE_NEWNET).map_err(refused)?;
    std::env::set_current_dir(directory).map_err(refused)
}

/// A thread that was joined may be listed a moment longer: ask again, but not for ever.
const THREAD_COUNT_TRY_MAX: u32 = 50;

fn check_single_thread() -> Result<(), NamespaceError> {
    let mut thread_count = 0;
    for _ in 0..THREAD_COUNT_TRY_MAX {
        let threads = std::fs::read_dir("/proc/self/task")
            .map_err(|e| NamespaceError::new("count the threads of this process", e))?;
        thread_count = threads.count();
        if thread_count == 1 {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    Err(NamespaceError::Threads { thread_count })
}

/// Runs `work` on a thread of its own, whose namespaces end with it.
fn on_a_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, work)?;
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: unshare(2) takes no pointers; the flags used here change only namespaces.
    check(unsafe { libc::unshare(flags) })
}

fn setns(namespace: BorrowedFd<'_>, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: setns(2) takes no pointers; the descriptor is borrowed and therefore open.
    check(unsafe { libc::setns(namespace.as_raw_fd(), kind) })
}

fn path_text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

fn mount(source: &Path, target: &Path, flags: libc::c_ulong) -> io::Result<()> {
    mount_text(&path_text(source)?, &path_text(target)?, flags)
}

fn mount_text(source: &CStr, target: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let none = std::ptr::null();
    // SAFETY: both paths are terminated strings that outlive the call; bind mounts and changes of
    // propagation read neither the file system type nor the data, so null is allowed for them.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), none, flags, none.cast()) })
}

fn mount_private() -> io::Result<()> {
    let root = Path::new("/");
    mount(root, root, libc::MS_REC | libc::MS_PRIVATE)
}

fn unmount(target: &Path) -> io::Result<()> {
    let target = path_text(target)?;
    // SAFETY: the path is a terminated string that outlives the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })
}

#[cfg(test)]
mod tests;
