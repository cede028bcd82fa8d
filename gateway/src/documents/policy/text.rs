//! The JSON of a policy. What it does not know is refused: it may be what a grant hangs on.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};

use super::{PolicyError, Principal, condition::Tests};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyText {
    #[serde(rename = "Version")]
    pub(super) version: Option<String>,
    #[serde(rename = "Id")]
    #[expect(dead_code, reason = "known, and without a meaning here")]
    id: Option<String>,
    #[serde(rename = "Statement")]
    pub(super) statements: OneOrMore<StatementText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct StatementText {
    #[expect(dead_code, reason = "known, and without a meaning here")]
    sid: Option<String>,
    pub(super) effect: String,
    pub(super) principal: Option<PrincipalText>,
    pub(super) not_principal: Option<PrincipalText>,
    pub(super) action: Option<OneOrMore<String>>,
    pub(super) not_action: Option<OneOrMore<String>>,
    pub(super) resource: Option<OneOrMore<String>>,
    pub(super) not_resource: Option<OneOrMore<String>>,
    #[serde(default)]
    pub(super) condition: Tests,
}

/// One, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMore<T> {
    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            Self::Many(all) => all,
            Self::One(one) => vec![one],
        }
    }

    pub(super) fn try_map<U>(
        self,
        map: impl FnMut(T) -> Result<U, PolicyError>,
    ) -> Result<Vec<U>, PolicyError> {
        self.into_vec().into_iter().map(map).collect()
    }
}

/// The entries of a JSON object, none of them twice: the one that is overlooked may be the one that
/// limits.
pub(super) struct Entries<V>(pub(super) Vec<(String, V)>);

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
    type Value = Entries<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<V>, A::Error> {
        let mut entries: Vec<(String, V)> = Vec::new();
        while let Some((key, value)) = map.next_entry()? {
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(A::Error::custom(format!("`{key}` stands twice in an object")));
            }
            entries.push((key, value));
        }
        Ok(Entries(entries))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum PrincipalText {
    Everybody(String),
    Kinds(Entries<OneOrMore<String>>),
}

impl PrincipalText {
    pub(super) fn read(self) -> Result<Vec<Principal>, PolicyError> {
        let kinds = match self {
            Self::Everybody(text) if text == "*" => return Ok(vec![Principal::Everybody]),
            Self::Everybody(text) => return Err(PolicyError::Principal(text)),
            Self::Kinds(kinds) => kinds,
        };
        let mut all = Vec::new();
        for (kind, names) in kinds.0 {
            all.extend(match kind.as_str() {
                "AWS" | "CanonicalUser" => names.try_map(|name| Principal::aws(&name))?,
                "Service" => names.try_map(|name| Ok(Principal::Service(name)))?,
                "Federated" => names.try_map(|_| Ok(Principal::Nobody))?,
                _ => return Err(PolicyError::Principal(kind)),
            });
        }
        Ok(all)
    }
}
