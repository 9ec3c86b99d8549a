//! Tests of the zone as a whole.
