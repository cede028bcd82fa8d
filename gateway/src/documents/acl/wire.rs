//! Lists as clients send them, in one of three ways, and as they are shown.

use model::UserId;
use s3s::{
    S3Result,
    dto::{
        AccessControlPolicy, Grant as ShownGrant, Grantee as ShownGrantee, Grants, Owner,
        Permission as ShownPermission, Type,
    },
    s3_error,
};

use super::{Acl, GRANTS_MAX, Grant, Grantee, Of, Permission};

const GROUPS: [(&str, Grantee); 3] = [
    ("http://acs.amazonaws.com/groups/global/AllUsers", Grantee::Everybody),
    ("http://acs.amazonaws.com/groups/global/AuthenticatedUsers", Grantee::Authenticated),
    ("http://acs.amazonaws.com/groups/s3/LogDelivery", Grantee::LogDelivery),
];

const PERMISSIONS: [(&str, Permission); 5] = [
    (ShownPermission::READ, Permission::Read),
    (ShownPermission::WRITE, Permission::Write),
    (ShownPermission::READ_ACP, Permission::ReadAcp),
    (ShownPermission::WRITE_ACP, Permission::WriteAcp),
    (ShownPermission::FULL_CONTROL, Permission::FullControl),
];

/// What this site knows of users.
pub(crate) trait Known {
    /// Whether there is such a user.
    fn has(&self, user: &UserId) -> S3Result<bool>;

    /// What people call a user.
    fn display_name(&self, user: &UserId) -> S3Result<String>;
}

/// A list as a request brings it.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) canned: Option<String>,
    /// Of the headers `x-amz-grant-…`, in the order of [`PERMISSIONS`].
    pub(crate) granted: [Option<String>; 5],
    pub(crate) xml: Option<AccessControlPolicy>,
}

impl Sent {
    /// Nothing is said of who may do what.
    pub(crate) fn is_nothing(&self) -> bool {
        self.canned.is_none() && self.granted.iter().all(Option::is_none) && self.xml.is_none()
    }

    /// The list that is to be set. `None`: nothing is said.
    pub(crate) fn read(
        self,
        owner: &UserId,
        of: Of<'_>,
        known: &dyn Known,
    ) -> S3Result<Option<Acl>> {
        let granted = self.granted.iter().any(Option::is_some);
        match (self.canned, granted, self.xml) {
            (None, false, None) => Ok(None),
            (Some(name), false, None) => match Acl::canned(&name, owner, of) {
                None => Err(s3_error!(InvalidArgument, "There is no canned ACL `{name}`")),
                acl => Ok(acl),
            },
            (None, true, None) => {
                let mut grants = Vec::new();
                for (header, (_, permission)) in self.granted.iter().zip(PERMISSIONS) {
                    for to in grantees(header.as_deref().unwrap_or_default(), known)? {
                        grants.push(Grant { to, permission });
                    }
                }
                Acl { owner: owner.clone(), grants }.bounded().map(Some)
            }
            (None, false, Some(xml)) => {
                let said = xml.owner.and_then(|owner| owner.id);
                if said.is_some_and(|said| said != owner.as_str()) {
                    return Err(s3_error!(AccessDenied, "An ACL does not change the owner"));
                }
                let grants = xml.grants.unwrap_or_default();
                let grants = grants.into_iter().map(|grant| read_grant(grant, known));
                let grants = grants.collect::<S3Result<_>>()?;
                Acl { owner: owner.clone(), grants }.bounded().map(Some)
            }
            (Some(_), true, _) => Err(s3_error!(
                InvalidRequest,
                "Specifying both Canned ACLs and Header Grants is not allowed"
            )),
            (_, _, Some(_)) => {
                Err(s3_error!(UnexpectedContent, "An ACL comes in headers or in the body"))
            }
        }
    }
}

impl Acl {
    fn bounded(self) -> S3Result<Self> {
        if self.grants.len() > GRANTS_MAX {
            return Err(s3_error!(MalformedACLError, "An ACL has up to {GRANTS_MAX} grants"));
        }
        Ok(self)
    }
}

/// Of one header: `id="ID", uri="GROUP"`, with or without the quotes.
fn grantees(header: &str, known: &dyn Known) -> S3Result<Vec<Grantee>> {
    let parts = header.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (kind, value) = part.split_once('=').ok_or_else(malformed)?;
            let value = value.trim().trim_matches('"').to_owned();
            match kind.trim().to_ascii_lowercase().as_str() {
                "id" => user(value, known),
                "uri" => group(&value),
                "emailaddress" => Err(by_email()),
                _ => Err(malformed()),
            }
        })
        .collect()
}

/// A grant as XML brings it.
pub(crate) fn read_grant(grant: ShownGrant, known: &dyn Known) -> S3Result<Grant> {
    let (grantee, permission) = grant.grantee.zip(grant.permission).ok_or_else(malformed)?;
    let found = PERMISSIONS.iter().find(|(name, _)| *name == permission.as_str());
    let permission = found.map(|(_, permission)| *permission).ok_or_else(malformed)?;
    let to = match (grantee.id, grantee.uri, grantee.email_address) {
        (Some(id), None, None) => user(id, known)?,
        (None, Some(uri), None) => group(&uri)?,
        (None, None, Some(_)) => return Err(by_email()),
        _ => return Err(malformed()),
    };
    Ok(Grant { to, permission })
}

fn user(id: String, known: &dyn Known) -> S3Result<Grantee> {
    let unknown = || s3_error!(InvalidArgument, "Invalid id: there is no such user here");
    let id = UserId::try_from(id).map_err(|_| unknown())?;
    if known.has(&id)? { Ok(Grantee::User(id)) } else { Err(unknown()) }
}

fn group(uri: &str) -> S3Result<Grantee> {
    let found = GROUPS.iter().find(|(known, _)| *known == uri);
    let found = found.map(|(_, grantee)| grantee.clone());
    found.ok_or_else(|| s3_error!(InvalidArgument, "Invalid group uri"))
}

/// What names a group; nothing, if it is none.
pub(crate) fn group_uri(group: &Grantee) -> &'static str {
    GROUPS.iter().find(|(_, known)| known == group).map_or("", |(uri, _)| uri)
}

fn malformed() -> s3s::S3Error {
    s3_error!(MalformedACLError, "The ACL is not well-formed, or against the schema")
}

fn by_email() -> s3s::S3Error {
    s3_error!(UnresolvableGrantByEmailAddress, "Users have no addresses here")
}

/// A user as an ACL shows them.
pub(crate) fn shown_owner(user: &UserId, known: &dyn Known) -> S3Result<Owner> {
    let display_name = Some(known.display_name(user)?);
    Ok(Owner { display_name, id: Some(user.as_str().to_owned()) })
}

/// Groups first: some clients sort what has names only.
pub(crate) fn shown_grants(acl: &Acl, known: &dyn Known) -> S3Result<Grants> {
    let (users, groups): (Vec<&Grant>, Vec<&Grant>) =
        acl.grants.iter().partition(|grant| matches!(grant.to, Grantee::User(_)));
    groups.into_iter().chain(users).map(|grant| shown_grant(grant, known)).collect()
}

/// As it is shown.
pub(crate) fn shown_grant(grant: &Grant, known: &dyn Known) -> S3Result<ShownGrant> {
    let shown = PERMISSIONS.iter().find(|(_, permission)| *permission == grant.permission);
    let permission = shown.map(|(name, _)| ShownPermission::from_static(name));
    let grantee = match &grant.to {
        Grantee::User(user) => ShownGrantee {
            display_name: Some(known.display_name(user)?),
            email_address: None,
            id: Some(user.as_str().to_owned()),
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        },
        group => ShownGrantee {
            display_name: None,
            email_address: None,
            id: None,
            type_: Type::from_static(Type::GROUP),
            uri: Some(group_uri(group).to_owned()).filter(|uri| !uri.is_empty()),
        },
    };
    Ok(ShownGrant { grantee: Some(grantee), permission })
}

#[cfg(test)]
mod tests;
