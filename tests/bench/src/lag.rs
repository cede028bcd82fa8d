//! `bench lag`: from the acknowledgement of a put to the first read at the other site.

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    Outcome,
    client::{Client, Target},
    quantiles::quantiles,
};

/// As many as `bench kafka` leaves out.
const WARM_UP: usize = 100;

#[derive(clap::Args)]
pub(crate) struct LagArgs {
    #[command(flatten)]
    target: Target,
    /// The other site's endpoint.
    #[arg(long)]
    second: String,
    #[arg(long, default_value_t = 2_000)]
    samples: usize,
    #[arg(long, default_value_t = 4096)]
    size: usize,
    #[arg(long, default_value = "lag")]
    prefix: String,
}

pub(crate) async fn run(args: LagArgs) -> Outcome<Value> {
    let second = Target { endpoint: args.second.clone(), ..args.target.clone() };
    let mut there = Client::connect(second).await?;
    let mut here = Client::connect(args.target).await?;
    let (mut lags, mut puts) = (Vec::new(), Vec::new());
    let body = Bytes::from(vec![7; args.size]);
    // The first ones open connections and warm the brokers of each partition; not counted.
    for sample in 0..args.samples + WARM_UP {
        let key = format!("{}/{sample}", args.prefix);
        let started = Instant::now();
        if here.request("PUT", &key, &body).await? != 200 {
            return Err("PUT was refused".into());
        }
        let acknowledged = Instant::now();
        there.until_readable(&key).await?;
        let lag = acknowledged.elapsed();
        if sample >= WARM_UP {
            puts.push(acknowledged - started);
            lags.push(lag);
        }
    }
    Ok(json!({ "lag_ms": quantiles(lags), "put_ms": quantiles(puts) }))
}
