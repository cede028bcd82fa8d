//! `bench count`: lets a port be spoken to through it and counts the bytes, TLS and all.
//!
//! Prints its own port, and then, for each line that comes in, what it has carried both ways.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::Outcome;

#[derive(clap::Args)]
pub(crate) struct CountArgs {
    /// `host:port`.
    #[arg(long)]
    target: String,
}

/// Until nothing more comes in.
pub(crate) async fn run(args: CountArgs) -> Outcome<serde_json::Value> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({"port": listener.local_addr()?.port()}));
    let carried = Arc::<AtomicU64>::default();
    let said = || json!({"bytes": carried.load(Ordering::Relaxed)});
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(_) => println!("{}", said()),
                None => return Ok(said()),
            },
            accepted = listener.accept() => {
                let (near, _) = accepted?;
                tokio::spawn(forward(near, args.target.clone(), Arc::clone(&carried)));
            }
        }
    }
}

/// A connection; one end that goes takes the other with it.
async fn forward(near: TcpStream, target: String, carried: Arc<AtomicU64>) -> Outcome<()> {
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::try_join!(carry(near_in, far_out, &carried), carry(far_in, near_out, &carried))?;
    Ok(())
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    carried: &AtomicU64,
) -> Outcome<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(to.shutdown().await?);
        }
        carried.fetch_add(length as u64, Ordering::Relaxed);
        to.write_all(&piece[..length]).await?;
    }
}
