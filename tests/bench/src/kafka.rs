//! `bench kafka`: the bare log under the same settings as ours, to compare the lag with.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{Consumer, StreamConsumer},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Outcome, quantiles::quantiles};

#[derive(clap::Args)]
pub(crate) struct KafkaArgs {
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    ca: String,
    #[arg(long)]
    cert: String,
    #[arg(long)]
    key: String,
    #[arg(long, default_value = "bench.bare")]
    topic: String,
    #[arg(long, default_value_t = 0.0)]
    linger_ms: f64,
    #[arg(long, default_value_t = 2_000)]
    samples: usize,
}

pub(crate) async fn run(args: KafkaArgs) -> Outcome<Value> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &args.bootstrap)
        .set("security.protocol", "ssl")
        .set("ssl.ca.location", &args.ca)
        .set("ssl.certificate.location", &args.cert)
        .set("ssl.key.location", &args.key)
        .set("socket.nagle.disable", "true");
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let topic = NewTopic::new(&args.topic, 1, TopicReplication::Fixed(3))
        .set("min.insync.replicas", "2")
        .set("message.timestamp.type", "LogAppendTime");
    admin.create_topics([&topic], &AdminOptions::new()).await?;
    let producer: FutureProducer = config
        .clone()
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "zstd")
        .set("linger.ms", args.linger_ms.to_string())
        .create()?;
    let consumer: StreamConsumer =
        config.set("group.id", "bench").set("enable.auto.commit", "false").create()?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(&args.topic, 0, Offset::Beginning)?;
    consumer.assign(&from)?;
    let mut body = vec![0; 4096];
    rand::Rng::fill(&mut rand::rng(), &mut body[..]);
    let mut times = Vec::new();
    // The first ones find leaders and open connections; they are not counted.
    for sample in 0..args.samples + 100 {
        let started = Instant::now();
        let record = FutureRecord::<(), _>::to(&args.topic).partition(0).payload(&body);
        let sent = producer.send(record, Duration::from_secs(10));
        let (sent, received) = tokio::join!(sent, consumer.recv());
        received?;
        let elapsed = started.elapsed();
        sent.map_err(|(error, _)| error)?;
        if sample >= 100 {
            times.push(elapsed);
        }
    }
    Ok(json!({ "produce_to_consume_ms": quantiles(times) }))
}
