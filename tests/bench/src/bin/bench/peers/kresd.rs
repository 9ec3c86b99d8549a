//! Knot Resolver: one process for each worker. Its cache lies in the run's folder, which is in memory where the
//! machine has such a place, as its documentation asks for. STUB forwards without validation; the modules
//! that would ask the root or watch the clock are taken out.

use super::{Peer, Place, command, installed};

pub static PEER: Peer = Peer {
    name: "kresd",
    title: "Knot Resolver",
    program: || installed("kresd"),
    version: &["--version"],
    command: |place, _| {
        let config = place.write("kresd.conf", &text(place))?;
        let mut command = command(installed("kresd"), &place.folder);
        command.args(["-n", "-q", "-c"]).arg(config).arg(&place.folder);
        Ok(command)
    },
    reload: None,
    only_on_interfaces: false,
};

fn text(place: &Place) -> String {
    let targets = place.targets(|target| format!("'{}@{}', ", target.ip(), target.port()));
    format!(
        "net.listen('{}', {}, {{ kind = 'dns' }})\n\
         trust_anchors.remove('.')\n\
         for _, name in ipairs({{'priming', 'ta_update', 'ta_signal_query', 'detect_time_skew', \
         'detect_time_jump'}}) do pcall(modules.unload, name) end\n\
         cache.open(1000 * MB, 'lmdb://{}')\n\
         policy.add(policy.all(policy.STUB({{ {targets}}})))\n",
        place.ip(),
        place.port(),
        place.file("cache").display(),
    )
}
