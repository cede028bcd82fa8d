//! Bytes of what trees are made of.
//!
//! A number is seven bits a byte, the lowest first, the top bit set on all but the last. A scope:
//! the length of its name (1) and the name, none for buckets and users. A path: its depth (1) and
//! its nibbles, two a byte. A summary: its leaves and, unless there are none, the digest (32). A
//! leaf: flags (1: deleted, version of the home site, position at home, attributes, their position at
//! home), entity (32), clock (8), site (16) unless it is home, content (32) unless deleted, position,
//! and, of attributes, digest (32) and position. A position: site (16) and epoch (8) unless home,
//! partition and seq as numbers.
//!
//! A branch that is sent whole: 255 and its sixteen summaries, or how many leaves and these. What it
//! has beside a sketch: 254, which places are the same, and the other summaries; or 253, these places,
//! how many other leaves, and these. A sketch: 255 and sixteen stubs (4 each), or how many and these.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use model::{
    BucketName, Digest, EntityHash, Epoch, Hlc, Partition, Position, Seq, SiteId, Version,
    tree::{
        FANOUT, LEAVES_MAX, Leaf, LeafAttributes, Node, Path, Rest, Scope, Sketch, Stub, Summary,
    },
};

const DELETED: u8 = 1;
const VERSION_HOME: u8 = 2;
const POSITION_HOME: u8 = 4;
const ATTRIBUTES: u8 = 8;
const ATTRIBUTES_HOME: u8 = 16;
const SPLIT: u8 = 0xff;
const OTHER_BRANCHES: u8 = 0xfe;
const OTHER_LEAVES: u8 = 0xfd;

/// Bytes that are not what they should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodeError {
    #[error("{0} ends too early")]
    Short(&'static str),
    #[error("{what} says {found}, which no {what} does")]
    Wrong { what: &'static str, found: u64 },
    #[error("{found} {what}, at most {most} in one message")]
    Many { what: &'static str, found: u64, most: usize },
    #[error("{0} bytes behind the end")]
    Trailing(usize),
}

/// The site and epoch of a cut: most leaves are of these, and do not repeat them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Home {
    pub site: SiteId,
    pub epoch: Epoch,
}

/// Refuses what follows the end of a message.
pub(super) fn end(bytes: &Bytes) -> Result<(), CodeError> {
    if bytes.is_empty() { Ok(()) } else { Err(CodeError::Trailing(bytes.len())) }
}

pub(super) fn put_number(out: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        out.put_u8(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.put_u8(number.to_le_bytes()[0]);
}

pub(super) fn number(bytes: &mut Bytes) -> Result<u64, CodeError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = array::<1>(bytes, "number")?[0];
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(CodeError::Wrong { what: "number", found: u64::MAX })
}

/// A count that a list may have.
pub(super) fn count(
    bytes: &mut Bytes,
    what: &'static str,
    most: usize,
) -> Result<usize, CodeError> {
    let found = number(bytes)?;
    let fits = usize::try_from(found).ok().filter(|count| *count <= most);
    fits.ok_or(CodeError::Many { what, found, most })
}

pub(super) fn array<const N: usize>(
    bytes: &mut Bytes,
    what: &'static str,
) -> Result<[u8; N], CodeError> {
    let mut array = [0; N];
    if bytes.len() < N {
        return Err(CodeError::Short(what));
    }
    bytes.copy_to_slice(&mut array);
    Ok(array)
}

pub(super) fn text(bytes: &mut Bytes, length: usize) -> Result<String, CodeError> {
    if bytes.len() < length {
        return Err(CodeError::Short("name"));
    }
    let text = String::from_utf8(bytes.split_to(length).to_vec());
    text.map_err(|_| CodeError::Wrong { what: "name", found: length as u64 })
}

pub(super) fn put_scope(out: &mut BytesMut, scope: &Scope) {
    let name = match scope {
        Scope::Entities => "",
        Scope::Bucket(bucket) => bucket.as_str(),
    };
    put_number(out, name.len() as u64);
    out.put_slice(name.as_bytes());
}

pub(super) fn scope(bytes: &mut Bytes) -> Result<Scope, CodeError> {
    let length = count(bytes, "bytes of a name", 63)?;
    if length == 0 {
        return Ok(Scope::Entities);
    }
    let name = BucketName::try_from(text(bytes, length)?);
    let wrong = |_| CodeError::Wrong { what: "name", found: length as u64 };
    name.map(Scope::Bucket).map_err(wrong)
}

pub(super) fn put_path(out: &mut BytesMut, path: Path) {
    out.put_u8(path.depth());
    out.put_slice(&path.first().0.0[..usize::from(path.depth().div_ceil(2))]);
}

pub(super) fn path(bytes: &mut Bytes) -> Result<Path, CodeError> {
    let [depth] = array(bytes, "path")?;
    let mut path = Path::ROOT;
    let mut byte = 0;
    for step in 0..depth {
        if step % 2 == 0 {
            [byte] = array(bytes, "path")?;
        }
        let nibble = if step % 2 == 0 { byte >> 4 } else { byte & 0xf };
        let deeper = path.branch(nibble);
        path = deeper.ok_or(CodeError::Wrong { what: "path", found: depth.into() })?;
    }
    Ok(path)
}

pub(super) fn put_summary(out: &mut BytesMut, summary: &Summary) {
    put_number(out, summary.leaves);
    if summary.leaves > 0 {
        out.put_slice(&summary.digest.0);
    }
}

pub(super) fn summary(bytes: &mut Bytes) -> Result<Summary, CodeError> {
    let leaves = number(bytes)?;
    if leaves == 0 {
        return Ok(Summary::EMPTY);
    }
    Ok(Summary { leaves, digest: Digest(array(bytes, "summary")?) })
}

impl Home {
    pub(super) fn put_leaf(self, out: &mut BytesMut, leaf: &Leaf) {
        let Leaf { entity, version, content, deleted, position, attributes } = leaf;
        let version_home = version.site == self.site;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.put_u8(
            flag(*deleted, DELETED)
                | flag(version_home, VERSION_HOME)
                | flag(self.is_of(*position), POSITION_HOME)
                | flag(attributes.is_some(), ATTRIBUTES)
                | flag(attributes.is_some_and(|it| self.is_of(it.position)), ATTRIBUTES_HOME),
        );
        out.put_slice(&entity.0.0);
        out.put_u64(version.hlc.0);
        if !version_home {
            out.put_slice(&version.site.0);
        }
        if !deleted {
            out.put_slice(&content.0);
        }
        self.put_position(out, *position);
        if let Some(LeafAttributes { digest, position }) = attributes {
            out.put_slice(&digest.0);
            self.put_position(out, *position);
        }
    }

    pub(super) fn leaf(self, bytes: &mut Bytes) -> Result<Leaf, CodeError> {
        let what = "leaf";
        let [flags] = array(bytes, what)?;
        let is = |flag: u8| flags & flag != 0;
        let known = DELETED | VERSION_HOME | POSITION_HOME | ATTRIBUTES | ATTRIBUTES_HOME;
        // Of a tombstone nothing is set.
        let wrong = is(ATTRIBUTES) && is(DELETED) || is(ATTRIBUTES_HOME) && !is(ATTRIBUTES);
        if wrong || flags & !known != 0 {
            return Err(CodeError::Wrong { what, found: flags.into() });
        }
        let entity = EntityHash(Digest(array(bytes, what)?));
        let hlc = Hlc(u64::from_be_bytes(array(bytes, what)?));
        let site = match is(VERSION_HOME) {
            true => self.site,
            false => SiteId(array(bytes, what)?),
        };
        let version = Version { hlc, site };
        let content = if is(DELETED) { Digest::ZERO } else { Digest(array(bytes, what)?) };
        let position = self.position(bytes, is(POSITION_HOME))?;
        let attributes = match is(ATTRIBUTES) {
            true => {
                let digest = Digest(array(bytes, what)?);
                let position = self.position(bytes, is(ATTRIBUTES_HOME))?;
                Some(LeafAttributes { digest, position })
            }
            false => None,
        };
        Ok(Leaf { entity, version, content, deleted: is(DELETED), position, attributes })
    }

    fn is_of(self, position: Position) -> bool {
        (position.site, position.epoch) == (self.site, self.epoch)
    }

    fn put_position(self, out: &mut BytesMut, position: Position) {
        if !self.is_of(position) {
            out.put_slice(&position.site.0);
            out.put_u64(position.epoch.0);
        }
        put_number(out, position.partition.0.into());
        put_number(out, position.seq.0);
    }

    fn position(self, bytes: &mut Bytes, home: bool) -> Result<Position, CodeError> {
        let what = "position";
        let (site, epoch) = match home {
            true => (self.site, self.epoch),
            false => {
                let site = SiteId(array(bytes, what)?);
                (site, Epoch(u64::from_be_bytes(array(bytes, what)?)))
            }
        };
        let partition = number(bytes)?;
        let wrong = |_| CodeError::Wrong { what: "partition", found: partition };
        let partition = Partition(u16::try_from(partition).map_err(wrong)?);
        Ok(Position { site, epoch, partition, seq: Seq(number(bytes)?) })
    }

    pub(super) fn put_rest(self, out: &mut BytesMut, rest: &Rest) {
        match rest {
            Rest::Whole(Node::Split(branches)) => {
                out.put_u8(SPLIT);
                branches.iter().for_each(|summary| put_summary(out, summary));
            }
            Rest::Whole(Node::Leaves(leaves)) => self.put_leaves(out, leaves),
            Rest::Split { same, others } => {
                out.put_u8(OTHER_BRANCHES);
                put_number(out, (*same).into());
                others.iter().for_each(|summary| put_summary(out, summary));
            }
            Rest::Leaves { same, others } => {
                out.put_u8(OTHER_LEAVES);
                put_number(out, (*same).into());
                self.put_leaves(out, others);
            }
        }
    }

    pub(super) fn rest(self, bytes: &mut Bytes) -> Result<Rest, CodeError> {
        match array(bytes, "branch")? {
            [SPLIT] => {
                let mut branches = [Summary::EMPTY; FANOUT];
                for branch in &mut branches {
                    *branch = summary(bytes)?;
                }
                Ok(Rest::Whole(Node::Split(Box::new(branches))))
            }
            [OTHER_BRANCHES] => {
                let same = same(bytes, FANOUT)?;
                let others = FANOUT - same.count_ones() as usize;
                let others: Result<_, _> = (0..others).map(|_| summary(bytes)).collect();
                Ok(Rest::Split { same, others: others? })
            }
            [OTHER_LEAVES] => {
                let same = same(bytes, LEAVES_MAX)?;
                let [others] = array(bytes, "branch")?;
                Ok(Rest::Leaves { same, others: self.leaves(bytes, others)? })
            }
            [leaves] => Ok(Rest::Whole(Node::Leaves(self.leaves(bytes, leaves)?))),
        }
    }

    fn put_leaves(self, out: &mut BytesMut, leaves: &[Leaf]) {
        out.put_u8(few(leaves.len()));
        leaves.iter().for_each(|leaf| self.put_leaf(out, leaf));
    }

    fn leaves(self, bytes: &mut Bytes, count: u8) -> Result<Vec<Leaf>, CodeError> {
        (0..at_most_leaves(count)?).map(|_| self.leaf(bytes)).collect()
    }
}

fn few(leaves: usize) -> u8 {
    u8::try_from(leaves).expect("at most `LEAVES_MAX` leaves")
}

fn at_most_leaves(count: u8) -> Result<u8, CodeError> {
    let fits = usize::from(count) <= LEAVES_MAX;
    if fits { Ok(count) } else { Err(CodeError::Wrong { what: "branch", found: count.into() }) }
}

/// Places in a sketch of so many.
fn same(bytes: &mut Bytes, places: usize) -> Result<u32, CodeError> {
    let found = number(bytes)?;
    let same = u32::try_from(found).ok().filter(|_| found >> places == 0);
    same.ok_or(CodeError::Wrong { what: "sketch", found })
}

pub(super) fn put_sketch(out: &mut BytesMut, sketch: &Sketch) {
    let (head, stubs) = match sketch {
        Sketch::Split(stubs) => (SPLIT, &stubs[..]),
        Sketch::Leaves(stubs) => (few(stubs.len()), &stubs[..]),
    };
    out.put_u8(head);
    stubs.iter().for_each(|stub| out.put_slice(stub));
}

pub(super) fn sketch(bytes: &mut Bytes) -> Result<Sketch, CodeError> {
    let what = "sketch";
    let [head] = array(bytes, what)?;
    if head == SPLIT {
        let mut stubs = [Stub::default(); FANOUT];
        for stub in &mut stubs {
            *stub = array(bytes, what)?;
        }
        return Ok(Sketch::Split(stubs));
    }
    let stubs: Result<_, _> = (0..at_most_leaves(head)?).map(|_| array(bytes, what)).collect();
    stubs.map(Sketch::Leaves)
}
