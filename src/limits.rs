//! Every bound of the server, with its arithmetic. What has a key in the configuration has its bounds there.

use std::time::Duration;

/// From a client's question to its answer or SERVFAIL, at most two seconds: 1.9 s of trying, and the rest for
/// a busy machine. Stub resolvers of the networks we serve give up after 2 s (`options timeout:2`).
pub const QUERY_DEADLINE: Duration = Duration::from_millis(1900);

/// The shortest wait before a second target is asked: below it, the two answers only race.
pub const ATTEMPT_MIN: Duration = Duration::from_millis(40);
/// The longest wait before a second target is asked: five attempts fit into the deadline.
pub const ATTEMPT_MAX: Duration = Duration::from_millis(400);
/// The wait before a second target is asked while nothing is known about the first.
pub const ATTEMPT_UNKNOWN: Duration = Duration::from_millis(250);
/// Attempts for one question: 1.9 s / 0.4 s, rounded up, and as much again for targets that fail at once.
pub const MAX_ATTEMPTS: usize = 10;

/// How long a question to a target may stay unanswered before it counts as lost. Longer than an attempt:
/// a recursive target's slow answer is no sign of death, and may still come.
pub const LOSS_AFTER: Duration = Duration::from_millis(1000);
/// Questions lost in a row, nothing heard between, until a target is off client traffic.
pub const LOSSES_UNTIL_DOWN: u32 = 2;
/// Questions in a row that take longer than a target's patience until others are asked before it.
pub const LATE_UNTIL_SUSPECT: u32 = 2;
/// SERVFAIL, REFUSED or broken replies in a row, no good answer between, until a target is probed and others
/// are asked before it. A client that asks again and again for one broken name makes two or three.
pub const REJECTIONS_UNTIL_SUSPECT: u32 = 5;
/// How long a target that was down gets less than its share of questions.
pub const SLOW_START: Duration = Duration::from_secs(10);
/// Questions outstanding at a target until others are asked before it. At 10,000 a second and 400 ms: 4,000.
pub const TARGET_OUTSTANDING: u32 = 4096;

/// The shortest wait before a second target is asked out of the budget.
pub const HEDGE_MIN: Duration = Duration::from_millis(5);
/// Questions for which one may be asked twice, or ahead of need: five in a hundred.
pub const QUESTIONS_PER_EXTRA: u32 = 20;
/// Extra questions that a quiet time saves up.
pub const EXTRAS_SAVED: u32 = 50;

/// How often it is looked who needs a probe.
pub const PROBE_ROUND: Duration = Duration::from_millis(100);
/// Between two probes of a suspect target, and of the targets of an endpoint that has none left.
pub const PROBE_EVERY: Duration = Duration::from_millis(500);
/// Between two probes of a target that has been down for long, while others live.
pub const PROBE_EVERY_DOWN: Duration = Duration::from_millis(1500);
/// A target that was not heard for so long is probed: so a dead one is found before it is needed.
pub const PROBE_IDLE: Duration = Duration::from_secs(5);
/// What a probe may take.
pub const PROBE_TIMEOUT: Duration = Duration::from_millis(450);
/// Where all targets of an endpoint are silent: between two clients' questions that try them nevertheless.
pub const DARK_ATTEMPT_EVERY: Duration = Duration::from_secs(1);

/// Rules whose targets are asked for a marked name in one round of probes: ten rules a second. 100,000 rules
/// take three hours, and loops among them are found before that by what is suspicious of them.
pub const LOOP_CHECKS_PER_ROUND: usize = 1;
/// The same of rules that are suspect or known to loop.
pub const LOOP_RECHECKS_PER_ROUND: usize = 4;
/// From one look at all rules to the next.
pub const LOOP_CHECK_EVERY: Duration = Duration::from_secs(300);
/// From the start to the first look: by then the listeners are open.
pub const LOOP_CHECK_FIRST: Duration = Duration::from_millis(500);
/// A rule is not suspected again for so long.
pub const LOOP_SUSPECT_AGAIN: Duration = Duration::from_secs(10);
/// Rules under suspicion at once; what comes beyond is found in its turn.
pub const LOOP_SUSPECTS: usize = 1024;
/// How long a marked name that comes back is known: longer than servers go on trying.
pub const LOOP_MARK_LIFE: Duration = Duration::from_secs(30);
/// The first wait until a looping target is asked for a marked name again; each next one is twice as long.
pub const LOOP_RETRY: Duration = Duration::from_secs(10);
pub const LOOP_RETRY_MAX: Duration = Duration::from_secs(300);

/// Client questions that one worker has waiting for targets. At 10,000 misses a second, each 1.9 s, all of them
/// lost: 19,000.
pub const WAITING_PER_WORKER: usize = 32_768;
/// What one of them takes beside its own octets: flight, waiter, timer, attempts.
pub const WAITER_OCTETS: usize = 1024;
/// Octets that all of them may take on one worker: room for as many as may wait, with names of usual length.
pub const WAITING_OCTETS: usize = WAITING_PER_WORKER * 2 * WAITER_OCTETS;
/// Sockets towards one target, of one worker: each has its own random port.
pub const PORTS_PER_TARGET: usize = 8;
/// Questions after which a socket is replaced by one with another random port.
pub const QUESTIONS_PER_PORT: u32 = 4096;
/// Seconds after which a socket is replaced: a port that is known is half of a spoofer's work.
pub const PORT_LIFE: Duration = Duration::from_secs(120);
/// Questions outstanding on one socket: a random ID is found in two tries on average.
pub const OUTSTANDING_PER_PORT: usize = 32_768;

/// Clients whose rates are remembered at once, about 64 octets each.
pub const RATED_CLIENTS: usize = 65_536;

/// Datagrams per system call. 32 is where the cost per packet stops falling on the machines measured.
pub const BATCH: usize = 32;
/// Batches that a listener takes before misses and targets get their turn.
pub const BATCHES_PER_TURN: usize = 4;
/// Octets of a datagram that we take. Queries are below 512; replies are asked for at 1,232.
pub const DATAGRAM: usize = 4096;
/// What is asked of the kernel for queries that wait while a worker is busy: 4 MiB hold about 5,000 of them,
/// half a second at 10,000 a second (a small datagram costs the kernel 768 octets).
pub const RECEIVE_BUFFER: usize = 4 << 20;

/// Octets of a message over TCP, its length in front not counted (RFC 1035 section 4.2.2).
pub const MESSAGE: usize = 65_535;
/// Questions of one TCP connection that may wait at once; the next is read when one is answered.
pub const TCP_WAITING_PER_CONNECTION: usize = 128;
/// Octets of answers that may wait for a TCP client that does not read.
pub const TCP_UNSENT: usize = 256 * 1024;
/// A target's TCP connection is closed after so long without a question.
pub const TARGET_STREAM_IDLE: Duration = Duration::from_secs(10);
/// A TCP connection to a target is made within this, or the target counts as failed.
pub const TARGET_CONNECT: Duration = Duration::from_millis(800);
/// Questions outstanding on one TCP connection to a target.
pub const TARGET_STREAM_OUTSTANDING: usize = 4096;

/// Rules, zones and endpoints that one answer may lead through by CNAMEs.
pub const MAX_FOLLOWED: usize = 8;
/// Addresses of one name that become targets. Names of resolvers have two to eight.
pub const ADDRESSES_PER_NAME: usize = 16;
/// A name's addresses are used for their TTL, but within these bounds: nobody is asked more often than every five
/// seconds, and a change is seen within an hour whatever its owner thought.
pub const NAME_KEPT_MIN: Duration = Duration::from_secs(5);
pub const NAME_KEPT_MAX: Duration = Duration::from_secs(3600);
/// Between two lookups that fail, after ever longer pauses.
pub const NAME_RETRY_MAX: Duration = Duration::from_secs(60);
/// A start or a reload waits so long for names that were never looked up, and then goes on without them.
pub const NAMES_WITHIN: Duration = Duration::from_secs(5);
/// For one question to a bootstrap server, asked twice: four servers, two at a time, fit into the above.
pub const BOOTSTRAP_TIMEOUT: Duration = Duration::from_millis(1200);

/// At stop: how long questions in flight are waited for. Longer than the query deadline.
pub const DRAIN: Duration = Duration::from_millis(2500);

/// Workers that a scenario may have.
pub const SCENARIO_WORKERS: usize = 8;
/// Questions that one line of a scenario may ask: a second or two of work.
pub const SCENARIO_QUESTIONS: u64 = 1_000_000;
/// The latest time in a scenario: its clock jumps, but each round of probes has to be gone through.
pub const SCENARIO_TIME: Duration = Duration::from_secs(86_400);
/// Turns of a scenario at one and the same time: beyond it the core does not come to rest.
pub const SCENARIO_TURNS_AT_ONCE: usize = 100_000;

/// Octets of one file of a configuration that is imported: 100,000 zones of BIND take some 10 MB.
pub const IMPORT_FILE: u64 = 64 << 20;
/// Octets of all its files together, those of zones not counted.
pub const IMPORT_TOTAL: u64 = 256 << 20;
/// Files that it may include, one file each time it is included.
pub const IMPORT_FILES: usize = 10_000;
/// Levels of files that include files. BIND has no bound of its own, and nobody goes beyond three.
pub const IMPORT_INCLUDE_DEPTH: usize = 32;
/// Levels of braces, as each takes a frame of the stack; the deepest that BIND knows statements for is 5, and address
/// lists in address lists come on top.
pub const IMPORT_NESTING: usize = 64;
/// Names outside of all zones of a source that get a zone of their own: each is a file, and more of them are a domain's
/// worth of records.
pub const IMPORT_LONE_ZONES: usize = 1_000;
/// Statements of one source, as each has a line in the receipt.
pub const IMPORT_STATEMENTS: usize = 1_000_000;
