//! `trimmed.avsc`.

use model::{Change, Partition, PartitionCount, Seq};
use serde::{Deserialize, Serialize};

use crate::{
    error::CodecError,
    fields::narrow,
    kind::{Kind, Record},
};

#[derive(Serialize, Deserialize)]
pub(crate) struct Trimmed {
    partition: i32,
    partitions: i32,
    up_to: i64,
}

impl Record for Trimmed {
    const KIND: Kind = Kind::Trimmed;
}

impl Trimmed {
    pub(crate) fn new(partition: Partition, partitions: PartitionCount, up_to: Seq) -> Self {
        Self {
            partition: partition.0.into(),
            partitions: partitions.get().into(),
            up_to: up_to.0.cast_signed(),
        }
    }
}

impl TryFrom<Trimmed> for Change {
    type Error = CodecError;

    fn try_from(record: Trimmed) -> Result<Self, CodecError> {
        let Trimmed { partition, partitions, up_to } = record;
        let count = PartitionCount::new(narrow("partitions", partitions.into())?);
        let out_of_range = |field, found: i32| CodecError::Range { field, found: found.into() };
        let count = count.ok_or_else(|| out_of_range("partitions", partitions))?;
        let known = Partition(narrow("partition", partition.into())?);
        if known.0 >= count.get() {
            return Err(out_of_range("partition", partition));
        }
        let up_to = Seq(up_to.cast_unsigned());
        Ok(Self::Trimmed { partition: known, partitions: count, up_to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_there_cannot_be_is_refused() {
        let read =
            |partition, partitions| Change::try_from(Trimmed { partition, partitions, up_to: 1 });
        assert!(read(3, 4).is_ok());
        for (partition, partitions) in [(4, 4), (-1, 4), (0, 3), (0, -4)] {
            let refused = read(partition, partitions);
            assert!(matches!(refused, Err(CodecError::Range { .. })), "{partition} {partitions}");
        }
    }
}
