//! The way of a question that is not answered at once: whose it is and what it may have, where it waits, who is asked
//! for it, and where its CNAMEs lead. Knows no socket and no clock.

pub mod apart;
pub mod fetch;
pub mod follow;
pub mod line;
pub mod miss;
pub mod rates;
pub mod views;
