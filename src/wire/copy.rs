//! Records from a scanned message into another one: names are expanded and compressed anew.

use super::answer::AnswerRef;
use super::header::u16_at;
use super::name::MAX_NAME;
use super::rdata::{self, Field};
use super::reply::{Record, expand, records, skip};
use super::write::{Full, Section, Writer};

/// Copies the records of one section with their TTLs aged by `age` seconds.
pub fn copy_section(
    writer: &mut Writer<'_>,
    answer: &AnswerRef<'_>,
    wanted: Section,
    age: u32,
) -> Result<(), Full> {
    let message = answer.message;
    let mut at = answer.records_at();
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        let count = usize::from(u16_at(message, 4 + 2 * section as usize));
        for record in records(message, at, count) {
            at = record.rdata_end;
            if section == wanted {
                copy(writer, message, &record, section, age)?;
            }
        }
    }
    Ok(())
}

/// Whether the answer section has a record of this type with this data (names in it uncompressed).
pub fn answers_with(answer: &AnswerRef<'_>, rtype: u16, rdata: &[u8]) -> bool {
    let message = answer.message;
    let count = usize::from(u16_at(message, 6));
    records(message, answer.records_at(), count)
        .any(|record| record.rtype == rtype && expand_rdata(message, &record) == rdata)
}

fn copy(
    writer: &mut Writer<'_>,
    message: &[u8],
    record: &Record,
    section: Section,
    age: u32,
) -> Result<(), Full> {
    let mut owner = [0; MAX_NAME];
    let owner_len = expand(message, record.owner_at, &mut owner);
    let rdata = expand_rdata(message, record);
    let ttl = record.ttl.saturating_sub(age);
    writer.record(section, &owner[..owner_len], record.rtype, record.rclass, ttl, &rdata)
}

/// A record's data with its names uncompressed.
fn expand_rdata(message: &[u8], record: &Record) -> Vec<u8> {
    let mut rdata = Vec::with_capacity(record.rdata_end - record.rdata_at);
    let mut at = record.rdata_at;
    for field in rdata::layout(record.rtype, record.rclass) {
        match field {
            Field::Name | Field::PlainName => {
                let mut name = [0; MAX_NAME];
                let len = expand(message, at, &mut name);
                rdata.extend_from_slice(&name[..len]);
                at = skip(message, at);
            }
            _ => {
                let rest = &message[at..record.rdata_end];
                let len = rdata::field_len(*field, rest).unwrap_or(rest.len());
                rdata.extend_from_slice(&rest[..len]);
                at += len;
            }
        }
    }
    rdata
}
