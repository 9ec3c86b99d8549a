//! The few calls of the kernel that no safe crate has for us: waiting, clocks, cores and signals.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Waits until one of the sockets has something, or the time is over.
pub fn wait(sockets: &[RawFd], limit: Duration) {
    let mut polls: Vec<libc::pollfd> =
        sockets.iter().map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    let limit = timespec(limit);
    // SAFETY: array and time live until the call returns, and the array's length is told.
    unsafe {
        libc::ppoll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, &raw const limit, std::ptr::null())
    };
}

/// Timers of this thread fire when they are due, not up to 50 µs later (PR_SET_TIMERSLACK of prctl(2)).
pub fn punctual() {
    // SAFETY: takes plain integers. A refusal is no harm.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
}

/// Larger buffers, so that a burst isn't lost before the server has a chance.
pub fn widen(socket: RawFd) {
    let bytes: libc::c_int = 4 << 20;
    for name in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE, libc::SO_RCVBUF, libc::SO_SNDBUF] {
        // SAFETY: the value lives until the call returns, and its length is told. A refusal is no harm.
        unsafe {
            libc::setsockopt(
                socket,
                libc::SOL_SOCKET,
                name,
                (&raw const bytes).cast(),
                mem::size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
    }
}

/// The port of a bound TCP socket is chosen when it connects, so that it is only taken for that one server
/// (IP_BIND_ADDRESS_NO_PORT of ip(7)).
pub fn choose_port_late(socket: RawFd) {
    let on: libc::c_int = 1;
    // SAFETY: the value lives until the call returns, and its length is told. A refusal is no harm.
    unsafe {
        libc::setsockopt(
            socket,
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

/// The CPU time of this thread.
pub fn thread_cpu() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

/// The CPU time of a process so far, with all its threads, ended ones too: the scheduler's own sum, to the
/// nanosecond (clock_getcpuclockid(3)). /proc/PID/stat has the same in ticks of 10 ms.
pub fn process_cpu(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut id: libc::clockid_t = 0;
    // SAFETY: the identifier lives until the call returns.
    match unsafe { libc::clock_getcpuclockid(pid, &raw mut id) } {
        0 => clock(id),
        fault => Err(io::Error::from_raw_os_error(fault)),
    }
}

fn clock(id: libc::clockid_t) -> io::Result<Duration> {
    let mut time = timespec(Duration::ZERO);
    // SAFETY: the time lives until the call returns.
    match unsafe { libc::clock_gettime(id, &raw mut time) } {
        0 => Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)),
        _ => Err(io::Error::last_os_error()),
    }
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec { tv_sec: time.as_secs() as libc::time_t, tv_nsec: time.subsec_nanos().into() }
}

pub fn ticks_per_second() -> u64 {
    // SAFETY: sysconf takes a plain integer and touches no memory of ours.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100)
}

/// This thread runs on these cores only, and so does what it starts.
pub fn pin(cores: &[usize]) -> io::Result<()> {
    // SAFETY: cpu_set_t is plain data for which all zeroes is a value, and CPU_SET stays within it for
    // cores below CPU_SETSIZE.
    let done = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        for &core in cores.iter().filter(|&&core| core < libc::CPU_SETSIZE as usize) {
            libc::CPU_SET(core, &mut set);
        }
        libc::sched_setaffinity(0, mem::size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The command leads a process group of its own, and ends when the thread that started it does.
pub fn leash(command: &mut Command) -> &mut Command {
    command.process_group(0);
    // SAFETY: prctl is async-signal-safe and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        })
    }
}

pub const TERMINATE: i32 = libc::SIGTERM;
pub const KILL: i32 = libc::SIGKILL;

/// Sends a signal to a process group.
pub fn signal_group(leader: u32, signal: i32) {
    if let Ok(leader) = libc::pid_t::try_from(leader) {
        // SAFETY: takes plain integers. The leader is a child that we have not waited for yet.
        unsafe { libc::kill(-leader, signal) };
    }
}

/// Calls `handler` on SIGUSR1; it may only do what is async-signal-safe.
pub fn on_user_signal(handler: extern "C" fn(libc::c_int)) {
    on_signal(libc::SIGUSR1, handler);
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn interrupt(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// From here on, the usual ways to end a program are told by `interrupted`, so that it can clean up.
pub fn catch_interrupts() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        on_signal(signal, interrupt);
    }
}

pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn on_signal(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: the handler is a plain function that lives as long as the program.
    unsafe { libc::signal(signal, handler as *const () as libc::sighandler_t) };
}
