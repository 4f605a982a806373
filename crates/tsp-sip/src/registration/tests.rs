use super::*;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn status(code: u16) -> StatusCode {
    StatusCode::new(code).unwrap()
}

/// What the answer leads to with the smallest and with the greatest random numbers.
fn both(answer: Answer, before: &[Answer]) -> [Step; 2] {
    [0, u64::MAX].map(|r| {
        let random = |below: u64| r.min(below - 1);
        let mut registration = Registration::new(secs(600));
        for answer in before {
            registration.answered(Instant::ZERO, answer, random);
        }
        registration.answered(Instant::ZERO, &answer, random)
    })
}

// Shows: a registration is refreshed before it ends, and what is granted is what counts | RFC 3261 10.2.4, interop rows 14 and 19
#[test]
fn what_is_granted_is_refreshed_early() {
    for (granted, expires, range) in [
        (Some(600), 600, [480, 540]),
        (Some(60), 60, [48, 54]),
        (Some(6), 6, [5, 5]),
        (Some(1), 1, [5, 5]),
        // A registrar that says nothing of us, or nought.
        (None, 600, [480, 540]),
        (Some(0), 600, [480, 540]),
    ] {
        for (r, at) in [(u64::MAX, range[0]), (0, range[1])] {
            let random = |below: u64| r.min(below - 1);
            let mut registration = Registration::new(secs(600));
            let answer = Answer::Granted(granted.map(secs));
            let step = registration.answered(Instant::ZERO, &answer, random);
            assert_eq!(step, Step::Registered(secs(expires)));
            let due = Instant::ZERO + secs(at);
            assert_eq!(registration.deadline(), Some(due), "{granted:?}");
            assert!(!registration.timeout(due - secs(1)) && registration.timeout(due));
            assert_eq!(registration.deadline(), None);
        }
    }
}

// Shows: a registrar that wants longer intervals gets them, in so many tries | RFC 3261 10.2.8, interop row 14
#[test]
fn brief_intervals_grow_as_the_registrar_says() {
    let mut registration = Registration::new(secs(600));
    let mut say = |least: Option<u64>| {
        let step = registration.answered(Instant::ZERO, &Answer::TooBrief(least.map(secs)), |_| 0);
        (step, registration.expires().as_secs())
    };
    assert_eq!(say(None), (Step::Ask, 3601));
    assert_eq!(say(Some(3612)), (Step::Ask, 3612));
    assert_eq!(say(Some(3613)), (Step::Ask, 3613));
    assert_eq!(say(Some(3614)), (Step::Failed(secs(300)), 3613));
    let [step, _] = both(Answer::TooBrief(None), &[Answer::TooBrief(None)]);
    assert_eq!(step, Step::Failed(secs(300)));
}

// Shows: a registrar that refuses or is silent is asked again after long and random times | RFC 5626 4.5, interop row 18
#[test]
fn failures_wait_longer_each_time() {
    let silent = |n| vec![Answer::Silence; n];
    for (answer, before, range) in [
        (Answer::Silence, silent(0), [30, 60]),
        (Answer::Refused(status(500), None), silent(1), [60, 120]),
        (
            Answer::Refused(status(503), Some(secs(100))),
            silent(0),
            [100, 100],
        ),
        (
            Answer::Refused(status(503), Some(secs(10))),
            silent(0),
            [30, 60],
        ),
        (Answer::Silence, silent(40), [900, 1800]),
        (Answer::Refused(status(403), None), silent(0), [300, 600]),
        (Answer::Refused(status(401), None), silent(0), [300, 600]),
        (Answer::Refused(status(404), None), silent(9), [900, 1800]),
        (Answer::Refused(status(480), None), silent(0), [30, 60]),
        (Answer::Refused(status(430), None), silent(0), [30, 60]),
        // A success begins anew.
        (
            Answer::Silence,
            vec![Answer::Silence, Answer::Granted(None)],
            [30, 60],
        ),
    ] {
        let steps = range.map(|s| Step::Failed(secs(s)));
        assert_eq!(both(answer.clone(), &before), steps, "{answer:?}");
    }
    let [step, _] = both(Answer::Refused(status(503), Some(secs(1 << 40))), &[]);
    assert_eq!(step, Step::Failed(MOST_AFTER));
}

// Shows: an address that changes with each request does not make a storm of registrations | interop row 2
#[test]
fn an_address_is_taken_over_once_for_each_refresh() {
    let mut registration = Registration::new(secs(600));
    let granted = Answer::Granted(None);
    assert!(!registration.moved(), "the answer is still to come");
    registration.answered(Instant::ZERO, &granted, |_| 0);
    assert!(registration.moved());
    registration.answered(Instant::ZERO, &granted, |_| 0);
    assert!(!registration.moved());
    assert!(registration.timeout(Instant::ZERO + secs(600)));
    registration.answered(Instant::ZERO + secs(600), &granted, |_| 0);
    assert!(registration.moved());
}

#[test]
fn whoever_was_only_refused_has_nothing_to_take_back() {
    let refused = Answer::Refused(StatusCode::FORBIDDEN, None);
    for (first, follows) in [
        (&refused, Step::Gone),
        (&Answer::Silence, Step::Ask),
        (&Answer::Granted(None), Step::Ask),
    ] {
        let mut registration = Registration::new(secs(600));
        registration.answered(Instant::ZERO, first, |_| 0);
        assert!(registration.timeout(Instant::ZERO + secs(3600)));
        registration.answered(Instant::ZERO + secs(3600), &refused, |_| 0);
        assert_eq!(registration.leave(), Some(follows));
    }
}

#[test]
fn whoever_leaves_asks_for_nothing_more() {
    let mut registration = Registration::new(secs(600));
    assert_eq!(registration.leave(), Some(Step::Ask));
    assert_eq!(registration.leave(), None);
    assert_eq!(registration.expires(), Duration::ZERO);
    let step = registration.answered(Instant::ZERO, &Answer::Silence, |_| 0);
    assert_eq!((step, registration.deadline()), (Step::Gone, None));
}

// Shows: a way that is lost is made again at once if it was one, else after longer and longer times | RFC 5626 4.5
#[test]
fn ways_that_do_not_last_are_made_again_later_each_time() {
    let (granted, now) = (Answer::Granted(None), Instant::ZERO);
    let mut registration = Registration::new(secs(600));
    assert_eq!(registration.way_lost(now, true, |_| 0), None);
    for wait in [30, 60, 120] {
        registration.answered(now, &granted, |_| 0);
        let step = registration.way_lost(now, false, |_| 0);
        assert_eq!(step, Some(Step::Failed(secs(wait))));
        assert_eq!(registration.way_lost(now, false, |_| 0), None, "once");
        assert!(registration.timeout(now + secs(wait)));
    }
    registration.answered(now, &granted, |_| 0);
    assert_eq!(registration.way_lost(now, true, |_| 0), Some(Step::Ask));
    registration.answered(now, &granted, |_| 0);
    let later = now + LASTING;
    let step = registration.way_lost(later, false, |_| 0);
    assert_eq!(step, Some(Step::Ask), "it lasted");
    registration.answered(later, &granted, |_| 0);
    let step = registration.way_lost(later, false, |_| 0);
    assert_eq!(step, Some(Step::Failed(secs(30))), "counted anew");
    // Where there is another way there is no haste.
    let mut second = Registration::new(secs(600));
    second.set_beside(true);
    for wait in [90, 180, 360, 720, 900] {
        let step = second.answered(now, &Answer::Silence, |_| 0);
        assert_eq!(step, Step::Failed(secs(wait)));
    }
}
