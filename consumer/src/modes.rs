//! Which of real time and full sync bring what of an origin.
//!
//! Buckets themselves and users come by real time whatever is set for a bucket: without them its
//! objects could not show (law 14).

use std::{collections::BTreeSet, sync::Arc};

use model::{BucketName, Change, Event};
use store::Step;

/// Real time and full sync, for the origin and for single buckets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Modes {
    pub realtime: bool,
    pub fullsync: bool,
    /// Their objects do not come by real time.
    pub without_realtime: Arc<BTreeSet<BucketName>>,
    /// Full sync does not look at them.
    pub without_fullsync: Arc<BTreeSet<BucketName>>,
}

impl Default for Modes {
    /// Everything by both.
    fn default() -> Self {
        let (without_realtime, without_fullsync) = Default::default();
        Self { realtime: true, fullsync: true, without_realtime, without_fullsync }
    }
}

impl Modes {
    /// Whether full sync leaves nothing out.
    pub(crate) fn compares_all(&self) -> bool {
        self.fullsync && self.without_fullsync.is_empty()
    }

    /// What real time does of these steps, and how many events it leaves to full sync. Those are
    /// handled all the same: nothing of them is missing in the log.
    pub(crate) fn realtime(&self, mut steps: Vec<Step>) -> (Vec<Step>, u64) {
        let before = steps.len();
        steps.retain(|step| !matches!(step, Step::Apply(event) if self.leaves(event)));
        let left = before - steps.len();
        (steps, left as u64)
    }

    fn leaves(&self, event: &Event) -> bool {
        match &event.change {
            Change::ObjectPut { bucket, .. }
            | Change::ObjectDeleted { bucket, .. }
            | Change::MarkerPut { bucket, .. }
            | Change::VersionRemoved { bucket, .. }
            | Change::Attributes { bucket, .. } => self.without_realtime.contains(bucket),
            Change::BucketPut { .. }
            | Change::BucketDeleted { .. }
            | Change::BucketAttributes { .. }
            | Change::UserPut { .. }
            | Change::UserDeleted { .. }
            | Change::Trimmed { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{
        Digest, Epoch, Hlc, Line, Millis, ObjectKey, Partition, Position, RequestId, Seq, SiteId,
        Version, progress::Handled,
    };

    use super::*;

    #[test]
    fn objects_of_a_bucket_without_real_time_are_handled_and_left_to_full_sync() {
        let bucket = |name: &str| BucketName::try_from(name.to_owned()).unwrap();
        let line = Line { site: SiteId([1; 16]), epoch: Epoch(1), partition: Partition(0) };
        let version = Version { hlc: Hlc::at(Millis(1)), site: line.site };
        let step = |seq, change| {
            Step::Apply(Box::new(Event {
                position: Position { seq: Seq(seq), ..line.at(Seq(seq)) },
                version,
                prev: Digest::ZERO,
                volume: 0,
                request: RequestId::NONE,
                change,
            }))
        };
        let deleted = |name: &str| Change::ObjectDeleted {
            bucket: bucket(name),
            key: ObjectKey::try_from("a".to_owned()).unwrap(),
            birth: version,
        };
        let handle = Step::Handle(line, Handled { seq: Seq(3), ..Handled::START });
        let steps = vec![
            step(1, deleted("cold")),
            step(2, deleted("hot")),
            step(3, Change::BucketDeleted { bucket: bucket("cold") }),
            handle,
        ];
        let without_realtime = Arc::new(BTreeSet::from([bucket("cold")]));
        let modes = Modes { without_realtime, ..Modes::default() };
        assert_eq!(modes.realtime(steps.clone()), (steps[1..].to_vec(), 1));
        assert_eq!(Modes::default().realtime(steps.clone()), (steps, 0));
    }
}
