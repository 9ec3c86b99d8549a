//! `[control]`, `[metrics]` and `[log]`: what operators see of the server.

use super::{Section, beside};
use crate::config::reader::{At, at, one_of, string};
use crate::config::source::Source;
use crate::config::value::metrics_address;
use crate::config::{Control, Log, LogFormat, LogLevel, Metrics};

/// Octets of a local socket's path (`sun_path` of unix(7), without its NUL).
const MAX_SOCKET_PATH: usize = 107;

pub(super) fn control(table: &mut Section<'_, '_>, control: &mut Control, source: &Source) {
    let path = at(string("\"/run/dnsfwd/control.sock\"", |text| Ok(beside(source, text))));
    let Some(At { value, place }) = table.get("socket", path) else { return };
    if value.as_os_str().len() > MAX_SOCKET_PATH || value.file_name().is_none() {
        let message = format!("`{}` can't be a local socket", value.display());
        let help = format!("write a path of at most {MAX_SOCKET_PATH} octets");
        table.faults.error("bad-path", &place, message, help);
    }
    control.socket = value;
}

pub(super) fn metrics(table: &mut Section<'_, '_>, metrics: &mut Metrics) {
    table.set("listen", string("\"127.0.0.1:9153\"", metrics_address), &mut metrics.listen);
}

pub(super) fn log(table: &mut Section<'_, '_>, log: &mut Log) {
    let levels = one_of([
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ]);
    table.set("level", levels, &mut log.level);
    table.set("format", one_of([("text", LogFormat::Text), ("json", LogFormat::Json)]), &mut log.format);
}
