//! `dnsfwd serve`: runs the server until it is told to stop.

use super::{Common, Exit, seam};
use crate::control::{self, Manner};

pub fn run(common: &Common) -> anyhow::Result<Exit> {
    let Some(server) = seam::start(&common.config)? else { return Ok(Exit::Trouble) };
    control::start(server.core, server.drain, Manner::Service)?.wait();
    Ok(Exit::Clean)
}
