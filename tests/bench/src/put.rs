//! `bench put`: many clients, each with one connection.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    Outcome,
    client::{Client, Target},
    quantiles::quantiles,
};

#[derive(clap::Args)]
pub(crate) struct PutArgs {
    #[command(flatten)]
    target: Target,
    /// The other site's endpoint: the run ends when the last objects are readable there.
    #[arg(long)]
    second: Option<String>,
    #[arg(long, default_value_t = 16)]
    clients: usize,
    #[arg(long, default_value_t = 4096)]
    size: usize,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Puts a second, over all clients; otherwise as fast as they are answered.
    #[arg(long)]
    rate: Option<f64>,
    /// In front of every key, so that runs do not overwrite each other's objects.
    #[arg(long, default_value = "put")]
    prefix: String,
}

struct Done {
    times: Vec<Duration>,
    last: String,
}

pub(crate) async fn run(args: PutArgs) -> Outcome<Value> {
    let mut body = vec![0; args.size];
    rand::Rng::fill(&mut rand::rng(), &mut body[..]);
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(args.seconds);
    let clients: Vec<_> = (0..args.clients)
        .map(|number| {
            let (target, body) = (args.target.clone(), body.clone());
            let prefix = format!("{}/{number}", args.prefix);
            let pause = args.rate.map(|rate| Duration::from_secs_f64(args.clients as f64 / rate));
            tokio::spawn(client(target, body, prefix, end, pause))
        })
        .collect();
    let (mut times, mut last) = (Vec::new(), Vec::new());
    for client in clients {
        let done = client.await??;
        times.extend(done.times);
        last.push(done.last);
    }
    let acknowledged = started.elapsed();
    if let Some(second) = &args.second {
        let target = Target { endpoint: second.clone(), ..args.target.clone() };
        let mut client = Client::connect(target).await?;
        for key in &last {
            // Read whole: the blocks must be there, not only the manifest.
            client.until_readable(key).await?;
        }
    }
    let everywhere = started.elapsed();
    let count = times.len() as f64;
    Ok(json!({
        "count": times.len(),
        "acknowledged_per_second": count / acknowledged.as_secs_f64(),
        "everywhere_per_second": count / everywhere.as_secs_f64(),
        "everywhere_mib_per_second": count * args.size as f64 / everywhere.as_secs_f64() / 1048576.0,
        "put_ms": quantiles(times),
    }))
}

async fn client(
    target: Target,
    mut body: Vec<u8>,
    prefix: String,
    end: Instant,
    pause: Option<Duration>,
) -> Outcome<Done> {
    let mut client = Client::connect(target).await?;
    let mut done = Done { times: Vec::new(), last: String::new() };
    let mut next = Instant::now();
    while Instant::now() < end {
        if let Some(pause) = pause {
            tokio::time::sleep_until(next).await;
            next += pause;
        }
        // Every block differs, so that none is found to be there already.
        for chunk in body.chunks_mut(65_536) {
            let varied = chunk.len().min(8);
            rand::Rng::fill(&mut rand::rng(), &mut chunk[..varied]);
        }
        done.last = format!("{prefix}/{}", done.times.len());
        let started = Instant::now();
        let status = client.request("PUT", &done.last, &Bytes::from(body.clone())).await?;
        if status != 200 {
            return Err(format!("PUT answered {status}").into());
        }
        done.times.push(started.elapsed());
    }
    Ok(done)
}
