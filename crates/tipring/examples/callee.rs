//! Rings and takes every call until it is interrupted: `callee 127.0.0.1:5060 [media]`. Without `media` it carries none.

use std::net::SocketAddr;
use std::sync::Arc;

use tipring::{ErrorKind, NoMedia, Phone};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bind: SocketAddr = args.next().ok_or("where to listen?")?.parse()?;
    let mut phone = Phone::builder().bind(bind);
    if args.next().as_deref() != Some("media") {
        phone = phone.provider(Arc::new(NoMedia::new(bind.ip())));
    }
    let phone = phone.start().await?;
    println!("listening on {}", phone.local_addr());
    while let Some(call) = phone.next_call().await {
        call.ring()?;
        match call.start_answer() {
            Err(e) if e.kind() == ErrorKind::Closed => break,
            other => other?,
        }
    }
    Ok(())
}
