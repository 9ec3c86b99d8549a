//! Ties a server that runs to who follows AWS for it: a thread of its own, as AWS may be slow.

use std::sync::Arc;
use std::thread;

use super::seam;
use crate::aws::cloud::amazon::Amazon;
use crate::aws::follow;
use crate::aws::trouble::Trouble;
use crate::config::aws::{Aws, Following};
use crate::control::Reloader;

struct Follower {
    server: Arc<dyn seam::Follows>,
    reloader: Reloader,
}

impl follow::Server for Follower {
    fn following(&self) -> Option<Following> {
        self.server.following()
    }

    fn changed(&self) {
        self.server.changed();
        self.reloader.reload();
    }

    fn asked(&self, outcome: Result<(), &Trouble>) {
        self.server.asked(outcome.is_ok());
    }

    async fn reloaded(&self) {
        self.server.reloaded().notified().await;
    }
}

/// Begins to follow; ends with the process. Without a configuration that wants it, it waits for a reload that brings
/// one.
pub fn start(server: Arc<dyn seam::Follows>, reloader: Reloader) -> anyhow::Result<()> {
    let follower = Follower { server, reloader };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run =
        move || runtime.block_on(follow::follow(&follower, async |aws: &Aws| Amazon::connect(aws).await));
    thread::Builder::new().name("aws".to_owned()).spawn(run)?;
    Ok(())
}
