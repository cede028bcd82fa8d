//! Headers of a record: its name, readable without the payload's schema and with Kafka's own
//! tools. Text, one fact each:
//!
//! | header     | event                            | heartbeat                                    |
//! | ---------- | -------------------------------- | -------------------------------------------- |
//! | `towline`  | `event/1`                        | `heartbeat/1`                                |
//! | `position` | `<site>/<epoch>/<partition>/<seq>` | the same of the last event appended before it |
//! | `digest`   | –                                | of that event's payload, hexadecimal         |
//! | `version`  | of the entity, hexadecimal       | –                                            |
//! | `entity`   | SHA-256 of its name, hexadecimal | –                                            |
//! | `schema`   | id of the payload's schema       | the same                                     |
//!
//! A heartbeat has no `position` while its publisher does not know what the partition ends with.
//! With one, the heartbeats of an idle site name the end of the log and divide a search, however
//! many there are. A reader passes over headers that it does not know; `/1` changes when an old
//! reader would misread what is here.

use model::{
    Digest, EntityHash, Epoch, Hlc, Partition, Position, SealedEvent, Seq, SiteId, Version,
};
use rdkafka::message::{Header, Headers, OwnedHeaders};

const KIND: &str = "towline";
const POSITION: &str = "position";
const DIGEST: &str = "digest";
const VERSION: &str = "version";
const ENTITY: &str = "entity";
const SCHEMA: &str = "schema";

const EVENT: &str = "event/1";
const HEARTBEAT: &str = "heartbeat/1";

/// More headers than this are not ours to read.
const HEADERS_MAX: usize = 32;

/// What the headers of a record say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Label {
    Event {
        position: Position,
        version: Version,
        entity: EntityHash,
    },
    /// With what the partition ended before it, where its publisher knew.
    Heartbeat(Option<(Position, Digest)>),
}

/// Headers of an event.
pub(super) fn of_event(event: &SealedEvent, schema: &str) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(5);
    let headers = with(headers, KIND, EVENT);
    let headers = with(headers, POSITION, &position_text(event.position));
    let headers = with(headers, VERSION, &event.version.to_string());
    let headers = with(headers, ENTITY, &event.entity.0.to_string());
    with(headers, SCHEMA, schema)
}

/// Headers of a heartbeat in a partition that ends with the event `last`.
pub(super) fn of_heartbeat(last: Option<(Position, Digest)>, schema: &str) -> OwnedHeaders {
    let mut headers = with(OwnedHeaders::new_with_capacity(4), KIND, HEARTBEAT);
    if let Some((position, digest)) = last {
        headers = with(headers, POSITION, &position_text(position));
        headers = with(headers, DIGEST, &digest.to_string());
    }
    with(headers, SCHEMA, schema)
}

/// Reads the headers of a record that was found in `partition`.
///
/// # Errors
/// Why the record is not ours, or not whole.
pub(super) fn read(headers: Option<&impl Headers>, partition: Partition) -> Result<Label, String> {
    let values = headers.map(Values::collect).transpose()?;
    let values = values.ok_or("it has no headers")?;
    let label = match values.text(KIND)? {
        EVENT => Label::Event {
            position: values.position(partition)?,
            version: version(values.text(VERSION)?).ok_or("its `version` is malformed")?,
            entity: Digest::parse(values.text(ENTITY)?)
                .map(EntityHash)
                .ok_or("its `entity` is malformed")?,
        },
        HEARTBEAT if values.text(POSITION).is_err() => Label::Heartbeat(None),
        HEARTBEAT => {
            let digest = Digest::parse(values.text(DIGEST)?).ok_or("its `digest` is malformed")?;
            Label::Heartbeat(Some((values.position(partition)?, digest)))
        }
        other => return Err(format!("`{other}` is no kind of record known here")),
    };
    Ok(label)
}

fn with(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}

fn position_text(position: Position) -> String {
    let Position { site, epoch, partition, seq } = position;
    format!("{site}/{}/{}/{seq}", epoch.0, partition.0)
}

fn position(text: &str) -> Option<Position> {
    let mut parts = text.split('/');
    let position = Position {
        site: SiteId::parse(parts.next()?)?,
        epoch: Epoch(parts.next()?.parse().ok()?),
        partition: Partition(parts.next()?.parse().ok()?),
        seq: Seq(parts.next()?.parse().ok()?),
    };
    parts.next().is_none().then_some(position)
}

fn version(text: &str) -> Option<Version> {
    let (hlc, site) = text.split_at_checked(16)?;
    Some(Version { hlc: Hlc(u64::from_str_radix(hlc, 16).ok()?), site: SiteId::parse(site)? })
}

/// Our headers among those of a record.
struct Values<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> Values<'a> {
    fn collect(headers: &'a impl Headers) -> Result<Self, String> {
        if headers.count() > HEADERS_MAX {
            return Err(format!("it has {} headers", headers.count()));
        }
        let all = headers.iter().filter_map(|header| header.value.map(|value| (header.key, value)));
        Ok(Self(all.collect()))
    }

    fn text(&self, key: &str) -> Result<&'a str, String> {
        let value = self.0.iter().find(|(name, _)| *name == key);
        let (_, value) = value.ok_or_else(|| format!("it has no header `{key}`"))?;
        std::str::from_utf8(value).map_err(|_| format!("its `{key}` is no text"))
    }

    fn position(&self, found_in: Partition) -> Result<Position, String> {
        let position = position(self.text(POSITION)?).ok_or("its `position` is malformed")?;
        if position.partition == found_in {
            Ok(position)
        } else {
            Err(format!("it says partition {} and stands in {}", position.partition.0, found_in.0))
        }
    }
}

#[cfg(test)]
mod tests;
