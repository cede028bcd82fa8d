//! The records of one partition in memory.

use std::collections::VecDeque;

use model::{Partition, SealedEvent, Seq};

use crate::{Message, Place, Tail};

/// Records with the offsets that Kafka would give them.
#[derive(Clone, Default)]
pub(super) struct Records {
    /// Offset of the first record held.
    base: u64,
    held: VecDeque<Message>,
    tail: Option<Tail>,
    /// Counts how often the partition was made anew.
    incarnation: u64,
}

/// Where a subscription is in a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    pub(super) partition: Partition,
    offset: u64,
    incarnation: u64,
}

impl Records {
    pub(super) fn extend(&mut self, messages: impl Iterator<Item = Message>) {
        for message in messages {
            if let Message::Event(event) = &message {
                self.tail = Some(Tail::of(event));
            }
            self.held.push_back(message);
        }
    }

    pub(super) fn push_unreadable(&mut self, partition: Partition, why: &str) {
        self.held.push_back(Message::Unreadable {
            partition,
            offset: self.end(),
            why: why.to_owned(),
        });
    }

    pub(super) fn truncate(&mut self, before: Seq) {
        let stays = |message: &Message| place(message).is_some_and(|p| p.seq >= before);
        let dropped = self.held.iter().position(stays).unwrap_or(self.held.len());
        self.held.drain(..dropped);
        self.base += dropped as u64;
    }

    /// The same partition in a topic made anew.
    pub(super) fn anew(&self) -> Self {
        Self { incarnation: self.incarnation + 1, ..Self::default() }
    }

    pub(super) fn tail(&self) -> Option<Tail> {
        self.tail
    }

    pub(super) fn events(&self) -> Vec<SealedEvent> {
        let event = |message: &Message| match message {
            Message::Event(event) => Some(event.clone()),
            _ => None,
        };
        self.held.iter().filter_map(event).collect()
    }

    /// At the first event above `target`, else at the end.
    pub(super) fn cursor(&self, partition: Partition, target: Place) -> Cursor {
        let above = |message: &Message| place(message).is_some_and(|place| place > target);
        let index = self.held.iter().position(above).unwrap_or(self.held.len());
        Cursor { partition, offset: self.base + index as u64, incarnation: self.incarnation }
    }

    /// What is at the cursor, which moves past it; why the cursor is nowhere any more, if so.
    pub(super) fn read(&self, cursor: &mut Cursor) -> Result<Option<Message>, String> {
        if cursor.incarnation != self.incarnation {
            return Err("the log was made anew".to_owned());
        }
        let Some(index) = cursor.offset.checked_sub(self.base) else {
            return Err(format!(
                "record {} was trimmed, the first held is {}",
                cursor.offset, self.base
            ));
        };
        let index = usize::try_from(index).expect("invariant: as many as are in memory");
        let message = self.held.get(index).cloned();
        cursor.offset += u64::from(message.is_some());
        Ok(message)
    }

    fn end(&self) -> u64 {
        self.base + self.held.len() as u64
    }
}

fn place(message: &Message) -> Option<Place> {
    match message {
        Message::Event(event) => Some(event.position.into()),
        _ => None,
    }
}
