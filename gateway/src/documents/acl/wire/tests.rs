use proptest::prelude::{any, prop, proptest};
use s3s::S3ErrorCode;

use super::*;

struct Users;

impl Known for Users {
    fn has(&self, user: &UserId) -> S3Result<bool> {
        Ok(["main", "alt"].contains(&user.as_str()))
    }

    fn display_name(&self, user: &UserId) -> S3Result<String> {
        Ok(format!("the {user}"))
    }
}

fn main() -> UserId {
    UserId::try_from("main".to_owned()).unwrap()
}

fn read(sent: Sent) -> Result<Option<Acl>, S3ErrorCode> {
    sent.read(&main(), Of::Bucket, &Users).map_err(|error| error.code().clone())
}

fn canned(name: &str) -> Sent {
    Sent { canned: Some(name.to_owned()), ..Sent::default() }
}

fn granted(place: usize, header: &str) -> Sent {
    let mut sent = Sent::default();
    sent.granted[place] = Some(header.to_owned());
    sent
}

fn grantee(id: Option<&str>, uri: Option<&str>, email: Option<&str>) -> ShownGrantee {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    ShownGrantee {
        display_name: None,
        email_address: owned(email),
        id: owned(id),
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: owned(uri),
    }
}

fn xml(owner: &str, grantee: ShownGrantee, permission: &'static str) -> Sent {
    let permission = Some(ShownPermission::from_static(permission));
    let grants = Some(vec![ShownGrant { grantee: Some(grantee), permission }]);
    let owner = Some(Owner { display_name: None, id: Some(owner.to_owned()) });
    Sent { xml: Some(AccessControlPolicy { grants, owner }), ..Sent::default() }
}

#[test]
fn a_list_that_is_shown_can_be_sent_again() {
    let acl = Acl::canned("public-read", &main(), Of::Bucket).unwrap();
    let grants = shown_grants(&acl, &Users).unwrap();
    assert_eq!(grants[1].grantee.as_ref().unwrap().display_name.as_deref(), Some("the main"));
    let owner = Some(shown_owner(&main(), &Users).unwrap());
    let policy = AccessControlPolicy { grants: Some(grants), owner };
    let sent = Sent { xml: Some(policy), ..Sent::default() };
    assert!(!sent.is_nothing());
    assert_eq!(read(sent), Ok(Some(acl)));
    assert!(Sent::default().is_nothing());
    assert_eq!(read(Sent::default()), Ok(None));
}

#[test]
fn headers_name_users_and_groups() {
    let sent = granted(0, r#"id="alt", uri=http://acs.amazonaws.com/groups/global/AllUsers"#);
    let acl = read(sent).unwrap().unwrap();
    let alt = Grantee::User(UserId::try_from("alt".to_owned()).unwrap());
    let grant = |to| Grant { to, permission: Permission::Read };
    assert_eq!(acl.grants, [grant(alt), grant(Grantee::Everybody)]);
    let acl = read(granted(4, "id=alt")).unwrap().unwrap();
    assert_eq!(acl.grants[0].permission, Permission::FullControl);
}

#[test]
fn what_names_nobody_or_says_too_much_is_refused() {
    use S3ErrorCode as Code;

    assert_eq!(read(canned("open")), Err(Code::InvalidArgument));
    assert_eq!(read(granted(0, "id=nobody")), Err(Code::InvalidArgument));
    assert_eq!(read(granted(0, "id=")), Err(Code::InvalidArgument));
    assert_eq!(read(granted(0, "uri=http://else")), Err(Code::InvalidArgument));
    assert_eq!(read(granted(0, "alt")), Err(Code::MalformedACLError));
    assert_eq!(read(granted(0, "name=alt")), Err(Code::MalformedACLError));
    let email = read(granted(0, "emailAddress=a@b"));
    assert_eq!(email, Err(Code::UnresolvableGrantByEmailAddress));
    let many = vec!["id=alt"; GRANTS_MAX + 1].join(",");
    assert_eq!(read(granted(0, &many)), Err(Code::MalformedACLError));
    let both = Sent { canned: Some("private".to_owned()), ..granted(0, "id=alt") };
    assert_eq!(read(both), Err(Code::InvalidRequest));
    let fine = || grantee(Some("alt"), None, None);
    let both = Sent { canned: Some("private".to_owned()), ..xml("main", fine(), "READ") };
    assert_eq!(read(both), Err(Code::UnexpectedContent));
    assert!(read(xml("main", fine(), "READ")).is_ok());
    assert_eq!(read(xml("alt", fine(), "READ")), Err(Code::AccessDenied));
    assert_eq!(read(xml("main", fine(), "EAT")), Err(Code::MalformedACLError));
    let none = grantee(None, None, None);
    assert_eq!(read(xml("main", none, "READ")), Err(Code::MalformedACLError));
    let email = grantee(None, None, Some("a@b"));
    assert_eq!(read(xml("main", email, "READ")), Err(Code::UnresolvableGrantByEmailAddress));
}

proptest! {
    #[test]
    fn no_header_and_no_bytes_make_it_panic(
        place in 0usize..5,
        header in "((id|uri|emailAddress|ID)?=?\"?(main|alt|é)?\"?,?){0,4}|.{0,30}",
        name in ".{0,20}",
        bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        use crate::documents::Document;

        let _unknown = Acl::from_bytes(&bytes.into());
        let _refused = read(canned(&name));
        if let Ok(Some(acl)) = read(granted(place, &header)) {
            assert_eq!(Acl::from_bytes(&acl.to_bytes()), Some(acl));
        }
    }
}
