//! `towline user create|list|show|enable|disable|rekey|quota|delete`.

use std::path::PathBuf;

use gateway::admin::{
    AccessKeyShown, ChangeKey, ChangeUser, CreateUser, GivenKey, KeyCreated, QuotaShown, Rekey,
    UserCreated, UserList, UserShown,
};
use serde_json::json;

use super::{
    Failure,
    admin::AdminArgs,
    quota::{QuotaArgs, quota_text},
};
use crate::client::Client;

#[derive(clap::Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user of S3 with a key pair, whose secret is shown once.
    #[command(after_help = "Example: towline user create alice --config site.toml")]
    Create {
        /// Name, for people.
        name: String,
        /// Id; otherwise it is drawn.
        #[arg(long)]
        id: Option<String>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// List the users.
    #[command(after_help = "Example: towline user list --config site.toml")]
    List(AdminArgs),
    /// Show one user.
    #[command(after_help = "Example: towline user show alice --config site.toml")]
    Show(UserArgs),
    /// Let a user in again, or one of the keys.
    #[command(after_help = "Example: towline user enable alice --config site.toml")]
    Enable(UserKeyArgs),
    /// Let a user in no more, or one of the keys.
    ///
    /// Downloads under way end; the commit of an upload under way is refused.
    #[command(after_help = "Example: towline user disable alice --config site.toml")]
    Disable(UserKeyArgs),
    /// Give a user a new key pair, whose secret is shown once. The keys before it end.
    #[command(after_help = "Example: towline user rekey alice --keep-old --config site.toml")]
    Rekey {
        /// Keep the keys before it, so that clients can be changed in turn.
        #[arg(long)]
        keep_old: bool,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        user: UserArgs,
    },
    /// Set how much all buckets of a user may hold together.
    ///
    /// What another site has written is never refused. Deletes always go.
    #[command(
        after_help = "Example: towline user quota alice --bytes 1TiB --objects 1000000 --config site.toml\n\
                      Example: towline user quota alice --objects off --config site.toml"
    )]
    Quota {
        #[command(flatten)]
        quota: QuotaArgs,
        #[command(flatten)]
        user: UserArgs,
    },
    /// Delete a user who owns no bucket, or one of the keys.
    #[command(after_help = "Example: towline user delete alice --config site.toml")]
    Delete(UserKeyArgs),
}

/// A key pair that exists, instead of a drawn one: for users who come from elsewhere.
#[derive(clap::Args)]
pub(crate) struct KeyArgs {
    /// Access key that exists; otherwise a pair is drawn.
    #[arg(long, value_name = "KEY", requires = "secret_key_file")]
    access_key: Option<String>,
    /// File with its secret key.
    #[arg(long, value_name = "FILE", requires = "access_key")]
    secret_key_file: Option<PathBuf>,
}

/// Which user.
#[derive(clap::Args)]
pub(crate) struct UserArgs {
    /// Id of the user, or the name if no other has it.
    user: String,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Which user, or which key of the user.
#[derive(clap::Args)]
pub(crate) struct UserKeyArgs {
    /// Only this access key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    user: UserArgs,
}

pub(super) fn run(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create { name, id, key, admin } => create(name, id, &key, &admin),
        UserCommand::List(admin) => {
            let list: UserList = admin.client()?.get("/v1/users")?;
            admin.show(&list, |list| match &list.users[..] {
                [] => "there is no user but root".to_owned(),
                users => users.iter().map(line).collect::<Vec<_>>().join("\n"),
            });
            Ok(())
        }
        UserCommand::Show(UserArgs { user, admin }) => {
            admin.show(&find(&admin.client()?, &user)?, line);
            Ok(())
        }
        UserCommand::Enable(args) => enable(&args, true),
        UserCommand::Disable(args) => enable(&args, false),
        UserCommand::Rekey { keep_old, key, user } => rekey(keep_old, &key, &user),
        UserCommand::Quota { quota, user } => limit(&quota, &user),
        UserCommand::Delete(args) => delete(&args),
    }
}

fn create(
    name: String,
    id: Option<String>,
    key: &KeyArgs,
    admin: &AdminArgs,
) -> Result<(), Failure> {
    let asked = CreateUser { id, name, key: key.given()? };
    let created: UserCreated = admin.client()?.post("/v1/users", &asked)?;
    admin.show(&created, |UserCreated { user, key }| {
        format!("user `{}` is created\n\n  id          {}\n{}", user.name, user.id, shown(key))
    });
    Ok(())
}

fn enable(args: &UserKeyArgs, enabled: bool) -> Result<(), Failure> {
    let UserKeyArgs { key, user: UserArgs { user, admin } } = args;
    let client = admin.client()?;
    let UserShown { id, .. } = find(&client, user)?;
    let changed: UserShown = match key {
        Some(key) => {
            let path = format!("/v1/users/{id}/keys/{}", segment(key)?);
            client.patch(&path, &ChangeKey { enabled })?
        }
        None => {
            let change = ChangeUser { enabled: Some(enabled), ..ChangeUser::default() };
            client.patch(&format!("/v1/users/{id}"), &change)?
        }
    };
    admin.show(&changed, line);
    Ok(())
}

fn rekey(keep_old: bool, key: &KeyArgs, args: &UserArgs) -> Result<(), Failure> {
    let UserArgs { user, admin } = args;
    let client = admin.client()?;
    let UserShown { id, name, .. } = find(&client, user)?;
    let asked = Rekey { keep_old, key: key.given()? };
    let created: KeyCreated = client.post(&format!("/v1/users/{id}/keys"), &asked)?;
    admin.show(&created, |key| format!("user `{name}` has a new key\n\n{}", shown(key)));
    Ok(())
}

fn limit(quota: &QuotaArgs, args: &UserArgs) -> Result<(), Failure> {
    let UserArgs { user, admin } = args;
    let client = admin.client()?;
    let UserShown { id, .. } = find(&client, user)?;
    let change = ChangeUser { quota: quota.change(), ..ChangeUser::default() };
    let changed: UserShown = client.patch(&format!("/v1/users/{id}"), &change)?;
    admin.show(&changed, |user| format!("user `{}`: {}", user.name, quota_text(&user.quota)));
    Ok(())
}

fn delete(args: &UserKeyArgs) -> Result<(), Failure> {
    let UserKeyArgs { key, user: UserArgs { user, admin } } = args;
    let client = admin.client()?;
    let UserShown { id, name, .. } = find(&client, user)?;
    let (path, what) = match key {
        Some(key) => {
            (format!("/v1/users/{id}/keys/{}", segment(key)?), format!("key `{key}` of `{name}`"))
        }
        None => (format!("/v1/users/{id}"), format!("user `{name}`")),
    };
    client.delete(&path)?;
    let deleted = json!({ "deleted": { "user": id, "access_key": key } });
    admin.show(&deleted, |_| format!("{what} is deleted"));
    Ok(())
}

impl KeyArgs {
    fn given(&self) -> Result<Option<GivenKey>, Failure> {
        let (Some(access_key), Some(file)) = (&self.access_key, &self.secret_key_file) else {
            return Ok(None);
        };
        let secret = std::fs::read_to_string(file).map_err(|error| {
            Failure::Usage(format!("--secret-key-file `{}`: {error}", file.display()))
        })?;
        let (access_key, secret_key) = (access_key.clone(), secret.trim().to_owned());
        Ok(Some(GivenKey { access_key, secret_key }))
    }
}

/// The user of this id, or the one of this name.
pub(super) fn find(client: &Client, wanted: &str) -> Result<UserShown, Failure> {
    let UserList { users } = client.get("/v1/users")?;
    if let Some(user) = users.iter().find(|user| user.id == wanted) {
        return Ok(user.clone());
    }
    let named: Vec<&UserShown> = users.iter().filter(|user| user.name == wanted).collect();
    match named[..] {
        [user] => Ok(user.clone()),
        [] => Err(Failure::Failed(format!(
            "no such user `{wanted}`; `towline user list` tells which there are"
        ))),
        _ => {
            let ids: Vec<&str> = named.iter().map(|user| user.id.as_str()).collect();
            let ids = ids.join(", ");
            Err(Failure::Failed(format!("several users are named `{wanted}`, say an id: {ids}")))
        }
    }
}

/// An access key as a part of a path, which none of its characters ends.
fn segment(key: &str) -> Result<&str, Failure> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !key.is_empty() && key.bytes().all(plain) {
        return Ok(key);
    }
    Err(Failure::Usage(format!("--key {key}: no access key has such characters")))
}

fn line(user: &UserShown) -> String {
    let state = |enabled| if enabled { "enabled" } else { "disabled" };
    let key = |AccessKeyShown { id, enabled }: &AccessKeyShown| match enabled {
        true => id.clone(),
        false => format!("{id} (disabled)"),
    };
    let keys = user.access_keys.iter().map(key).collect::<Vec<_>>().join(", ");
    let quota = match &user.quota {
        none if *none == QuotaShown::default() => String::new(),
        quota => format!("  may hold {}", quota_text(quota)),
    };
    format!("{:<32}  {:<16}  {:<8}  {keys}{quota}", user.id, user.name, state(user.enabled))
}

fn shown(key: &KeyCreated) -> String {
    let secret = key.secret_key.as_deref();
    let secret =
        secret.map_or_else(|| "as you gave it".to_owned(), |s| format!("{s}  (shown once)"));
    format!("  access key  {}\n  secret key  {secret}", key.access_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_access_key_leaves_its_place_in_a_path() {
        assert_eq!(segment("AK-1.x_y").ok(), Some("AK-1.x_y"));
        for key in ["", "a/b", "..?", "a b", "%2e"] {
            assert!(matches!(segment(key), Err(Failure::Usage(_))), "{key}");
        }
    }
}
