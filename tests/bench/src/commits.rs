//! `bench commits`: objects put into a store alone, without a site around it, with its hash tree or
//! without. Whoever runs it counts the CPU of the process: nothing else is in it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use bytes::Bytes;
use model::{BucketName, ETag, Manifest, ObjectKey, PartitionCount, Parts, SiteId, SiteName};
use ops::{Metrics, SystemClock};
use rand::Rng;
use schemas::{Codec, Keys};
use serde_json::{Value, json};
use store::{Caller, Condition, Options, PutObject, Sizes, Store, fold_forever};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Outcome;

#[derive(clap::Args)]
pub(crate) struct CommitsArgs {
    /// For the store; must not be there.
    #[arg(long)]
    dir: PathBuf,
    /// Class keys.
    #[arg(long)]
    keys: PathBuf,
    #[arg(long)]
    count: usize,
    #[arg(long, default_value_t = 4096)]
    size: usize,
    #[arg(long, default_value_t = 16)]
    clients: usize,
    #[arg(long)]
    without_tree: bool,
}

pub(crate) async fn run(args: CommitsArgs) -> Outcome<Value> {
    let store = open(&args).await?;
    let bucket = BucketName::try_from("bench".to_owned())?;
    store.create_bucket(bucket.clone(), Caller::root()).await?;
    if args.without_tree {
        store.without_tree().await?;
    }
    let over = CancellationToken::new();
    let folding = tokio::spawn(fold_forever(store.clone(), over.clone()));
    let started = Instant::now();
    let clients: Vec<_> = (0..args.clients)
        .map(|number| {
            let each = args.count / args.clients;
            tokio::spawn(client(store.clone(), bucket.clone(), number, (each, args.size)))
        })
        .collect();
    for client in clients {
        client.await??;
    }
    // What is left to fold is part of the cost too.
    store.fold_tree().await?;
    over.cancel();
    folding.await??;
    let leaves: u64 = store.tree_view()?.roots()?.values().map(|root| root.leaves).sum();
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({"per_second": args.count as f64 / seconds, "leaves": leaves}))
}

async fn open(args: &CommitsArgs) -> Outcome<Store> {
    let options = Options {
        directory: args.dir.clone(),
        name: SiteName::try_from("bench".to_owned())?,
        partitions: PartitionCount::DEFAULT,
        new_site: SiteId([1; 16]),
        sizes: Sizes { block: 1 << 20, inline_max: 64 << 10 },
        reserve: 0,
        codec: Codec::new(Keys::load(&args.keys)?),
        clock: Arc::new(SystemClock),
        metrics: Metrics::new(),
    };
    Ok(Store::open(options).await?)
}

async fn client(
    store: Store,
    bucket: BucketName,
    client: usize,
    (count, size): (usize, usize),
) -> Outcome<()> {
    let mut body = vec![0; size];
    rand::rng().fill(&mut body[..]);
    for number in 0..count {
        let varied = size.min(8);
        rand::rng().fill(&mut body[..varied]);
        let key = ObjectKey::try_from(format!("{client:03}/{number:08}"))?;
        let mut upload = store.upload();
        upload.write(Bytes::from(body.clone())).await?;
        let uploaded = upload.finish().await?;
        let manifest = Manifest {
            size: uploaded.size(),
            etag: ETag(format!("{number:032x}")),
            headers: BTreeMap::new(),
            metadata: BTreeMap::new(),
            checksums: BTreeMap::new(),
            parts: Parts::Whole,
            content: uploaded.content().clone(),
            encryption: None,
        };
        let (caller, bucket, condition) = (Caller::root(), bucket.clone(), Condition::None);
        let attributes = BTreeMap::new();
        let put = PutObject { caller, bucket, key, manifest, uploaded, condition, attributes };
        store.put_object(put).await?;
    }
    Ok(())
}
