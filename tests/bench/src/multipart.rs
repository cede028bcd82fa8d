//! `bench multipart`: uploads in parts, each part over a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    Outcome,
    client::{Client, Target},
};

#[derive(clap::Args)]
pub(crate) struct MultipartArgs {
    #[command(flatten)]
    target: Target,
    /// The other site's endpoint: the run ends when the last object is readable there.
    #[arg(long)]
    second: Option<String>,
    /// Parts of an upload, all at once.
    #[arg(long, default_value_t = 8)]
    parts: usize,
    #[arg(long, default_value_t = 16 << 20)]
    part_size: usize,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    #[arg(long, default_value = "multipart")]
    prefix: String,
}

pub(crate) async fn run(args: MultipartArgs) -> Outcome<Value> {
    let mut bodies = vec![vec![0; args.part_size]; args.parts];
    bodies.iter_mut().for_each(|body| rand::Rng::fill(&mut rand::rng(), &mut body[..]));
    let mut main = Client::connect(args.target.clone()).await?;
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(args.seconds);
    let (mut count, mut last) = (0, String::new());
    while Instant::now() < end {
        last = format!("{}/{count}", args.prefix);
        upload(&mut main, &args.target, &last, &mut bodies).await?;
        count += 1;
    }
    if let Some(second) = &args.second {
        let target = Target { endpoint: second.clone(), ..args.target.clone() };
        Client::connect(target).await?.until_readable(&last).await?;
    }
    let (bytes, took) = (count * args.parts * args.part_size, started.elapsed());
    let rate = bytes as f64 / took.as_secs_f64() / 1_048_576.0;
    Ok(json!({ "count": count, "everywhere_mib_per_second": rate }))
}

async fn upload(
    main: &mut Client,
    target: &Target,
    key: &str,
    bodies: &mut [Vec<u8>],
) -> Outcome<()> {
    let created = main.send("POST", key, "uploads=", &Bytes::new()).await?.ok()?;
    let id = created.tag("UploadId").ok_or("an upload without id")?;
    let parts = bodies.iter_mut().enumerate().map(|(at, body)| {
        // Every block differs, so that none is found to be there already.
        for chunk in body.chunks_mut(65_536) {
            rand::Rng::fill(&mut rand::rng(), &mut chunk[..8]);
        }
        let (target, key, body) = (target.clone(), key.to_owned(), Bytes::from(body.clone()));
        let query = format!("partNumber={}&uploadId={id}", at + 1);
        tokio::spawn(async move {
            let mut client = Client::connect(target).await?;
            let answer = client.send("PUT", &key, &query, &body).await?.ok()?;
            Outcome::Ok(answer.header("etag").ok_or("a part without ETag")?)
        })
    });
    let parts: Vec<_> = parts.collect();
    let mut named = String::new();
    for (at, part) in parts.into_iter().enumerate() {
        let (number, etag) = (at + 1, part.await??);
        named += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let body = format!("<CompleteMultipartUpload>{named}</CompleteMultipartUpload>");
    main.send("POST", key, &format!("uploadId={id}"), &Bytes::from(body)).await?.ok()?;
    Ok(())
}
