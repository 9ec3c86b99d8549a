//! The 12 octets every message begins with (RFC 1035 section 4.1.1), and the codes they hold.

/// Octets of the fixed header.
pub const HEADER: usize = 12;

/// Bits of the header's second pair of octets.
pub mod bit {
    pub const QR: u16 = 0x8000;
    pub const AA: u16 = 0x0400;
    pub const TC: u16 = 0x0200;
    pub const RD: u16 = 0x0100;
    pub const RA: u16 = 0x0080;
    pub const Z: u16 = 0x0040;
    pub const AD: u16 = 0x0020;
    pub const CD: u16 = 0x0010;
    pub const OPCODE: u16 = 0x7800;
    pub const RCODE: u16 = 0x000f;
}

/// Kinds of messages, as they stand in the header's second pair of octets.
pub mod opcode {
    pub const QUERY: u16 = 0;
    /// RFC 1996.
    pub const NOTIFY: u16 = 4 << 11;
    /// RFC 2136.
    pub const UPDATE: u16 = 5 << 11;
}

/// Response codes by name (IANA DNS RCODEs); above 15 they need an OPT (RFC 6891 section 6.1.3).
pub mod rcode {
    pub const NOERROR: u16 = 0;
    pub const FORMERR: u16 = 1;
    pub const SERVFAIL: u16 = 2;
    pub const NXDOMAIN: u16 = 3;
    pub const NOTIMP: u16 = 4;
    pub const REFUSED: u16 = 5;
    pub const YXDOMAIN: u16 = 6;
    pub const YXRRSET: u16 = 7;
    pub const NXRRSET: u16 = 8;
    pub const NOTAUTH: u16 = 9;
    pub const NOTZONE: u16 = 10;
    pub const BADVERS: u16 = 16;
    pub const BADCOOKIE: u16 = 23;
}

/// The 16-bit number at `at`; the caller has checked that it is there.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The 32-bit number at `at`; the caller has checked that it is there.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A response code's mnemonic, or `RCODEnnn`.
pub fn rcode_name(code: u16) -> std::borrow::Cow<'static, str> {
    const NAMES: [&str; 12] = [
        "NOERROR",
        "FORMERR",
        "SERVFAIL",
        "NXDOMAIN",
        "NOTIMP",
        "REFUSED",
        "YXDOMAIN",
        "YXRRSET",
        "NXRRSET",
        "NOTAUTH",
        "NOTZONE",
        "DSOTYPENI",
    ];
    match code {
        rcode::BADVERS => "BADVERS".into(),
        rcode::BADCOOKIE => "BADCOOKIE".into(),
        _ => {
            NAMES.get(usize::from(code)).map_or_else(|| format!("RCODE{code}").into(), |name| (*name).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rcodes_have_names() {
        assert_eq!(rcode_name(0), "NOERROR");
        assert_eq!(rcode_name(16), "BADVERS");
        assert_eq!(rcode_name(3841), "RCODE3841");
    }
}
