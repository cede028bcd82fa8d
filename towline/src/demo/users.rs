//! The demo's users: drawn once, and kept beside the sites so that clients find them again.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use model::{RequestId, UserId};
use rand::Rng;
use serde::{Deserialize, Serialize};
use store::{KeyPair, NewUser, Store, UserError};

use crate::command::Failure;

/// Two, so that one can be kept from what is the other's.
const NAMES: [&str; 2] = ["main", "alt"];
const FILE: &str = "users.json";

/// A user with a key pair.
#[derive(Serialize, Deserialize)]
pub(super) struct DemoUser {
    pub(super) name: String,
    id: String,
    pub(super) access_key: String,
    pub(super) secret_key: String,
}

impl DemoUser {
    fn draw(name: &str) -> Self {
        let (pair, id): (_, [u8; 32]) = (KeyPair::draw(), rand::rng().random());
        Self {
            name: name.to_owned(),
            // As long as the canonical ids of S3.
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            access_key: pair.id().to_owned(),
            secret_key: pair.secret().to_owned(),
        }
    }

    fn new_user(&self) -> Result<NewUser, Failure> {
        let id = UserId::try_from(self.id.clone()).map_err(|error| Failure::of(&error))?;
        let key = KeyPair::given(self.access_key.clone(), self.secret_key.clone());
        let key = key.map_err(|error| Failure::of(&error))?;
        Ok(NewUser { id: Some(id), name: self.name.clone(), key })
    }
}

/// The users of a demo folder. First on disk and then created, so that no crash between the two
/// leaves a user whose secret nobody has.
pub(super) fn load(directory: &Path) -> Result<Vec<DemoUser>, Failure> {
    let path = directory.join(FILE);
    if !path.exists() {
        let drawn = serde_json::to_string_pretty(&NAMES.map(DemoUser::draw));
        write_private(&path, &drawn.map_err(|error| Failure::of(&error))?)?;
    }
    let failed = |why: String| Failure::Failed(format!("`{}`: {why}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(format!("{error}; delete it")))
}

/// Creates those that are not there yet.
pub(super) async fn create(store: &Store, users: &[DemoUser]) -> Result<(), Failure> {
    for user in users {
        match store.create_user(user.new_user()?, RequestId::NONE).await {
            Ok(_) | Err(UserError::Exists(_)) => {}
            Err(error) => return Err(Failure::of(&error)),
        }
    }
    Ok(())
}

/// Writes a file that only its owner can read.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::Failed(format!("`{}`: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn users_are_drawn_once_into_a_file_for_its_owner() {
        let home = std::env::temp_dir().join(format!("towline-users-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let keys = |users: Vec<DemoUser>| users.into_iter().map(|user| user.access_key);
        let first: Vec<_> = keys(load(&home).ok().unwrap()).collect();
        assert_eq!(keys(load(&home).ok().unwrap()).collect::<Vec<_>>(), first);
        let path = home.join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(load(&home), Err(Failure::Failed(line)) if line.contains("delete it")));
        fs::remove_dir_all(&home).unwrap();
    }
}
