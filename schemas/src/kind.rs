//! Kinds of records, and their names in the `.avsc` files and in envelopes.

/// Name of the kind of [`model::Change::Trimmed`], which earlier releases cannot read.
pub const TRIMMED: &str = "trimmed";

/// The kinds of changes that this release can read, by name: what a site says of itself, so that
/// nobody writes for it what it cannot read.
pub fn readable_kinds() -> impl Iterator<Item = &'static str> {
    Kind::CHANGES.into_iter().map(Kind::name)
}

/// A kind of record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    Envelope,
    Heartbeat,
    ObjectPut,
    ObjectDeleted,
    BucketPut,
    BucketDeleted,
    Attributes,
    UserPut,
    UserDeleted,
    Trimmed,
    BucketAttributes,
    VersionPut,
    MarkerPut,
    VersionRemoved,
    EncryptedPut,
    LimitedUserPut,
}

impl Kind {
    /// The kinds that an envelope seals.
    pub(crate) const CHANGES: [Self; 14] = [
        Self::ObjectPut,
        Self::ObjectDeleted,
        Self::BucketPut,
        Self::BucketDeleted,
        Self::Attributes,
        Self::UserPut,
        Self::UserDeleted,
        Self::Trimmed,
        Self::BucketAttributes,
        Self::VersionPut,
        Self::MarkerPut,
        Self::VersionRemoved,
        Self::EncryptedPut,
        Self::LimitedUserPut,
    ];

    /// Name of the record.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Heartbeat => "heartbeat",
            Self::ObjectPut => "object_put",
            Self::ObjectDeleted => "object_deleted",
            Self::BucketPut => "bucket_put",
            Self::BucketDeleted => "bucket_deleted",
            Self::Attributes => "attributes",
            Self::UserPut => "user_put",
            Self::UserDeleted => "user_deleted",
            Self::Trimmed => TRIMMED,
            Self::BucketAttributes => "bucket_attributes",
            Self::VersionPut => "version_put",
            Self::MarkerPut => "marker_put",
            Self::VersionRemoved => "version_removed",
            Self::EncryptedPut => "encrypted_put",
            Self::LimitedUserPut => "limited_user_put",
        }
    }

    /// The kind of change of this name, if this release knows it.
    pub(crate) fn of_change(name: &str) -> Option<Self> {
        Self::CHANGES.into_iter().find(|kind| kind.name() == name)
    }
}

/// A Rust type of a record: its fields are those of the `.avsc` file, in order.
pub(crate) trait Record {
    const KIND: Kind;
}
