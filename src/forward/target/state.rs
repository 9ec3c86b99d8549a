//! What is known of a target's health, as a state machine.
//!
//! ```text
//!            a loss, nothing heard since │ two late in a row │ five failures in a row │ a wrong probe
//!  HEALTHY ─────────────────────────────────────────────────────────────────────────────────► SUSPECT
//!     ▲ ▲                                                                                     │  │  │
//!     │ └──────────────────────── a good answer or probe ─────────────────────────────────────┘  │  │
//!     │                                                                                          │  │
//!     │ ten seconds            a good probe, or a good answer               second loss in a row │  │
//!  RETURNING ◄──────────────────────────────────────────────────── SILENT ◄──────────────────────┘  │
//!     ▲                                                              │ ▲                            │
//!     │                                    it answers, with failures │ │ two losses in a row        │
//!     │                        a good probe                          ▼ │             a wrong probe  │
//!     └─────────────────────────────────────────────────────────── FAILING ◄────────────────────────┘
//! ```
//!
//! A loss is a question or probe unanswered for a second (a probe: 450 ms), or the network's word that nobody is
//! there. Only a target about which something is doubtful or long unheard is probed: suspect ones twice a second,
//! silent and failing ones with growing pauses up to a second and a half, idle ones every five seconds. So SUSPECT
//! lasts for a second at most, SILENT and FAILING for as long as probes go on to fail, and RETURNING for ten
//! seconds. RETURNING goes to SUSPECT for the same reasons as HEALTHY.

/// Ordered from the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    Healthy = 0,
    /// Back after it was down: gets a growing share of questions.
    Returning = 1,
    /// Something is wrong with it; asked only where no better one is left, and probed.
    Suspect = 2,
    /// It lives, but its answers are failures. Asked where no better one is left.
    Failing = 3,
    /// It says nothing. Where all are silent, nobody waits for them.
    Silent = 4,
}

impl State {
    pub fn from_octet(octet: u8) -> State {
        match octet {
            0 => State::Healthy,
            1 => State::Returning,
            2 => State::Suspect,
            3 => State::Failing,
            _ => State::Silent,
        }
    }

    /// As it stands in status, metrics and logs; both ways of being down are "down" there.
    pub fn word(self) -> &'static str {
        match self {
            State::Healthy => "healthy",
            State::Returning => "returning",
            State::Suspect => "suspect",
            State::Failing | State::Silent => "down",
        }
    }

    /// Whether it gets questions like any other.
    pub fn is_good(self) -> bool {
        matches!(self, State::Healthy | State::Returning)
    }

    pub fn is_down(self) -> bool {
        matches!(self, State::Failing | State::Silent)
    }
}
