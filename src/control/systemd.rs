//! What systemd is told: ready, reloading, stopping, alive. Silent when systemd didn't start us.

use std::time::Duration;

use sd_notify::NotifyState;

/// Whether this process is a service of its own, or (in the demo and in tests) a part of something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Systemd {
    Told,
    NotTold,
}

impl Systemd {
    pub fn ready(self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// `Type=notify-reload` wants the clock beside the word, to tell this reload from an earlier one.
    pub fn reloading(self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.tell(&[NotifyState::Reloading, now]);
        }
    }

    pub fn stopping(self) {
        self.tell(&[NotifyState::Stopping]);
    }

    pub fn alive(self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    /// How often `alive` is due: twice in the time that the unit allows.
    pub fn watchdog_period(self) -> Option<Duration> {
        match self {
            Systemd::Told => sd_notify::watchdog_enabled().map(|limit| limit / 2),
            Systemd::NotTold => None,
        }
    }

    fn tell(self, states: &[NotifyState<'_>]) {
        if self == Systemd::Told
            && let Err(error) = sd_notify::notify(states)
        {
            tracing::warn!(%error, "systemd can't be told");
        }
    }
}
