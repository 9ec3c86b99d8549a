//! What must hold for any octets that are read as a capture, a query log or a list of questions: reading ends, and gives
//! questions that can be asked.

use dnsfwd::compare::heard::query;
use dnsfwd::compare::question::{Gathering, Question};
use dnsfwd::compare::{capture, list, querylog};
use dnsfwd::wire::query::{Folded, Judged, judge};

/// Reads the octets as each kind of file.
pub fn check_gathered(octets: &[u8]) {
    let read = |read: &dyn Fn(&mut Gathering) -> Option<usize>| {
        let mut gathering = Gathering::default();
        gathering.begin("octets");
        let told = read(&mut gathering);
        check_questions(gathering, octets.len(), told);
    };
    read(&|gathering| Some(capture::read(octets, &[53], gathering).ok()?.questions));
    read(&|gathering| Some(querylog::read(octets, gathering).ok()?.questions));
    read(&|gathering| list::read(octets, gathering).ok().and(None));
}

/// A question takes more than an octet to say, and none comes that was not told of.
fn check_questions(gathering: Gathering, octets: usize, told: Option<usize>) {
    let gathered = gathering.len();
    assert!(gathered <= octets);
    assert!(told.is_none_or(|told| gathered <= told));
    let plan = gathering.pick(octets + 1);
    assert_eq!(plan.questions.len(), gathered);
    plan.questions.iter().for_each(check_question);
}

/// Its query is one that our own server takes, with the same name and type.
fn check_question(question: &Question) {
    let message = query(question, 7);
    let mut folded = Folded::default();
    let Judged::Ask(asked) = judge(&message, &mut folded) else {
        panic!("our own query is sound: {question}")
    };
    assert!(asked.qname().eq_ignore_ascii_case(question.name.as_wire()));
    assert_eq!(asked.rtype(), question.rtype);
}
