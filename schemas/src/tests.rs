//! Tests of the contract as a whole.

mod agreement;
mod data_keys;
mod evolution;
mod golden;
mod key_files;
mod limits;
mod refusals;
mod round_trip;
mod samples;
mod tampering;
