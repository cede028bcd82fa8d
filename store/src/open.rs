//! Opening a store: identity, format, recovery.
//!
//! The engine replays its journal; then counters and progress are read back, and block files
//! that no record names (uploads and pulls cut short) are swept before anything is served.

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::StreamExt;
use model::{Epoch, Hlc, Line, PartitionCount, SiteId, SiteName};
use schemas::Codec;

use crate::{
    accounts::{self, Counting},
    blocks::Blocks,
    bucket_views::BucketViews,
    committer::{Committer, Parts},
    engine::{Batch, Embedded, Engine, EngineError, Table, prefix_range},
    errors::{BlockError, KeepError, OpenError, ReadError},
    gate::Gate,
    lines::{LineProgress, Lines},
    recent::Recent,
    records::{
        BlockRecord, CountedRecord, HandledRecord, HoleRecord, Identity, Record, RecordError,
        TreeStateRecord, Written,
    },
    section::Counters,
    store::{Shared, SharedParts, Sizes, Store},
    tree::{self, Tree},
    users,
};

/// Layout of the data directory. 1: `format`, `engine/` (fjall), `blocks/`. 2: with the hash tree,
/// which a release that knows none would let go stale. 3: with counts of what stands, likewise.
const FORMAT: u32 = 3;

/// What a store is opened with.
#[derive(Clone)]
pub struct Options {
    pub directory: PathBuf,
    pub name: SiteName,
    /// For a new store; an old one must have as many.
    pub partitions: PartitionCount,
    /// Identity of a new store: random.
    pub new_site: SiteId,
    pub sizes: Sizes,
    /// Bytes of the disk that are left free.
    pub reserve: u64,
    pub codec: Codec,
    pub clock: Arc<dyn ops::Clock>,
    pub metrics: ops::Metrics,
}

impl Store {
    /// Opens the store in a directory, or makes one there.
    ///
    /// # Errors
    /// If the directory cannot be used, is in use, or holds something else; see [`OpenError`].
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let engine: Arc<dyn Engine> = Arc::new(open_engine(&options.directory)?);
        Self::open_on(engine, options).await
    }

    /// Opens the store on an engine; blocks are files in the directory.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_on(engine: Arc<dyn Engine>, options: Options) -> Result<Self, OpenError> {
        let directory = options.directory.display().to_string();
        let read = |cause| OpenError::Read { directory: directory.clone(), cause };
        let identity = Arc::new(identity(&*engine, &options)?);
        let unindexed = users::unindexed(&*engine).map_err(read)?;
        if !unindexed.is_empty() {
            let committed = engine.commit(unindexed);
            committed.map_err(|cause| read(ReadError::Engine(cause)))?;
        }
        let (marks_since, marks) = tree::numbers_of_marks(&*engine, options.clock.now())
            .map_err(|cause| read(cause.into()))?;
        let counters = counters(&*engine, &identity, marks).map_err(read)?;
        let lines = Arc::new(Lines::new(lines(&*engine).map_err(read)?));
        let recent = Arc::<Recent>::default();
        let views = Arc::<BucketViews>::default();
        let owners = Arc::clone(&counters.owners);
        let gate = Arc::new(Gate::new(options.directory.clone(), options.reserve));
        let committer = Committer::start(Parts {
            identity: Arc::clone(&identity),
            engine: Arc::clone(&engine),
            codec: options.codec.clone(),
            clock: Arc::clone(&options.clock),
            lines: Arc::clone(&lines),
            recent: Arc::clone(&recent),
            counters,
            metrics: options.metrics.clone(),
            gate: Arc::clone(&gate),
            views: Arc::clone(&views),
        })?;
        let tree = Tree::new(tree::is_built(&*engine).map_err(read)?, marks_since);
        let counting = Counting::new(accounts::are_counted(&*engine).map_err(read)?);
        let blocks = open_blocks(&options.directory)?;
        let Options { sizes, clock, codec, metrics, .. } = options;
        let parts = SharedParts {
            identity,
            engine,
            committer,
            blocks,
            gate,
            lines,
            recent,
            views,
            owners,
            counting,
            clock,
            codec,
            metrics,
            tree,
            sizes,
        };
        let store = Self { shared: Arc::new(Shared::new(parts)) };
        store.sweep().await.map_err(|error| OpenError::Sweep(Box::new(error)))?;
        Ok(store)
    }

    /// Hands every block file without a record to the collector.
    async fn sweep(&self) -> Result<(), KeepError> {
        let mut files = self.shared.blocks.list();
        while let Some(file) = files.next().await {
            let hash = file.map_err(|cause| {
                let unknown = model::BlockHash(model::Digest::ZERO);
                KeepError::Delete(unknown, Box::new(BlockError::Io(unknown, Box::new(cause))))
            })?;
            let key = BlockRecord::key(hash);
            let known = self.shared.engine.get(Table::Blocks, &key);
            if known.map_err(crate::section::SectionError::from)?.is_none() {
                self.shared.orphaned(vec![hash]);
            }
        }
        Ok(())
    }
}

pub(crate) fn open_engine(directory: &Path) -> Result<Embedded, OpenError> {
    let text = directory.display().to_string();
    let unusable = |cause| OpenError::Directory { directory: text.clone(), cause };
    fs::create_dir_all(directory).map_err(unusable)?;
    let path = directory.join("format");
    match fs::read_to_string(&path) {
        Ok(found) if found.trim() == FORMAT.to_string() => {}
        Ok(found) if found.trim().parse().is_ok_and(|found: u32| found < FORMAT) => {
            // Before anything of the new layout is written: from here on older releases refuse.
            write_format(directory).map_err(unusable)?;
        }
        Ok(found) => {
            let found = found.trim().to_owned();
            return Err(OpenError::Newer { directory: text, found, known: FORMAT });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            write_format(directory).map_err(unusable)?;
        }
        Err(error) => return Err(unusable(error)),
    }
    Embedded::open(&directory.join("engine")).map_err(|cause| match cause {
        EngineError::Locked => OpenError::Locked { directory: text },
        cause => OpenError::Engine { directory: text, cause },
    })
}

fn write_format(directory: &Path) -> std::io::Result<()> {
    let new = directory.join("format.new");
    fs::write(&new, format!("{FORMAT}\n"))?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(new, directory.join("format"))?;
    fs::File::open(directory)?.sync_all()
}

fn open_blocks(directory: &Path) -> Result<Blocks, OpenError> {
    let path = directory.join("blocks");
    let text = || path.display().to_string();
    fs::create_dir_all(&path).map_err(|cause| OpenError::Directory { directory: text(), cause })?;
    Blocks::local(&path).map_err(|cause| OpenError::Directory { directory: text(), cause })
}

fn identity(engine: &dyn Engine, options: &Options) -> Result<Identity, OpenError> {
    let directory = options.directory.display().to_string();
    let error = |cause| OpenError::Engine { directory: directory.clone(), cause };
    if let Some(value) = engine.get(Table::Meta, &Identity::key()).map_err(error)? {
        let found = Identity::decode(&value)
            .map_err(|cause| newer_or_damaged(&options.directory, cause))?;
        if found.name != options.name {
            let (found, wanted) = (found.name.to_string(), options.name.to_string());
            return Err(OpenError::OtherSite { directory, found, wanted });
        }
        if found.partitions != options.partitions {
            let (found, wanted) = (found.partitions.get(), options.partitions.get());
            return Err(OpenError::OtherPartitions { directory, found, wanted });
        }
        return Ok(found);
    }
    let now = options.clock.now();
    let identity = Identity {
        site: options.new_site,
        name: options.name.clone(),
        epoch: Epoch(now.0),
        past_epochs: Vec::new(),
        partitions: options.partitions,
        created: now,
    };
    let row = ((Table::Meta, Identity::key()), Some(identity.encode()));
    // The tree over nothing is whole, and nothing is counted.
    let built = TreeStateRecord::Built.encode();
    let built = ((Table::Tree, TreeStateRecord::key()), Some(built));
    let counted = ((Table::Meta, CountedRecord::key()), Some(CountedRecord::All.encode()));
    engine.commit(Batch::from([row, built, counted])).map_err(error)?;
    Ok(identity)
}

pub(crate) fn newer_or_damaged(directory: &Path, cause: RecordError) -> OpenError {
    let directory = directory.display().to_string();
    match cause {
        RecordError::Newer { record, found, .. } => {
            OpenError::Newer { directory, found: format!("{found} of {record}"), known: FORMAT }
        }
        cause @ RecordError::Damaged { .. } => {
            OpenError::Read { directory, cause: ReadError::Record(cause) }
        }
    }
}

fn counters(engine: &dyn Engine, identity: &Identity, marks: u64) -> Result<Counters, ReadError> {
    let mut hlc = Hlc(0);
    let mut written = Vec::new();
    for partition in identity.partitions.iter() {
        for epoch in identity.past_epochs.iter().chain([&identity.epoch]) {
            let value = engine.get(Table::Meta, &Written::key(*epoch, partition))?;
            let found = value.as_ref().map(Written::decode).transpose()?.unwrap_or(Written::START);
            // The clock goes on above every event ever written, also in epochs before.
            hlc = hlc.max(found.hlc);
            if *epoch == identity.epoch {
                written.push(found);
            }
        }
    }
    Ok(Counters { hlc, written, marks, leafless: false, owners: Arc::default() })
}

fn lines(engine: &dyn Engine) -> Result<BTreeMap<Line, LineProgress>, ReadError> {
    let mut lines: BTreeMap<Line, LineProgress> = BTreeMap::new();
    for (key, value) in rows(engine, Table::Meta, HandledRecord::PREFIX)? {
        let Some(line) = HandledRecord::line(&key) else {
            continue;
        };
        let handled = HandledRecord::decode(&value)?.0;
        lines.entry(line).or_insert(LineProgress::START).handled = handled;
    }
    for (key, value) in rows(engine, Table::Queues, HoleRecord::PREFIX)? {
        let Some(line) = HoleRecord::line(&key) else {
            continue;
        };
        let hole = HoleRecord::decode(&value)?.0;
        lines.entry(line).or_insert(LineProgress::START).holes.insert(hole.first, hole);
    }
    Ok(lines)
}

pub(crate) type Row = (bytes::Bytes, bytes::Bytes);

pub(crate) fn rows(
    engine: &dyn Engine,
    table: Table,
    prefix: &[u8],
) -> Result<Vec<Row>, EngineError> {
    let mut rows = Vec::new();
    let mut end = Vec::new();
    engine.scan(table, prefix_range(prefix, &mut end), &mut |key, value| {
        rows.push((key.clone(), value.clone()));
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

/// Whole milliseconds of a duration that the configuration bounds.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
