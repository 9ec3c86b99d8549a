//! What endpoints cost, as far as it is known before a query is asked. Queries are paid beside it.

use super::Cost;

/// US dollars for a network interface and hour (Route 53 pricing, "Resolver endpoints").
pub const INTERFACE_HOUR: f64 = 0.125;
/// As AWS's own calculator counts them.
pub const HOURS_A_MONTH: f64 = 730.0;

/// For so many network interfaces, before and after.
pub(super) fn of(before: usize, after: usize) -> Cost {
    let month = |count: usize| count as f64 * INTERFACE_HOUR * HOURS_A_MONTH;
    Cost { before: month(before), after: month(after) }
}
