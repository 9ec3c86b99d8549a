//! The few system calls that the standard library has no words for.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

pub const STOP: i32 = libc::SIGSTOP;
pub const CONTINUE: i32 = libc::SIGCONT;
pub const KILL: i32 = libc::SIGKILL;
pub const TERMINATE: i32 = libc::SIGTERM;
pub const HANGUP: i32 = libc::SIGHUP;

/// Sends a signal to one process, or to a whole group when `pid` is negative.
pub fn signal(pid: i32, signal: i32) {
    // SAFETY: kill takes plain integers and touches no memory of ours.
    unsafe { libc::kill(pid, signal) };
}

/// Makes the command the head of a process group of its own, which dies when the thread that started it
/// dies: a test killed by the runner's time limit leaves nothing behind.
pub fn leash(command: &mut Command) {
    command.process_group(0);
    // SAFETY: prctl is async-signal-safe and takes plain integers.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

/// Moves this thread, and what it starts from now on, into a network and a mount namespace of its own.
pub fn enter_namespace() -> io::Result<()> {
    // SAFETY: unshare takes a plain integer and touches no memory of ours.
    match unsafe { libc::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Clock ticks per second, the unit of /proc/PID/stat.
pub fn ticks_per_second() -> u64 {
    // SAFETY: sysconf takes a plain integer and touches no memory of ours.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100)
}
