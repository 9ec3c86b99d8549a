//! The zones of built-in names: data that this server has without any configuration.

use std::path::Path;
use std::sync::LazyLock;

use crate::policy::builtin;
use crate::wire::name::Name;
use crate::zone::Zone;

/// A built-in name with its zone.
pub struct BuiltinZone {
    pub zone: Zone,
    pub source: &'static str,
}

/// Made once: built-in names don't depend on a configuration.
static BUILTINS: LazyLock<Vec<BuiltinZone>> = LazyLock::new(|| {
    let zone_of = |(domain, content, source): (String, builtin::Content, &'static str)| {
        let name = Name::parse(&domain).expect("built-in names are sound");
        let loaded = Zone::parse(&name, builtin::master_file(content), Path::new("built-in"));
        BuiltinZone { zone: loaded.zone.expect("built-in zones are sound"), source }
    };
    builtin::all().map(zone_of).collect()
});

pub fn builtins() -> &'static [BuiltinZone] {
    &BUILTINS
}
