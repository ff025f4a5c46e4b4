//! What records take of Redis's memory, and what they will take in a week, from a sample of them.
//!
//! Enters: of each record of the sample its handler, its bytes, its age and how long it is still kept. Leaves: bytes a record,
//! and the growth of a week. Pure.
//!
//! The trend assumes that each day of the week brings as many records as the last day did, and that records whose time
//! ends within the week go. So a Redis in service for longer than its records are kept does not grow; a younger one does.
//! If the last day was unlike others (a backfill, a storm), the trend is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// One record of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    /// Whose effect it records.
    pub handler: String,
    /// What it takes, key and Redis's tables included.
    pub bytes: u64,
    /// How long ago it was first claimed; `None`: the record does not say.
    pub age: Option<Duration>,
    /// How long it is still kept; `None`: for ever.
    pub left: Option<Duration>,
}

/// A sample of records, weighed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weights {
    /// The records of the sample.
    pub records: u64,
    /// What they take together.
    pub bytes: u64,
    /// Those of the last day, and what they take.
    pub new: (u64, u64),
    /// Those that end within a week, and what they take.
    pub ending: (u64, u64),
    /// Records and bytes by handler.
    pub handlers: BTreeMap<String, (u64, u64)>,
}

impl Weights {
    /// Adds a record to the sample.
    pub fn add(&mut self, record: Weighed) {
        let Weighed { handler, bytes, age, left } = record;
        let one = |(records, all): &mut (u64, u64)| (*records, *all) = (*records + 1, *all + bytes);
        self.records += 1;
        self.bytes += bytes;
        if age.is_some_and(|age| age < DAY) {
            one(&mut self.new);
        }
        if left.is_some_and(|left| left < WEEK) {
            one(&mut self.ending);
        }
        one(self.handlers.entry(handler).or_default());
    }

    /// Bytes a record, over all handlers or one's; `None`: none is in the sample.
    #[must_use]
    pub fn each(&self, handler: Option<&str>) -> Option<f64> {
        let (records, bytes) = match handler {
            None => (self.records, self.bytes),
            Some(handler) => *self.handlers.get(handler)?,
        };
        (records > 0).then(|| bytes as f64 / records as f64)
    }

    /// The bytes by which `records` records grow in a week, if the sample is like them.
    #[must_use]
    pub fn growth(&self, records: f64) -> f64 {
        if self.records == 0 {
            return 0.0;
        }
        (7.0 * self.new.1 as f64 - self.ending.1 as f64) * records / self.records as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred records a day for so many days, 200 bytes each, kept for 45 days.
    fn after(days: u64) -> Weights {
        let mut weights = Weights::default();
        for hour in (0..days.min(45) * 24).step_by(6) {
            for _ in 0..25 {
                let age = Duration::from_secs(hour * 3600);
                let left = Some(45 * DAY - age);
                weights.add(Weighed { handler: "email".to_owned(), bytes: 200, age: Some(age), left });
            }
        }
        weights
    }

    #[test]
    fn a_young_redis_grows_by_a_weeks_records_and_an_old_one_not_at_all() {
        assert_eq!(after(3).growth(300.0), 700.0 * 200.0);
        assert_eq!(after(10).growth(10_000.0), 7_000.0 * 200.0, "the sample stands for ten times as many");
        let old = after(400).growth(4_500.0);
        assert!(old.abs() <= 26.0 * 200.0, "as many end as come: {old}");
        assert_eq!(Weights::default().growth(1e6), 0.0);
    }

    #[test]
    fn bytes_a_record_are_told_of_all_and_of_each_handler() {
        let mut weights = Weights::default();
        for (handler, bytes) in [("email", 300), ("email", 320), ("crm", 250)] {
            weights.add(Weighed { handler: handler.to_owned(), bytes, age: None, left: None });
        }
        assert_eq!((weights.each(None), weights.each(Some("email"))), (Some(290.0), Some(310.0)));
        assert_eq!((weights.each(Some("profile")), weights.new, weights.ending), (None, (0, 0), (0, 0)));
    }
}
