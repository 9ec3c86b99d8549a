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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    /// The unit that is shipped, with a program in it that is there on every machine.
    #[test]
    fn the_unit_is_sound() {
        let unit = include_str!("../../deploy/systemd/dnsfwd.service");
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("dnsfwd.service");
        std::fs::write(&copy, unit.replace("/usr/bin/dnsfwd", "/bin/true")).expect("writes");
        let Some(said) = verify(&copy) else {
            return eprintln!("systemd-analyze is not here: the unit was not verified");
        };
        assert!(said.is_empty(), "{said}");
    }

    fn verify(unit: &Path) -> Option<String> {
        let output = Command::new("systemd-analyze").arg("verify").arg(unit).output().ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // It also reads the units of the machine, whose faults are not ours.
        let ours = said.lines().filter(|line| line.contains("dnsfwd"));
        Some(ours.map(|line| format!("{line}\n")).collect())
    }
}
