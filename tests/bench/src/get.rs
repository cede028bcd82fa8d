//! `bench get`: clients that read one object each by a presigned link, again and again.

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
pub(crate) struct GetArgs {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 16)]
    clients: usize,
    #[arg(long, default_value_t = 4096)]
    size: usize,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    #[arg(long, default_value = "get")]
    prefix: String,
}

pub(crate) async fn run(args: GetArgs) -> Outcome<Value> {
    let body = Bytes::from(vec![7; args.size]);
    let mut putting = Client::connect(args.target.clone()).await?;
    for number in 0..args.clients {
        let status = putting.request("PUT", &format!("{}/{number}", args.prefix), &body).await?;
        if status != 200 {
            return Err(format!("PUT answered {status}").into());
        }
    }
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(args.seconds);
    let clients: Vec<_> = (0..args.clients)
        .map(|number| {
            let (target, key) = (args.target.clone(), format!("{}/{number}", args.prefix));
            tokio::spawn(async move {
                let mut client = Client::connect(target).await?;
                let link = client.presigned(&key);
                let mut times = Vec::new();
                while Instant::now() < end {
                    let before = Instant::now();
                    let status = client.follow(&link).await?;
                    if status != 200 {
                        return Err(format!("GET answered {status}").into());
                    }
                    times.push(before.elapsed());
                }
                Outcome::Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await??);
    }
    let count = times.len() as f64;
    Ok(json!({
        "per_second": count / started.elapsed().as_secs_f64(),
        "get_ms": quantiles(times),
    }))
}
