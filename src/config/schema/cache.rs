//! `[cache]`: how much is kept, for how long, and what is given past its time.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Section;
use crate::config::Cache;
use crate::config::reader::flag;
use crate::config::value::{size, stale_after, ttl};

/// Below 1 MiB a cache holds less than a page's names; above 1 TiB is a slip of the unit.
const CACHE_SIZES: RangeInclusive<u64> = 1 << 20..=1 << 40;
/// RFC 8767 section 4 takes seven days for the longest TTL that makes sense.
pub(super) const MAX_TTL: Duration = Duration::from_secs(7 * 86_400);
/// A minimum overrides the owner's word, and with it failover by DNS: an hour is the most one may want.
const MAX_MIN_TTL: Duration = Duration::from_secs(3_600);
/// Of a stale answer: clients should come back soon, as a fresh one may be there.
pub(super) const MAX_STALE_TTL: Duration = Duration::from_secs(3_600);

pub(super) fn cache(table: &mut Section<'_, '_>, cache: &mut Cache) {
    table.set("size", size(CACHE_SIZES), &mut cache.size_bytes);
    table.set("min_ttl", ttl(MAX_MIN_TTL), &mut cache.min_ttl_secs);
    table.set("max_ttl", ttl(MAX_TTL), &mut cache.max_ttl_secs);
    table.set("max_negative_ttl", ttl(MAX_TTL), &mut cache.max_negative_ttl_secs);
    let freshness = &mut cache.freshness;
    table.set("serve_stale", flag, &mut freshness.serve_stale);
    table.set("stale_ttl", ttl(MAX_STALE_TTL), &mut freshness.stale_ttl_secs);
    table.set("max_stale", ttl(MAX_TTL), &mut freshness.max_stale_secs);
    table.set("stale_after", stale_after, &mut freshness.stale_after);
    table.set("prefetch", flag, &mut freshness.prefetch);
}
