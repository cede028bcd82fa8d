use super::*;
use model::{Epoch, Seq};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A partition: at each offset a landmark, or something that is none.
type Records = Vec<Option<Place>>;

fn at(epoch: u64, seq: u64) -> Place {
    Place { epoch: Epoch(epoch), seq: Seq(seq) }
}

/// What a publisher leaves behind that starts again now and then, beats between events, opens
/// new epochs, and shares the topic with strangers.
fn random_log(random: &mut StdRng) -> Records {
    let mut records = Vec::new();
    let (mut epoch, mut seq, mut highest) = (1, 0, 0);
    for _ in 0..random.random_range(0..200) {
        match random.random_range(0..20) {
            0 => records.push(None),
            1..4 => records.push((seq > 0).then(|| at(epoch, seq))),
            4 => seq -= random.random_range(0..=seq.min(9)),
            5 if seq == highest && random.random_bool(0.2) => {
                (epoch, seq, highest) = (epoch + 1, 0, 0);
            }
            _ => {
                seq += 1;
                highest = highest.max(seq);
                records.push(Some(at(epoch, seq)));
            }
        }
    }
    let trimmed = random.random_range(0..=records.len() / 4);
    records.split_off(trimmed)
}

fn first(records: &Records, base: i64, span: Span) -> Option<(i64, Place)> {
    let mut offsets = span.from..span.until;
    offsets.find_map(|offset| Some((offset, record(records, base, offset)?)))
}

fn record(records: &Records, base: i64, offset: i64) -> Option<Place> {
    records[usize::try_from(offset - base).expect("inside")]
}

#[test]
fn a_start_misses_nothing_and_needs_few_questions() {
    for seed in 0..2_000 {
        let mut random = StdRng::seed_from_u64(seed);
        let records = random_log(&mut random);
        let base = random.random_range(0..1_000);
        let target = at(random.random_range(1..3), random.random_range(0..120));
        let until = base + i64::try_from(records.len()).expect("small");
        let mut search = StartSearch::new(Span { from: base, until }, target);
        let mut questions = 0;
        while let Some(span) = search.ask() {
            assert!(span.from >= base && span.until <= until && span.from < span.until);
            search.learn(first(&records, base, span));
            questions += 1;
        }
        assert!(questions <= 20, "seed {seed}: {questions} questions");
        let delivered: Vec<_> =
            (search.start()..until).filter_map(|offset| record(&records, base, offset)).collect();
        // Everything above the target that a reader of the whole log ends with is delivered.
        for wanted in records.iter().flatten().filter(|place| **place > target) {
            // A repetition that has not come back to it yet: its publisher will.
            let to_come = records.iter().flatten().next_back() < Some(wanted);
            assert!(
                delivered.contains(wanted) || to_come,
                "seed {seed}: {wanted:?} after {target:?}"
            );
        }
    }
}

#[test]
fn an_empty_log_starts_where_it_is() {
    let search = StartSearch::new(Span { from: 7, until: 7 }, at(1, 0));
    assert_eq!(search.ask(), None);
    assert_eq!(search.start(), 7);
}

/// How many questions a search of a log without repetitions takes.
fn questions(records: &Records, after: u64) -> usize {
    let until = i64::try_from(records.len()).expect("small");
    let mut search = StartSearch::new(Span { from: 0, until }, at(1, after));
    let mut questions = 0;
    while let Some(span) = search.ask() {
        search.learn(first(records, 0, span));
        questions += 1;
    }
    let (before, from) = records.split_at(usize::try_from(search.start()).expect("small"));
    assert!(before.iter().flatten().all(|place| *place <= at(1, after)));
    assert!(from.iter().flatten().all(|place| *place >= at(1, after)));
    questions
}

#[test]
fn a_busy_log_is_entered_with_two_questions() {
    let records: Records = (1..=100_000).map(|seq| Some(at(1, seq))).collect();
    for after in [0, 1, 50_000, 99_999] {
        assert!(questions(&records, after) <= 2, "after {after}");
    }
    assert_eq!(questions(&records, 100_000), 1);
}

#[test]
fn heartbeats_between_events_cost_a_few_more() {
    // Busy at first, then idle for a day: each heartbeat names the event before it.
    let busy = (1..=50_000).map(|seq| Some(at(1, seq)));
    let idle = (0..86_400).map(|second| Some(at(1, 50_000 + second / 600)));
    let records: Records = busy.chain(idle).collect();
    for after in [0, 10, 49_000, 50_000, 50_001, 50_100] {
        let questions = questions(&records, after);
        assert!(questions <= 24, "{questions} after {after}");
    }
}

#[test]
fn a_tail_is_found_behind_any_number_of_other_records() {
    for before in [0_i64, 1, 5, 300] {
        let held = Span { from: 10, until: 11 + before };
        let mut search = TailSearch::new(held);
        let mut questions = 0;
        while let Some(span) = search.ask() {
            questions += 1;
            if span.from == 10 {
                break;
            }
            search.learn_nothing();
        }
        assert!(questions <= 6);
    }
    let mut none = TailSearch::new(Span { from: 3, until: 5 });
    none.learn_nothing();
    none.learn_nothing();
    none.learn_nothing();
    assert_eq!(none.ask(), None);
}
