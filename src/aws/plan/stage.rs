//! The order of a plan: what must be so before what, so that resolution is never cut. Nothing else decides it.

/// When a step is done. Steps of one stage can be asked for side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stage(pub Phase, pub u32);

/// From first to last. What adds stands before what it allows to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// What an earlier run began and the rest builds on.
    Await,
    /// What is taken over is ours from here on, even if the run ends at the next step.
    Tags,
    Groups,
    /// 0: what is allowed. 1: what a new group allows without being asked.
    Permissions,
    Endpoints,
    /// Before the addresses: an IPv6 address needs an endpoint of type DUALSTACK.
    EndpointUpdates,
    /// One address after the other at each endpoint, which takes one change at a time.
    Addresses,
    Rules,
    /// The more special domains first: `.` may not catch what an exception is on its way for.
    Associations,
    /// Twos: the old rule of a domain off some VPCs, the new one on them.
    Moves,
    /// When all rules speak what is left.
    EndpointNarrowing,
    Shares,
    QueryLogs,
    VpcLogging,
    VpcSwitches,
    /// Routes and authorizations, without which clients would be sent to servers that they can't reach.
    VpnPaths,
    VpnServers,
    /// From here on it is removed.
    VpnRemovals,
    Unshares,
    /// The more general domains first.
    Disassociations,
    VpcUnlogging,
    RuleDeletions,
    QueryLogDeletions,
    AddressRemovals,
    Forbiddances,
    EndpointDeletions,
    GroupDeletions,
    /// What was taken over and is let go.
    Releases,
}

impl Phase {
    /// The only stage of the phase, or its first.
    pub fn first(self) -> Stage {
        Stage(self, 0)
    }
}
