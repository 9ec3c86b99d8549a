use super::*;

const MS: Duration = Duration::from_millis(1);

struct Scene {
    target: Target,
    now: Instant,
}

impl Scene {
    fn new() -> Scene {
        let target = Target::new("127.0.0.1:53".parse().unwrap(), "e");
        // Nothing was heard at the very beginning.
        let now = target.began + MS;
        Scene { target, now }
    }

    fn after(&mut self, ms: u32) -> &mut Scene {
        self.now += ms * MS;
        self
    }

    fn lost(&mut self) -> State {
        self.target.lost(self.now - Duration::from_secs(1), self.now);
        self.target.state()
    }

    fn heard(&mut self, worth: Worth) -> State {
        self.target.heard(self.now, 2 * MS, worth);
        self.target.state()
    }

    fn proved(&mut self, worth: Worth) -> State {
        self.target.proved(self.now, 2 * MS, worth, "probe: it says SERVFAIL");
        self.target.state()
    }

    fn late(&mut self, ms: u32) -> State {
        self.target.late(self.now - ms * MS, self.now);
        self.target.state()
    }
}

#[test]
fn two_losses_with_nothing_heard_take_it_down_and_one_answer_brings_it_back() {
    let mut scene = Scene::new();
    scene.after(1000);
    assert_eq!(scene.lost(), State::Suspect);
    assert_eq!(scene.after(1).lost(), State::Silent);
    assert_eq!(scene.after(10).heard(Worth::Good), State::Returning);
    assert_eq!(scene.after(9000).heard(Worth::Good), State::Returning);
    assert_eq!(scene.after(1000).heard(Worth::Good), State::Healthy);
}

#[test]
fn slow_start_gives_a_growing_share() {
    let mut scene = Scene::new();
    scene.after(1000).lost();
    scene.lost();
    assert_eq!(scene.after(1).proved(Worth::Good), State::Returning);
    assert_eq!(scene.target.share(scene.now), 0.1);
    assert_eq!(scene.target.share(scene.now + SLOW_START / 2), 0.5);
    assert_eq!(scene.target.share(scene.now + SLOW_START), 1.0);
    scene.after(2000);
    scene.target.lost(scene.now - 1500 * MS, scene.now);
    assert_eq!(scene.target.state(), State::Suspect, "what is back may go again");
}

#[test]
fn late_twice_in_a_row_is_suspect_until_heard() {
    let mut scene = Scene::new();
    scene.after(100);
    scene.late(50);
    scene.after(40).heard(Worth::Good);
    assert_eq!(scene.after(60).late(50), State::Healthy, "not in a row");
    assert_eq!(scene.after(60).late(50), State::Suspect);
    assert_eq!(scene.after(1).heard(Worth::Good), State::Healthy);
}

#[test]
fn a_slow_answer_is_no_sign_of_death() {
    let mut scene = Scene::new();
    scene.after(2000).heard(Worth::Good);
    scene.after(1);
    scene.lost();
    assert_eq!(scene.lost(), State::Healthy);
    assert_eq!(scene.target.timeouts.load(Relaxed), 2);
}

/// SERVFAIL to everything: off client traffic until a probe is answered well.
#[test]
fn one_that_only_fails_keeps_failing_until_a_good_probe() {
    let mut scene = Scene::new();
    for _ in 1..REJECTIONS_UNTIL_SUSPECT {
        assert_eq!(scene.after(1).heard(Worth::Failure), State::Healthy);
    }
    assert_eq!(scene.after(1).heard(Worth::Failure), State::Suspect);
    assert_eq!(scene.after(1).proved(Worth::Failure), State::Failing);
    assert_eq!(scene.after(1).heard(Worth::Good), State::Failing, "the probe decides");
    assert_eq!(scene.after(1).proved(Worth::Good), State::Returning);
    assert_eq!(scene.target.last_failure().as_deref(), Some("probe: it says SERVFAIL"));
}

#[test]
fn some_failures_among_good_answers_are_the_questions_own() {
    let mut scene = Scene::new();
    for number in 0..100 {
        let worth = if number % 5 == 0 { Worth::Good } else { Worth::Failure };
        assert_eq!(scene.after(1).heard(worth), State::Healthy);
    }
}

#[test]
fn a_silent_one_that_answers_with_failures_is_no_longer_silent() {
    let mut scene = Scene::new();
    scene.after(1000).lost();
    assert_eq!(scene.lost(), State::Silent);
    assert_eq!(scene.after(1).proved(Worth::Failure), State::Failing);
    scene.after(2000).lost();
    assert_eq!(scene.lost(), State::Silent);
    assert_eq!(scene.after(1).heard(Worth::Failure), State::Failing);
}

#[test]
fn waits_follow_the_answer_time_within_bounds() {
    let mut scene = Scene::new();
    assert_eq!(scene.target.patience(), ATTEMPT_UNKNOWN);
    assert_eq!(scene.target.hedge_after(), ATTEMPT_UNKNOWN);
    scene.after(1).proved(Worth::Good);
    assert_eq!(scene.target.hedge_after(), 4 * 2 * MS + 4 * HEDGE_MIN, "by its probe");
    for (took, hedge) in [(MS, HEDGE_MIN..=HEDGE_MIN), (100 * MS, 100 * MS..=120 * MS)] {
        for _ in 0..600 {
            scene.after(1);
            scene.target.heard(scene.now, took, Worth::Good);
        }
        assert!(hedge.contains(&scene.target.hedge_after()), "{took:?}: {:?}", scene.target.hedge_after());
        assert!(scene.target.patience() >= took && scene.target.patience() <= took + 150 * MS);
    }
    for _ in 0..600 {
        scene.target.heard(scene.now, Duration::from_secs(3), Worth::Good);
    }
    assert_eq!(scene.target.patience(), ATTEMPT_MAX);
    assert_eq!(scene.target.hedge_after(), ATTEMPT_MAX);
}

/// Else an answer half a millisecond later than usual sends the question to whoever is left, without a budget: to
/// a dead target too.
#[test]
fn a_steady_target_s_patience_has_slack_and_the_budget_comes_first() {
    for took in [50 * MS, 100 * MS, 300 * MS] {
        let mut scene = Scene::new();
        for _ in 0..600 {
            scene.after(1);
            scene.target.heard(scene.now, took, Worth::Good);
        }
        let patience = scene.target.patience();
        assert!(patience >= took * 119 / 100, "{took:?}: {patience:?}");
        assert!(scene.target.hedge_after() < patience, "{took:?}: {:?}", scene.target.hedge_after());
    }
}

#[test]
fn a_drain_ends_by_time_or_by_word() {
    let scene = Scene::new();
    let (target, now) = (&scene.target, scene.now);
    assert_eq!(target.drained_for(now), None);
    target.drain(now, Some(Duration::from_secs(60)));
    assert_eq!(target.drained_for(now + Duration::from_secs(20)), Some(Duration::from_secs(40)));
    assert_eq!(target.drained_for(now + Duration::from_secs(60)), None);
    target.drain(now, None);
    assert_eq!(target.drained_for(now + Duration::from_secs(1_000_000)), Some(Duration::MAX));
    target.enable();
    assert_eq!(target.drained_for(now), None);
}
