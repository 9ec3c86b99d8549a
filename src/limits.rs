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
/// A target that always takes about as long gets at least this part of that time beyond it, one in five: a busy machine
/// is no sign of death (RFC 6298 section 2.3 has a least variance for that). More than a class of answer times is
/// wide, so that the question out of the budget comes first.
pub const ATTEMPT_SLACK: u32 = 5;
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
/// A probe that takes longer counts as lost, unless its target is known to be as far away. It is heard nevertheless.
pub const PROBE_TIMEOUT: Duration = Duration::from_millis(450);
/// Where all targets of an endpoint are silent: between two clients' questions that try them nevertheless.
pub const DARK_ATTEMPT_EVERY: Duration = Duration::from_secs(1);

/// Rules that clients ask, or that stand for others, whose targets are asked for a marked name in one round of
/// probes: 160 a second, a load that no worker feels.
pub const LOOP_CHECKS_PER_ROUND: usize = 16;
/// Of these, so many by way of one endpoint: 20 questions a second for each target, a fiftieth of what AWS's VPC
/// resolver answers (1,024).
pub const LOOP_CHECKS_PER_ENDPOINT: usize = 2;
/// Rules that nobody asks: ten a second. 100,000 take three hours, in which their loops harm nobody; but they are gone
/// through in strides, so that of a thousand rules written together that all loop one is found within ten seconds.
pub const LOOP_IDLE_CHECKS_PER_ROUND: usize = 1;
/// Targets through which a loop was found, and whose other rules are looked at before those that nothing speaks of: as
/// many as the targets of a few dozen endpoints. What comes beyond has its rules looked at in their turn.
pub const LOOP_HOT_TARGETS: usize = 64;
/// Rules that suspicion or a known loop speaks of: 40 a second of each.
pub const LOOP_RECHECKS_PER_ROUND: usize = 4;
/// Rules that are gone through in one round to find those: 100,000 in five seconds, a millisecond at most each.
pub const LOOP_SCANNED_PER_ROUND: usize = 2000;
/// Rules that clients ask and that wait for their turn: 25 s of one endpoint's. What comes beyond waits for its next
/// question.
pub const LOOP_ASKED: usize = 512;
/// From one look at a rule to the next.
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

/// Access lists within access lists: people name teams within sites within companies.
pub const ACL_DEPTH: usize = 16;

/// Views: each client is looked for in one after the other. A view for each of a company's networks, and as many again.
pub const VIEWS: usize = 1024;

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
/// A TCP connection to a target is made within this, or the target counts as failed: time enough for a first packet
/// that is lost, which goes again after a second (RFC 6298 section 2.1), and for an answer before the deadline.
pub const TARGET_CONNECT: Duration = Duration::from_millis(1500);
/// Questions outstanding on one TCP connection to a target.
pub const TARGET_STREAM_OUTSTANDING: usize = 4096;

/// NSEC3 iterations that are gone through for a client. RFC 9276 wants none; resolvers take more than 150, or by now
/// 50, for no signature at all. A denial takes up to four hashes: 4 x 151 x 0.1 us are 60 us.
pub const NSEC3_ITERATIONS: u16 = 150;
/// Rounds of SHA-1 to see at a load that each name has its NSEC3: about a second of work.
pub const NSEC3_LOAD_HASHES: u64 = 10_000_000;

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

/// Octets of one message of a transfer that we send: names are compressed within the first 16 KiB, and fewer, larger
/// messages gain nothing. A record that is larger gets a message as large as there are.
pub const TRANSFER_MESSAGE: usize = 32 * 1024;
/// Messages of a transfer that wait for a client that reads slowly.
pub const TRANSFER_AHEAD: usize = 4;
/// Transfers to others at once; what comes beyond is refused and comes again.
pub const TRANSFERS_OUT: usize = 32;
/// Transfers from primaries at once.
pub const TRANSFERS_IN: usize = 8;
/// Octets of a zone that a primary sends, uncompressed: what 32-bit offsets reach, less room for changes.
pub const TRANSFER_OCTETS: usize = 2 << 30;
/// A primary is given so long for a connection, and for each message.
pub const TRANSFER_CONNECT: Duration = Duration::from_secs(5);
pub const TRANSFER_PATIENCE: Duration = Duration::from_secs(30);
/// A whole transfer: a million records at 10 Mbit/s take a minute.
pub const TRANSFER_WITHIN: Duration = Duration::from_secs(3600);
/// For one SOA question to a primary over UDP, asked twice, and then over TCP.
pub const SOA_TIMEOUT: Duration = Duration::from_secs(2);

/// Octets of latest changes that a zone remembers, for secondaries that are a little behind: a day of an update a
/// second, 60 octets each way.
pub const HISTORY_OCTETS: usize = 16 << 20;
/// A journal is folded into its zone's copy when it is larger than that, but not below this.
pub const JOURNAL_MIN: u64 = 1 << 20;
/// Octets of one entry of a journal or copy: a whole message's records, uncompressed, many of them in one change.
pub const JOURNAL_ENTRY: usize = 512 << 20;

/// Transfers, notices and updates that wait for the zone desk; beyond it they are refused.
pub const DESK_WAITING: usize = 1024;
/// Updates of one zone that are made together: one new zone and one write to disk for all.
pub const UPDATES_TOGETHER: usize = 1000;

/// A secondary asks its primaries no more often than this, whatever the SOA says, and at least once a day.
pub const REFRESH_MIN: Duration = Duration::from_secs(5);
pub const REFRESH_MAX: Duration = Duration::from_secs(86_400);
/// The same after a failure.
pub const RETRY_MIN: Duration = Duration::from_secs(2);
pub const RETRY_MAX: Duration = Duration::from_secs(3600);
/// A zone that no primary vouches for is served at least so long and at most half a year.
pub const EXPIRE_MIN: Duration = Duration::from_secs(60);
pub const EXPIRE_MAX: Duration = Duration::from_secs(15_768_000);

/// From a change to the word of it: changes that follow at once are told once.
pub const NOTIFY_AFTER: Duration = Duration::from_millis(200);
/// The first wait for an answer to a NOTIFY, each next one twice as long, and how often it is said.
pub const NOTIFY_WAIT: Duration = Duration::from_secs(1);
pub const NOTIFY_TRIES: u32 = 6;

/// How long `reload --zone` waits for a secondary's primaries to answer; they go on being asked.
pub const PRIMARIES_ANSWER: Duration = Duration::from_secs(10);

/// Between two looks at the zone files.
pub const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Questions a second that `compare` asks unless told otherwise: a server in use hardly notices.
pub const COMPARE_RATE: u32 = 100;
/// And at most: what an old server of two cores still answers.
pub const COMPARE_RATE_MAX: u32 = 10_000;
/// Questions that `compare` has outstanding, each with a socket towards either server: 512 of the 1,024 files that a
/// process may usually open.
pub const COMPARE_OUTSTANDING: usize = 256;
/// Questions that `compare` asks unless told otherwise: three minutes and a half at 100 a second.
pub const COMPARE_QUESTIONS: usize = 20_000;
/// Different questions that it takes from all its sources, at some 100 octets each.
pub const COMPARE_GATHERED: usize = 1_000_000;
/// How often a question is sent within its patience: one datagram lost in a hundred then is one answer in a million.
pub const COMPARE_TRIES: u32 = 3;
/// After a refusal by ICMP the next try need not wait for its time.
pub const COMPARE_AFTER_REFUSAL: Duration = Duration::from_millis(200);
/// From an answer that differs to the second time of asking: a TTL that ages has lost two seconds by then.
pub const COMPARE_AGAIN: Duration = Duration::from_millis(2_100);
/// Answers whose TTL is at most this are asked for a third time when it is over. It bounds the time of a run's end.
pub const COMPARE_SHORT_TTL: u32 = 30;
/// Questions in a row that a server leaves unanswered until it is asked one that it has answered before.
pub const COMPARE_SILENT: u32 = 30;
/// Differences for which the reason is asked of the running server; beyond, it is what the files say.
pub const COMPARE_EXPLAINED: usize = 2_000;
/// Octets of a line in a list of questions or a query log. Names have at most 1,020 in presentation form.
pub const COMPARE_LINE: usize = 64 * 1024;
/// What is read of a capture file at once.
pub const CAPTURE_BUFFER: usize = 64 * 1024;
/// The largest block of a capture file: packets have 256 KiB at most, and a section's comments seldom more.
pub const CAPTURE_BLOCK: usize = 16 << 20;
/// Interfaces of one section of a capture file.
pub const CAPTURE_INTERFACES: usize = 65_536;

/// Requests to Route 53 Resolver in any 1.1 seconds: AWS allows 5 a second for an account and Region (Route 53 quotas),
/// and what leaves here evenly may arrive closer together.
pub const RESOLVER_REQUESTS: usize = 5;
pub const RESOLVER_WINDOW: Duration = Duration::from_millis(1_100);
/// Requests to EC2 a second: its buckets refill by 20 a second for what looks, by 5 for what changes (EC2 API
/// throttling), and others of the account take from them as well.
pub const EC2_REQUESTS: usize = 5;
pub const EC2_WINDOW: Duration = Duration::from_secs(1);
/// Requests to RAM and STS a second. RAM's own quota isn't documented: as Resolver's.
pub const RAM_REQUESTS: usize = 5;
pub const RAM_WINDOW: Duration = Duration::from_millis(1_100);
/// A connection to AWS is made within this, and a request is answered within that. RAM and EC2 take seconds at times.
pub const AWS_CONNECT: Duration = Duration::from_secs(4);
pub const AWS_CALL: Duration = Duration::from_secs(20);
/// How often one request is sent, and for how long: after throttling, AWS's own failures and broken connections.
/// 0.4 + 0.8 + 1.6 + 3.2 + 6.4 s of pauses at most.
pub const AWS_TRIES: u32 = 6;
pub const AWS_PATIENCE: Duration = Duration::from_secs(60);
pub const AWS_PAUSE_MIN: Duration = Duration::from_millis(400);
/// Things in one page of a list of Resolver's, the most that it gives.
pub const AWS_PAGE: i32 = 100;
/// Pages of one list: 10,000 things by the hundred are 10 times the rules that an account may have.
pub const AWS_PAGES: usize = 10_000;
/// Octets of one answer of EC2 or RAM: a thousand security groups with 60 permissions each take some 12 MB.
pub const AWS_ANSWER: usize = 32 << 20;
/// Values in one filter of EC2 (EC2 API reference).
pub const EC2_FILTER_VALUES: usize = 200;
/// How often a thing is made anew under a next CreatorRequestId, as AWS still knows the former of one that is gone.
pub const REQUEST_GENERATIONS: u32 = 5;
/// How often it is looked for something that AWS says is there, and how long it is waited between: lists lag behind.
pub const AWS_LOOKS: u32 = 3;
pub const AWS_LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Rules that are looked at one by one; more of them by a list.
pub const RULES_ONE_BY_ONE: usize = 5;

/// `aws apply`: from the first request for a step until AWS must be done with it. An endpoint's creation takes 1 to 2
/// minutes, an outbound address's exchange was seen to take 474 s; Terraform gives either 10 minutes.
pub const APPLY_SLOW: Duration = Duration::from_secs(15 * 60);
/// The same for all other steps. A rule that was changed stays UPDATING for minutes.
pub const APPLY_QUICK: Duration = Duration::from_secs(10 * 60);
/// The first pause between two looks at what AWS is at, and the longest: of its 5 requests a second, others need some.
pub const APPLY_PAUSE_FIRST: Duration = Duration::from_secs(1);
pub const APPLY_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Requests of a stage on their way at once: answers take a few hundred milliseconds, AWS takes 5 requests a second.
pub const APPLY_AT_ONCE: usize = 4;
/// Looks in a row that may fail in ways that pass: with the pauses between them, about half a minute.
pub const APPLY_BLIND: u32 = 5;

/// Resolver endpoints of an account in a Region (Developer Guide, "Quotas on VPC Resolver"; adjustable).
pub const AWS_ENDPOINTS: usize = 4;
/// Addresses of a Resolver endpoint (adjustable).
pub const AWS_ENDPOINT_ADDRESSES: usize = 6;
/// And what the Resolver API takes at most, whatever the quota.
pub const AWS_ENDPOINT_ADDRESSES_MAX: usize = 20;
/// Addresses of an endpoint that must be attached while others come and go: one for each of two Availability Zones.
pub const AWS_MIN_ATTACHED: usize = 2;
/// Resolver rules of an account in a Region (adjustable).
pub const AWS_RULES: usize = 1_000;
/// Associations of rules with VPCs of an account in a Region (adjustable).
pub const AWS_ASSOCIATIONS: usize = 2_000;
/// Rules that change places on VPCs at the same time: both requests of two moves fit into a second at the 5 that AWS
/// takes, so that asking for more at once would only lengthen the gap of each.
pub const AWS_MOVES_AT_ONCE: u32 = 2;

/// Octets of a file with a plan: it holds the world that it was made of, 1,000 rules in some 600 KiB.
pub const PLAN_OCTETS: u64 = 64 << 20;
/// Names that `aws status --probe` asks for, each for two types; the first ones of the file.
pub const PROBE_NAMES: usize = 50;
/// How long each server has for an answer.
pub const PROBE_PATIENCE: Duration = Duration::from_secs(3);
/// Questions on their way at once, each to all servers: if all are silent, the end comes within 45 s.
pub const PROBE_AT_ONCE: usize = 16;
