//! Serial numbers and their order, which goes round in a circle (RFC 1982). Nothing else.

use std::fmt;

/// An SOA's serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Serial(pub u32);

/// Half of the circle.
const HALF: u32 = 1 << 31;

impl Serial {
    /// RFC 1982 section 3.2. Two numbers half a circle apart are not newer than one another, either way.
    pub fn is_newer_than(self, other: Serial) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < HALF
    }

    /// The number that a change of the zone leads to. RFC 2136 section 7.11: zero is left out, as some servers take
    /// it for something else.
    pub fn next(self) -> Serial {
        Serial(self.0.wrapping_add(1).max(1))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1982 section 5.2, with 32 bits.
    #[test]
    fn order_goes_round() {
        let newer = |one: u32, other: u32| Serial(one).is_newer_than(Serial(other));
        assert!(newer(1, 0) && !newer(0, 1) && !newer(7, 7));
        assert!(newer(0, u32::MAX) && newer(100, u32::MAX - 100) && !newer(u32::MAX, 0));
        assert!(newer(HALF - 1, 0) && !newer(HALF, 0) && !newer(0, HALF));
        assert_eq!(Serial(u32::MAX).next(), Serial(1));
        assert_eq!(Serial(41).next(), Serial(42));
    }
}
