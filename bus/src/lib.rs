//! The port to the log: publish and subscribe by partition and position.
//!
//! Producer and consumer know only [`Publisher`], [`Log`] and [`Subscriber`]. What must stay true
//! of every implementation is said there and proved by [`mod@conformance`]; that the log is Kafka
//! is known in `kafka` and nowhere else in the workspace.

pub mod conformance;
mod direct;
mod error;
pub mod faults;
mod heartbeats;
pub mod kafka;
pub mod memory;
mod place;
mod port;
pub mod wire;

pub use direct::DirectLog;
pub use error::BusError;
pub use heartbeats::HeartbeatCodec;
pub use place::Place;
pub use port::{Log, Message, Publisher, Start, Subscriber, Tail};
