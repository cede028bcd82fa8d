//! `bench fill`: so many objects, the same for the same numbers, so that two sites can be given the
//! same.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    Outcome,
    client::{Client, Target},
};

#[derive(clap::Args)]
pub(crate) struct FillArgs {
    #[command(flatten)]
    target: Target,
    #[arg(long)]
    count: u64,
    #[arg(long, default_value_t = 4096)]
    size: usize,
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// DELETE these in place of putting them.
    #[arg(long)]
    delete: bool,
    /// The first of the numbers, and how far each is from the one before.
    #[arg(long, default_value_t = 0)]
    first: u64,
    #[arg(long, default_value_t = 1)]
    step: u64,
}

pub(crate) async fn run(args: FillArgs) -> Outcome<Value> {
    let started = Instant::now();
    let (args, next) = (Arc::new(args), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..args.clients)
        .map(|_| tokio::spawn(client(Arc::clone(&args), Arc::clone(&next))))
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(json!({"per_second": args.count as f64 / started.elapsed().as_secs_f64()}))
}

async fn client(args: Arc<FillArgs>, next: Arc<AtomicU64>) -> Outcome<()> {
    let mut client = Client::connect(args.target.clone()).await?;
    loop {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        if turn >= args.count {
            return Ok(());
        }
        let number = args.first + turn * args.step;
        let key = format!("{:03}/{number:08}", number % 1_000);
        let (method, expected, body) = match args.delete {
            true => ("DELETE", 204, Bytes::new()),
            false => ("PUT", 200, body(number, args.size)),
        };
        let status = client.request(method, &key, &body).await?;
        if status != expected {
            return Err(format!("{method} of `{key}` answered {status}").into());
        }
    }
}

/// Random, and the same for the same number.
fn body(number: u64, size: usize) -> Bytes {
    let mut body = vec![0; size];
    StdRng::seed_from_u64(number).fill(&mut body[..]);
    body.into()
}
