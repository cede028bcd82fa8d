//! Who may do what: one decision out of a bucket's owner, its policy, ACLs, ownership controls and
//! the block of public access. Pure; the root user stands above it.
//!
//! For the owner of a bucket without a policy it is one comparison. What depends on the object that is
//! read is decided when it is found, on the very version that is read.

use model::UserId;

use crate::documents::{
    acl::{Acl, Permission},
    ownership::Ownership,
    policy::{self, Answer, Policy, Who},
    public_access::PublicAccessBlock,
};

pub(crate) mod action;
pub(crate) mod circumstances;
mod guard;
#[cfg(test)]
mod tests;

pub(crate) use action::Action;
pub(crate) use guard::{Asked, Asker, Guard, Peer, Reader};

use action::Needs;

/// What decides in one bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rules {
    pub(crate) owner: UserId,
    pub(crate) ownership: Ownership,
    pub(crate) block: PublicAccessBlock,
    pub(crate) acl: Option<Acl>,
    pub(crate) policy: Option<Policy>,
}

/// What is asked of a bucket.
pub(crate) struct Ask<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) action: Action,
    /// Other actions that the same request is.
    pub(crate) beside: &'a [&'static str],
    /// `bucket`, or `bucket/key`.
    pub(crate) resource: &'a str,
    pub(crate) circumstance: &'a dyn Fn(&str) -> Option<Vec<String>>,
}

/// Whether something may be done in a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Refused,
    Granted,
    /// If the object's own ACL gives this.
    Object(Permission),
    /// Of uploads in parts, what is done with those that the asker began.
    OwnUploads,
}

impl Rules {
    pub(crate) fn decide(&self, ask: &Ask<'_>) -> Verdict {
        self.without_acl(ask).unwrap_or_else(|| self.by_acl(ask))
    }

    /// What is decided whatever ACLs say.
    fn without_acl(&self, ask: &Ask<'_>) -> Option<Verdict> {
        if ask.user.is_root() {
            return Some(Verdict::Granted);
        }
        let owner = *ask.user == self.owner;
        let policy = self.policy.as_ref();
        match policy.map_or(Answer::Silent, |policy| answer(policy, ask)) {
            // So that nobody locks themselves out: the owner may always take the policy away.
            Answer::Denied if owner && ask.action.is_of_policy() => Some(Verdict::Granted),
            Answer::Denied => Some(Verdict::Refused),
            Answer::Allowed if owner || !self.restricts() => Some(Verdict::Granted),
            Answer::Allowed | Answer::Silent => owner.then_some(Verdict::Granted),
        }
    }

    /// Whether a request that was let in would not have been without an ACL.
    pub(crate) fn needed_acl(&self, ask: &Ask<'_>) -> bool {
        self.without_acl(ask).is_none()
    }

    fn by_acl(&self, ask: &Ask<'_>) -> Verdict {
        match ask.action.needs {
            _ if self.ownership == Ownership::BucketOwnerEnforced => Verdict::Refused,
            Needs::Owner => Verdict::Refused,
            Needs::Object(permission) => Verdict::Object(permission),
            Needs::Bucket(permission) => {
                let locks = ask.beside.iter().any(|beside| action::LOCKS.contains(beside));
                let given = !locks && self.acl_gives(ask.user, permission);
                if given { Verdict::Granted } else { Verdict::Refused }
            }
            Needs::Upload if self.acl_gives(ask.user, Permission::Write) => Verdict::OwnUploads,
            Needs::Upload => Verdict::Refused,
        }
    }

    fn acl_gives(&self, user: &UserId, permission: Permission) -> bool {
        let public = !self.block.ignore_acls;
        self.acl.as_ref().is_some_and(|acl| acl.gives(user, permission, public))
    }

    /// Whether an object may be used after all, given the verdict and what is set of the object.
    ///
    /// Its owner may, whoever owns the bucket. Who owns the bucket may not, if the object is somebody
    /// else's and its ACL does not say so; nor does the bucket's policy open such an object.
    pub(crate) fn decide_object(
        &self,
        verdict: Verdict,
        (user, permission): (&UserId, Permission),
        acl: Option<&Acl>,
    ) -> bool {
        if user.is_root() {
            return true;
        }
        let acl = acl.filter(|_| self.ownership != Ownership::BucketOwnerEnforced);
        let owner = acl.map_or(&self.owner, |acl| &acl.owner);
        match verdict {
            Verdict::Refused | Verdict::OwnUploads => false,
            // Nobody is everybody: what is theirs is as open as what an ACL opens to all.
            _ if user == owner => !(user.is_anonymous() && self.block.ignore_acls),
            Verdict::Granted if *owner == self.owner => true,
            Verdict::Granted | Verdict::Object(_) => {
                acl.is_some_and(|acl| acl.gives(user, permission, !self.block.ignore_acls))
            }
        }
    }

    /// Whether a service may put an object: by the policy, or by what the ACL gives to those who deliver
    /// access logs.
    pub(crate) fn lets_service_put(
        &self,
        service: &'static str,
        resource: &str,
        circumstance: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> bool {
        let (who, action) = (Who::Service(service), "s3:PutObject");
        let request = policy::Request { who, action, resource, circumstance };
        match self.policy.as_ref().map_or(Answer::Silent, |policy| policy.evaluate(&request)) {
            Answer::Denied => false,
            Answer::Allowed => true,
            Answer::Silent => {
                let counts = self.ownership != Ownership::BucketOwnerEnforced;
                self.acl.as_ref().is_some_and(|acl| counts && acl.lets_deliver())
            }
        }
    }

    /// Whether what the policy opens to everybody is open to the bucket's owner only.
    fn restricts(&self) -> bool {
        self.block.restrict && self.policy.as_ref().is_some_and(Policy::is_public)
    }
}

/// The policy's answer to all that a request is: one denial is enough, and all must be allowed.
fn answer(policy: &Policy, ask: &Ask<'_>) -> Answer {
    let &Ask { user, resource, circumstance, .. } = ask;
    let (mut all, who) = (Answer::Allowed, Who::User(user));
    for action in std::iter::once(ask.action.name).chain(ask.beside.iter().copied()) {
        match policy.evaluate(&policy::Request { who, action, resource, circumstance }) {
            Answer::Denied => return Answer::Denied,
            Answer::Silent => all = Answer::Silent,
            Answer::Allowed => {}
        }
    }
    all
}
