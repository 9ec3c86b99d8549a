//! EDNS(0) (RFC 6891): the OPT record's parts, options that we read, errors that we explain (RFC 8914).

use super::header::u16_at;

/// The largest UDP message that we announce to both sides: what DNS Flag Day 2020 settled on, as it passes
/// the smallest common path without fragments.
pub const UDP_SIZE: u16 = 1232;
/// What a client without EDNS takes over UDP (RFC 1035 section 4.2.1).
pub const PLAIN_UDP_SIZE: usize = 512;
/// Octets of an OPT record without options.
pub const OPT_LEN: usize = 11;
/// DO, in the lower half of the OPT's TTL (RFC 3225).
pub const DO: u32 = 0x8000;

pub mod option {
    pub const CLIENT_SUBNET: u16 = 8;
    pub const EXTENDED_ERROR: u16 = 15;
}

/// What a client's OPT says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns<'a> {
    /// Octets that the client takes over UDP, as it wrote it.
    pub udp_size: u16,
    pub version: u8,
    pub dnssec_ok: bool,
    /// The data of a client subnet option (RFC 7871), if there is one.
    pub client_subnet: Option<&'a [u8]>,
}

/// Calls `see` for each option; false where a length runs over the end.
pub fn visit_options<'a>(rdata: &'a [u8], mut see: impl FnMut(u16, &'a [u8])) -> bool {
    let mut at = 0;
    while at < rdata.len() {
        if rdata.len() - at < 4 {
            return false;
        }
        let (code, len) = (u16_at(rdata, at), usize::from(u16_at(rdata, at + 2)));
        let Some(data) = rdata.get(at + 4..at + 4 + len) else { return false };
        see(code, data);
        at += 4 + len;
    }
    true
}

/// INFO-CODEs of RFC 8914 section 4 that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ErrorCode {
    Other = 0,
    StaleAnswer = 3,
    NotReady = 14,
    Prohibited = 18,
    NotAuthoritative = 20,
    NotSupported = 21,
    NoReachableAuthority = 22,
    NetworkError = 23,
    InvalidData = 24,
}

/// An Extended DNS Error: the code, and text for whoever reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    pub code: ErrorCode,
    pub text: std::borrow::Cow<'static, str>,
}

impl ExtendedError {
    pub fn new(code: ErrorCode, text: impl Into<std::borrow::Cow<'static, str>>) -> ExtendedError {
        ExtendedError { code, text: text.into() }
    }

    /// The option in wire form. Text is cut to 200 octets, so that an error always fits.
    pub fn to_wire(&self) -> Vec<u8> {
        let mut cut = self.text.len().min(200);
        while !self.text.is_char_boundary(cut) {
            cut -= 1;
        }
        let text = &self.text.as_bytes()[..cut];
        let mut wire = Vec::with_capacity(6 + text.len());
        wire.extend_from_slice(&option::EXTENDED_ERROR.to_be_bytes());
        wire.extend_from_slice(&(2 + text.len() as u16).to_be_bytes());
        wire.extend_from_slice(&(self.code as u16).to_be_bytes());
        wire.extend_from_slice(text);
        wire
    }
}
