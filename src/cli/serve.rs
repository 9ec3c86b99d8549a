//! `dnsfwd serve`: runs the server until it is told to stop.

use super::{Common, Exit, seam, show_on_stderr};
use crate::control::{self, Manner};

pub fn run(common: &Common) -> anyhow::Result<Exit> {
    let Some(prepared) = seam::prepare(&common.config) else { return Ok(Exit::Trouble) };
    show_on_stderr(&prepared.warnings);
    let server = seam::start(prepared)?;
    let control = control::start(server.core, server.drain, Manner::Service)?;
    #[cfg(feature = "aws")]
    super::follow::start(server.follows, control.reloader())?;
    control.wait();
    Ok(Exit::Clean)
}
