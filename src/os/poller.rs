//! Waiting for several things at once: descriptors, a deadline, and other threads.
//!
//! Owns [`Poller`] (epoll), [`Events`] (what became ready) and [`Waker`] (how another thread ends
//! the wait). Who waits for what and how long is the caller's business.
//!
//! *Invariants*: a wake is never lost, and costs the sender a system call only when the reader
//! sleeps. The argument: `Notice::state` is one atomic, changed by read-modify-write only, so all
//! changes of it stand in one order.
//!
//! ```text
//!              wake()                      wait() begins
//!   Running ───────────► Noticed      Running ───────────► Sleeping ── wake(): eventfd ──► Noticed
//!      ▲                    │            ▲                    │                              │
//!      └──── wait() ends ───┘            └──── timeout ───────┘        wait() ends ──────────┘
//! ```
//!
//! A sender stores its message, then swaps in `Noticed` (release). If the reader's next change, the
//! swap to `Running` (acquire) at the end of its wait, comes after it, the reader sees the message.
//! If it comes before, the state that the reader finds at the beginning of its next wait is
//! `Noticed`, and that wait does not block. So it is enough that the reader looks at its queues
//! after every wait.
//!
//! *Standards*: epoll(7), eventfd(2); waits shorter than a millisecond need `epoll_pwait2` (Linux
//! 5.11) and are rounded up to one before that.

use core::sync::atomic::{AtomicU8, Ordering};
use core::time::Duration;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Events one wait reports at most; what is left stays ready for the next one.
pub const EVENTS_MAX: usize = 64;

/// The token of the eventfd; callers may not use it.
const WAKER_TOKEN: u64 = u64::MAX;

/// The reader works and will look at its queues before it sleeps.
const RUNNING: u8 = 0;
/// The reader sleeps or is about to.
const SLEEPING: u8 = 1;
/// Somebody called since the reader last looked.
const NOTICED: u8 = 2;

/// What a descriptor should be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Give data or a connection.
    Readable,
    /// Take data.
    Writable,
    /// Either.
    Both,
}

impl Interest {
    const fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Readable => epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP),
            Self::Writable => epoll::EventFlags::OUT,
            Self::Both => {
                epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP).union(epoll::EventFlags::OUT)
            }
        }
    }
}

/// What one descriptor can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The caller's token.
    pub token: u64,
    /// It has data, a connection, or its end to report.
    pub is_readable: bool,
    /// It takes data.
    pub is_writable: bool,
    /// It is in error, or the other end hung up.
    pub is_broken: bool,
}

/// The outcome of a wait; kept by the caller and filled again each time.
#[derive(Debug)]
pub struct Events {
    ready: Vec<Event>,
    is_woken: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Events {
    /// No events, with room for [`EVENTS_MAX`].
    pub fn new() -> Self {
        Self { ready: Vec::with_capacity(EVENTS_MAX), is_woken: false }
    }

    /// Descriptors that are ready.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.ready.iter().copied()
    }

    /// Whether a [`Waker`] called since the last wait.
    pub const fn is_woken(&self) -> bool {
        self.is_woken
    }

    /// Whether the wait ended for its timeout alone.
    pub const fn is_empty(&self) -> bool {
        self.ready.is_empty() && !self.is_woken
    }
}

/// The state that reader and senders share.
#[derive(Debug)]
struct Notice {
    state: AtomicU8,
    eventfd: OwnedFd,
}

/// Ends another thread's wait; clones are cheap and may live anywhere.
#[derive(Clone, Debug)]
pub struct Waker {
    notice: Arc<Notice>,
}

impl Waker {
    /// Makes the reader look at its queues: at once if it sleeps, else before it does.
    pub fn wake(&self) {
        if self.notice.state.swap(NOTICED, Ordering::AcqRel) == SLEEPING {
            // The only error is a full counter (2^64 - 2 wakes), which is readable as well.
            let _ = rustix::io::write(&self.notice.eventfd, &1_u64.to_ne_bytes());
        }
    }
}

/// Waits for descriptors, wakers and time; one for each thread that sleeps, owned by it.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    notice: Arc<Notice>,
}

impl Poller {
    /// A poller that watches nothing but its wakers.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let token = epoll::EventData::new_u64(WAKER_TOKEN);
        epoll::add(&epoll, &eventfd, token, epoll::EventFlags::IN)?;
        let notice = Arc::new(Notice { state: AtomicU8::new(RUNNING), eventfd });
        Ok(Self { epoll, notice })
    }

    /// A handle for other threads.
    pub fn waker(&self) -> Waker {
        Waker { notice: Arc::clone(&self.notice) }
    }

    /// Watches `fd` for data, level-triggered: as long as there is some, every wait reports
    /// `token`.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.add_for(fd, token, Interest::Readable)
    }

    /// Watches `fd` for what `interest` says.
    pub fn add_for(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        debug_assert_ne!(token, WAKER_TOKEN, "this token is the waker's");
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), interest.flags())?)
    }

    /// Watches `fd`, which is watched already, for something else.
    pub fn change(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(token), interest.flags())?)
    }

    /// Stops watching `fd`. Closing alone is not enough where the descriptor has duplicates.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Waits until something is ready, a waker calls or `timeout` is over (`None`: no limit), and
    /// says in `events` what it was. A signal ends the wait with no events.
    pub fn wait(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<()> {
        events.ready.clear();
        events.is_woken = false;
        let state = &self.notice.state;
        let may_sleep =
            state.compare_exchange(RUNNING, SLEEPING, Ordering::AcqRel, Ordering::Acquire).is_ok();
        let timeout = if may_sleep { timeout } else { Some(Duration::ZERO) };
        let mut buffer = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS_MAX];
        let outcome = wait_on(self.epoll.as_fd(), &mut buffer, timeout);
        events.is_woken = state.swap(RUNNING, Ordering::AcqRel) == NOTICED;
        for event in outcome? {
            let (token, flags) = (event.data.u64(), event.flags);
            if token == WAKER_TOKEN {
                let mut count = [0; 8];
                // Empty is fine: only the state counts, the eventfd merely ends the sleep.
                let _ = rustix::io::read(&self.notice.eventfd, &mut count);
                continue;
            }
            let end = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
            events.ready.push(Event {
                token,
                is_readable: flags
                    .intersects(epoll::EventFlags::IN | epoll::EventFlags::RDHUP | end),
                is_writable: flags.intersects(epoll::EventFlags::OUT | end),
                is_broken: flags.intersects(end),
            });
        }
        Ok(())
    }
}

/// One epoll wait; a signal counts as nothing ready.
fn wait_on<'a>(
    epoll: BorrowedFd<'_>,
    buffer: &'a mut [MaybeUninit<epoll::Event>; EVENTS_MAX],
    timeout: Option<Duration>,
) -> io::Result<impl Iterator<Item = epoll::Event> + use<'a>> {
    let exact = timeout.map(timespec);
    let ready = match epoll::wait(epoll, &mut buffer[..], exact.as_ref()) {
        // Before Linux 5.11 there are milliseconds only: sleeping longer beats spinning.
        Err(rustix::io::Errno::NOSYS) => {
            let millis = timeout.map(|t| timespec(Duration::from_millis(millis_up(t))));
            epoll::wait(epoll, &mut buffer[..], millis.as_ref())
        }
        other => other,
    };
    let count = match ready {
        Ok((ready, _)) => ready.len(),
        Err(rustix::io::Errno::INTR) => 0,
        Err(error) => return Err(error.into()),
    };
    // SAFETY: the kernel has filled the first `count` entries.
    Ok(buffer.iter().take(count).map(|event| unsafe { event.assume_init() }))
}

fn timespec(span: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(span.subsec_nanos()),
    }
}

/// Whole milliseconds, rounded up.
fn millis_up(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn a_wake_before_the_wait_ends_the_next_wait_only() {
        let poller = Poller::new().unwrap();
        let mut events = Events::new();
        poller.waker().wake();
        poller.wait(None, &mut events).unwrap();
        assert!(events.is_woken());
        poller.wait(Some(Duration::ZERO), &mut events).unwrap();
        assert!(events.is_empty());
    }

    #[test]
    fn a_descriptor_stays_ready_until_it_is_read() {
        let poller = Poller::new().unwrap();
        let (reader, writer) = pipe().unwrap();
        poller.add(reader.as_fd(), 7).unwrap();
        rustix::io::write(&writer, b"x").unwrap();
        let mut events = Events::new();
        for _ in 0..2 {
            poller.wait(None, &mut events).unwrap();
            assert_eq!(events.iter().map(|event| event.token).collect::<Vec<_>>(), [7]);
        }
        poller.remove(reader.as_fd()).unwrap();
        poller.wait(Some(Duration::from_micros(50)), &mut events).unwrap();
        assert!(events.is_empty());
    }

    #[test]
    fn no_wake_is_lost_between_two_busy_threads() {
        const MESSAGES: u64 = 20_000;
        let poller = Poller::new().unwrap();
        let waker = poller.waker();
        let sent = Arc::new(AtomicU64::new(0));
        let sender = {
            let sent = Arc::clone(&sent);
            std::thread::spawn(move || {
                for _ in 0..MESSAGES {
                    sent.fetch_add(1, Ordering::Relaxed);
                    waker.wake();
                }
            })
        };
        let mut events = Events::new();
        // A lost wake would leave this loop asleep for good; the sender's last message ends it.
        while sent.load(Ordering::Relaxed) < MESSAGES {
            poller.wait(None, &mut events).unwrap();
        }
        sender.join().unwrap();
    }
}
