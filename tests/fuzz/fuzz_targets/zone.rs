//! Any master file, and questions to the zone that comes of it.
#![no_main]

use std::path::Path;

use dnsfwd::wire::name::Name;
use dnsfwd::wire::write::Writer;
use dnsfwd::zone::Zone;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let name = Name::parse("example.corp").expect("a sound name");
    let Some(zone) = Zone::parse_bytes(&name, text, Path::new("fuzz.zone")).zone else { return };
    let mut buffer = vec![0; 65_535];
    for label in ["a", "*", "www", "ns1", "x.y.z"] {
        let qname = Name::parse(&format!("{label}.example.corp")).expect("a sound name");
        for rtype in [1, 2, 5, 6, 15, 28, 33, 255] {
            let mut writer = Writer::new(&mut buffer, 65_535);
            zone.answer(qname.as_wire(), rtype, true, &mut writer);
        }
    }
});
