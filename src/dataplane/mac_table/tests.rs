//! The table of MACs against what it promises; with loom, the models of its concurrency.

use super::*;

fn key(domain: u16, number: u32) -> MacKey {
    let [a, b, c, d] = number.to_be_bytes();
    MacKey::new(DomainId(domain), MacAddress([2, 0, a, b, c, d]))
}

fn heard(key: MacKey, member: u16, seconds: u64) -> Heard {
    Heard { key, member: MemberId(member), limit: 200_000, tick: tick(seconds) }
}

fn tick(seconds: u64) -> Tick {
    Tick::at(Instant::from_millis(seconds * 1000))
}

#[cfg(not(loom))]
fn hear(table: &MacTable, heard: &Heard) -> Learned {
    if table.is_known(heard) { Learned::Known } else { table.learn(heard, MayMove::Yes) }
}

#[cfg(not(loom))]
mod alone {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_hundred_thousand_macs_are_found_where_they_were_heard() {
        let table = MacTable::new(BUCKET_BITS_DEFAULT, 7);
        for number in 0..100_000 {
            let member = u16::try_from(number % 1000 + 1).unwrap();
            let learned = hear(&table, &heard(key(1, number), member, 1));
            assert_eq!(learned, Learned::New, "{number}");
        }
        for number in 0..100_000 {
            let member = MemberId(u16::try_from(number % 1000 + 1).unwrap());
            assert_eq!(table.find(key(1, number), tick(1)), Some(member));
            assert_eq!(table.find(key(2, number), tick(1)), None, "another domain");
        }
        assert_eq!(table.entries(tick(1)).count(), 100_000);
        assert_eq!(table.count_of(MemberId(1)), 100);
    }

    #[test]
    fn a_flood_of_a_million_macs_fills_the_table_and_moves_nobody_out() {
        let table = MacTable::new(8, 7);
        let first: Vec<u32> = (0..500).collect();
        for number in &first {
            assert_eq!(hear(&table, &heard(key(1, *number), 1, 1)), Learned::New);
        }
        let mut full = 0;
        for number in 1000..1_001_000 {
            match hear(&table, &heard(key(1, number), 2, 2)) {
                Learned::Full => full += 1,
                other => assert_eq!(other, Learned::New),
            }
        }
        assert!(full > 998_000, "{full}");
        assert!(first.iter().all(|n| table.find(key(1, *n), tick(2)) == Some(MemberId(1))));
        assert!(table.entries(tick(2)).count() <= table.capacity());
    }

    #[test]
    fn a_member_learns_no_more_than_its_limit_and_goes_on_when_others_have_aged() {
        let table = MacTable::new(8, 7);
        let limited = |number, seconds| Heard { limit: 3, ..heard(key(1, number), 1, seconds) };
        let learned = [1, 2, 3, 4, 3].map(|number| hear(&table, &limited(number, 1)));
        let expected = [Learned::New, Learned::New, Learned::New, Learned::Limit, Learned::Known];
        assert_eq!(learned, expected);
        assert_eq!(hear(&table, &heard(key(1, 4), 2, 1)), Learned::New, "another member may");
        for _ in 0..256 / SWEEP_BUCKETS {
            table.sweep(tick(1000));
        }
        assert_eq!(hear(&table, &limited(5, 1000)), Learned::New);
        assert_eq!(table.count_of(MemberId(1)), 1);
    }

    #[test]
    fn what_is_heard_again_lives_and_what_is_not_ages() {
        let table = MacTable::new(4, 7);
        table.set_age(60);
        hear(&table, &heard(key(1, 1), 1, 8));
        hear(&table, &heard(key(1, 2), 1, 8));
        assert_eq!(hear(&table, &heard(key(1, 2), 1, 40)), Learned::Known);
        assert_eq!(table.find(key(1, 1), tick(64)), Some(MemberId(1)));
        assert_eq!(table.find(key(1, 1), tick(80)), None);
        assert_eq!(table.find(key(1, 2), tick(80)), Some(MemberId(1)));
        assert_eq!(hear(&table, &heard(key(1, 1), 1, 80)), Learned::New);
        assert_eq!(table.count_of(MemberId(1)), 2, "an entry that comes back counts once");
    }

    #[test]
    fn ticks_go_round() {
        let table = MacTable::new(4, 7);
        let last = 8 * u64::from(TICK_MAX) - 8;
        hear(&table, &heard(key(1, 1), 1, last));
        assert_eq!(table.find(key(1, 1), tick(last + 16)), Some(MemberId(1)));
        assert_eq!(table.find(key(1, 1), tick(last + 8 * 39)), None);
    }

    #[test]
    fn a_flush_forgets_one_member_at_once() {
        let table = MacTable::new(6, 7);
        for number in 0..40 {
            hear(&table, &heard(key(1, number), u16::try_from(number % 2 + 1).unwrap(), 1));
        }
        table.flush(MemberId(1));
        let found = |number: &u32| table.find(key(1, *number), tick(1)).is_some();
        assert_eq!((0..40).filter(found).count(), 20);
        assert_eq!((table.count_of(MemberId(1)), table.count_of(MemberId(2))), (0, 20));
        assert_eq!(hear(&table, &heard(key(1, 0), 1, 1)), Learned::New);
        // Its place is another one's now: what the old owner had does not count twice.
        assert_eq!(hear(&table, &heard(key(1, 2), 2, 1)), Learned::New);
        assert_eq!((table.count_of(MemberId(1)), table.count_of(MemberId(2))), (1, 21));
    }

    #[test]
    fn a_mac_that_is_heard_elsewhere_moves_unless_it_is_held() {
        let table = MacTable::new(4, 7);
        hear(&table, &heard(key(1, 1), 1, 1));
        let there = heard(key(1, 1), 2, 1);
        assert_eq!(table.elsewhere(&there), Some(MemberId(1)));
        assert_eq!(table.learn(&there, MayMove::No), Learned::Held(MemberId(1)));
        assert_eq!(table.find(key(1, 1), tick(1)), Some(MemberId(1)));
        assert_eq!(table.learn(&there, MayMove::Yes), Learned::Moved(MemberId(1)));
        assert_eq!(table.find(key(1, 1), tick(1)), Some(MemberId(2)));
        assert_eq!((table.count_of(MemberId(1)), table.count_of(MemberId(2))), (0, 1));
    }

    #[test]
    fn static_entries_neither_age_nor_move() {
        let table = MacTable::new(4, 7);
        assert!(table.set_static(key(1, 1), MemberId(1), tick(1)));
        assert_eq!(table.find(key(1, 1), tick(2000)), Some(MemberId(1)));
        let there = heard(key(1, 1), 2, 2000);
        assert!(!table.is_known(&there));
        assert_eq!(table.learn(&there, MayMove::Yes), Learned::Static(MemberId(1)));
        assert_eq!(hear(&table, &heard(key(1, 1), 1, 2000)), Learned::Known);
        assert_eq!(table.entries(tick(3)).collect::<Vec<_>>(), [(key(1, 1), MemberId(1), true)]);
        assert!(table.forget(key(1, 1)) && table.find(key(1, 1), tick(1)).is_none());
        assert_eq!(table.count_of(MemberId(1)), 0);
    }

    #[test]
    fn a_table_under_random_work_agrees_with_a_map() {
        let table = MacTable::new(5, 7);
        let mut oracle: BTreeMap<u32, u16> = BTreeMap::new();
        let mut random = crate::base::prng::Prng::new(9);
        let mut draw = |below: u64| u32::try_from(random.below(below)).unwrap();
        for _ in 0..20_000 {
            let (number, member) = (draw(80), u16::try_from(draw(4) + 1).unwrap());
            match draw(40) {
                0 => {
                    table.flush(MemberId(member));
                    oracle.retain(|_, other| *other != member);
                }
                1 => {
                    assert!(table.forget(key(1, number)));
                    oracle.remove(&number);
                }
                _ => match hear(&table, &heard(key(1, number), member, 1)) {
                    Learned::Full => {}
                    Learned::Known => assert_eq!(oracle.get(&number), Some(&member)),
                    Learned::New => assert!(oracle.insert(number, member).is_none()),
                    Learned::Moved(from) => {
                        assert_eq!(oracle.insert(number, member), Some(from.0));
                    }
                    other => unreachable!("{other:?}"),
                },
            }
            for member in 1..=4 {
                let count = oracle.values().filter(|other| **other == member).count();
                assert_eq!(table.count_of(MemberId(member)) as usize, count);
            }
        }
        for number in 0..80 {
            let found = table.find(key(1, number), tick(1)).map(|member| member.0);
            assert_eq!(found, oracle.get(&number).copied());
        }
    }

    #[test]
    fn writers_and_readers_together_find_a_mac_at_its_own_member_only() {
        let table = MacTable::new(2, 7);
        // Far more MACs than there are places; the member of a MAC follows from its number.
        let member_of = |number: u32| u16::try_from(number % 7 + 1).unwrap();
        std::thread::scope(|scope| {
            for part in 0..3_u32 {
                let table = &table;
                scope.spawn(move || {
                    for step in 0..40_000_u32 {
                        let number = step.wrapping_mul(31 + part) % 60;
                        let member = member_of(number);
                        hear(table, &heard(key(1, number), member, 1));
                        if step % 16 == part {
                            table.flush(MemberId(member));
                        }
                        let asked = (step + part) % 60;
                        let found = table.find(key(1, asked), tick(1));
                        assert!(found.is_none_or(|found| found.0 == member_of(asked)));
                    }
                });
            }
        });
    }
}

#[cfg(loom)]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Two keys that share a bucket, in a table of two buckets.
    fn rivals(table: &MacTable) -> (MacKey, MacKey) {
        let first = key(1, 0);
        let places = |key| [table.first(table.places(key)), table.second(table.places(key))];
        let other = (1..100).map(|n| key(1, n)).find(|key| places(*key) == places(first));
        (first, other.unwrap())
    }

    /// Who reads while an entry becomes another MAC's finds the right member, or none.
    #[test]
    fn an_entry_that_changes_hands_never_shows_the_member_of_another_mac() {
        loom::model(|| {
            let table = Arc::new(MacTable::new(1, 7));
            let (one, two) = rivals(&table);
            table.learn(&heard(one, 1, 1), MayMove::Yes);
            table.flush(MemberId(1));
            // The place of the first is free now; the second takes it while others ask.
            let writer = Arc::clone(&table);
            let thread = thread::spawn(move || {
                writer.learn(&heard(two, 2, 1), MayMove::Yes);
            });
            assert_ne!(table.find(one, tick(1)), Some(MemberId(2)));
            assert_ne!(table.find(two, tick(1)), Some(MemberId(1)));
            thread.join().unwrap();
            assert_eq!(table.find(two, tick(1)), Some(MemberId(2)));
        });
    }

    /// Two workers that hear the same MAC at once leave one entry.
    #[test]
    fn a_mac_that_two_hear_at_once_is_in_the_table_once() {
        loom::model(|| {
            let table = Arc::new(MacTable::new(1, 7));
            let one = key(1, 0);
            let other = Arc::clone(&table);
            let thread = thread::spawn(move || other.learn(&heard(one, 1, 1), MayMove::Yes));
            let here = table.learn(&heard(one, 2, 1), MayMove::Yes);
            let there = thread.join().unwrap();
            assert!(here == Learned::New || there == Learned::New);
            assert_eq!(table.entries(tick(1)).count(), 1);
            let counts = table.count_of(MemberId(1)) + table.count_of(MemberId(2));
            assert_eq!(counts, 1);
        });
    }

    /// A newer tick does not bring a MAC back that has moved meanwhile.
    #[test]
    fn a_newer_tick_and_a_move_leave_the_mac_where_it_went() {
        loom::model(|| {
            let table = Arc::new(MacTable::new(1, 7));
            let one = key(1, 0);
            table.learn(&heard(one, 1, 1), MayMove::Yes);
            let other = Arc::clone(&table);
            let thread = thread::spawn(move || other.learn(&heard(one, 2, 9), MayMove::Yes));
            table.is_known(&heard(one, 1, 9));
            let moved = thread.join().unwrap();
            assert_eq!(moved, Learned::Moved(MemberId(1)));
            assert_eq!(table.find(one, tick(9)), Some(MemberId(2)));
        });
    }
}
