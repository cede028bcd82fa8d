//! Which origins nothing is taken from. Pure.

use std::collections::BTreeMap;

use bus::wire::tree::CutMade;
use model::{Digest, Line, SiteId, SiteName, progress::Handled};

/// What this site knows of itself and of its origin.
pub(crate) struct Known<'a> {
    pub(crate) origin: &'a SiteName,
    pub(crate) site: SiteId,
    pub(crate) keys: &'a [Digest],
    pub(crate) lines: &'a BTreeMap<Line, Handled>,
    pub(crate) leaves: u64,
}

/// Why an origin is refused, and what to do; each in one line.
pub(crate) fn refuse(known: &Known<'_>, made: &CutMade) -> Option<String> {
    let Known { origin, site, keys, lines, leaves } = known;
    let info = &made.site;
    if info.name != **origin {
        let found = &info.name;
        return Some(format!(
            "site `{origin}` calls itself `{found}`: correct `name` or `link` of the origin"
        ));
    }
    if info.site == *site {
        return Some(format!(
            "site `{origin}` has the identity of this site: one is a copy of the other's data \
             directory; begin one of them with an empty one"
        ));
    }
    if !made.keys.iter().any(|key| keys.contains(key)) {
        return Some(format!(
            "site `{origin}` has no class key that this site has: give both the same `keys.file`"
        ));
    }
    let followed = |line: &&Line| line.site == info.site;
    // Of what came from elsewhere this origin can say nothing, so nothing would ever be proved.
    if !lines.keys().all(|line| followed(&line)) {
        return Some(format!(
            "site `{origin}` is another than the one that this site has followed: its data \
             directory was made anew; begin this site with an empty one, or bring the old one back"
        ));
    }
    if let Some(latest) = lines.keys().filter(followed).map(|line| line.epoch).max()
        && latest > info.epoch
    {
        return Some(format!(
            "site `{origin}` is in epoch {}, this site has followed its epoch {}: it was restored \
             from a backup; run `towline store new-epoch` there",
            info.epoch.0, latest.0
        ));
    }
    if let Some(why) = behind(known, made) {
        return Some(why);
    }
    (made.leaves == 0 && *leaves > 0).then(|| {
        format!(
            "site `{origin}` is empty and {leaves} entities are here: nothing is deleted because \
             of that; bring its data back, or begin this site with an empty data directory"
        )
    })
}

/// Law 13, seen from here: what has been handled must be in the origin's history.
fn behind(known: &Known<'_>, made: &CutMade) -> Option<String> {
    let info = &made.site;
    made.ends.iter().find_map(|end| {
        let line = Line { site: info.site, epoch: info.epoch, partition: end.partition };
        let handled = known.lines.get(&line)?;
        let differs = handled.seq == end.seq && handled.digest != end.digest;
        (handled.seq > end.seq || differs).then(|| {
            format!(
                "site `{}` has partition {} up to {}, this site has handled {}{}: it was restored \
                 from a backup; run `towline store new-epoch` there",
                known.origin,
                end.partition.0,
                end.seq,
                handled.seq,
                if differs { " with another event" } else { "" },
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use bus::wire::{SiteInfo, tree::End};
    use model::{Epoch, Millis, Partition, PartitionCount, Seq};

    use super::*;

    const EAST: SiteId = SiteId([1; 16]);
    const WEST: SiteId = SiteId([2; 16]);
    const LINE: Line = Line { site: EAST, epoch: Epoch(5), partition: Partition(0) };

    fn handled(seq: u64) -> Handled {
        Handled { seq: Seq(seq), digest: Digest::of(&[9]), ..Handled::START }
    }

    fn made() -> CutMade {
        let end = End {
            partition: Partition(0),
            seq: Seq(9),
            digest: Digest::of(&[9]),
            volume: 0,
            time: Millis(0),
            trimmed: Seq::NONE,
            history: Seq::NONE,
        };
        CutMade {
            id: 1,
            site: SiteInfo {
                site: EAST,
                name: SiteName::try_from("east".to_owned()).unwrap(),
                epoch: Epoch(5),
                past_epochs: vec![],
                partitions: PartitionCount::new(1).unwrap(),
            },
            release: String::new(),
            ends: vec![end],
            leaves: 3,
            keys: vec![Digest::of(b"main"), Digest::of(b"old")],
        }
    }

    fn refused(
        made: &CutMade,
        key: &[u8],
        lines: &[(Line, Handled)],
        leaves: u64,
    ) -> Option<String> {
        let origin = SiteName::try_from("east".to_owned()).unwrap();
        let (keys, lines) = ([Digest::of(key)], lines.iter().copied().collect());
        let known = Known { origin: &origin, site: WEST, keys: &keys, lines: &lines, leaves };
        refuse(&known, made)
    }

    #[test]
    fn an_origin_that_is_what_it_was_is_taken() {
        assert_eq!(refused(&made(), b"main", &[], 0), None);
        assert_eq!(refused(&made(), b"old", &[(LINE, handled(8))], 7), None);
        assert_eq!(refused(&made(), b"old", &[(LINE, handled(9))], 7), None);
        let nothing = CutMade { leaves: 0, ..made() };
        assert_eq!(refused(&nothing, b"main", &[], 0), None, "two that are new");
    }

    #[test]
    fn everything_else_is_refused_in_words() {
        let says = |made: &CutMade, key: &[u8], lines: &[(Line, Handled)], leaves, words: &str| {
            let why = refused(made, key, lines, leaves).unwrap();
            assert!(why.contains(words), "{why}");
        };
        says(&made(), b"other", &[], 0, "no class key");
        let mut other = made();
        other.site.name = SiteName::try_from("north".to_owned()).unwrap();
        says(&other, b"main", &[], 0, "calls itself `north`");
        let mut copy = made();
        copy.site.site = WEST;
        says(&copy, b"main", &[], 0, "identity of this site");
        let before = Line { site: SiteId([7; 16]), ..LINE };
        says(&made(), b"main", &[(before, handled(1))], 0, "made anew");
        let both = [(before, handled(1)), (LINE, handled(1))];
        says(&made(), b"main", &both, 0, "made anew");
        let later = Line { epoch: Epoch(6), ..LINE };
        says(&made(), b"main", &[(later, handled(1))], 0, "is in epoch 5");
        says(&made(), b"main", &[(LINE, handled(10))], 0, "up to 9, this site has handled 10:");
        let forked = Handled { digest: Digest::ZERO, ..handled(9) };
        says(&made(), b"main", &[(LINE, forked)], 0, "with another event");
        let empty = CutMade { leaves: 0, ..made() };
        says(&empty, b"main", &[], 7, "is empty and 7 entities are here");
    }
}
