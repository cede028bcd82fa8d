//! Bucket policies, in the language of IAM: who may do what with what, and under which conditions.
//!
//! The text is kept and shown as it came. It is checked when it is set, so that a policy which is kept
//! says nothing that this release would not judge.

use bytes::Bytes;
use model::{UserId, attribute};

use super::Document;
use condition::Condition;
use pattern::{Circumstance, Pattern, matches_ignoring_case};
use text::{PolicyText, PrincipalText, StatementText};

mod condition;
mod pattern;
mod public;
#[cfg(test)]
mod tests;
mod text;

/// Bytes of a policy; the limit of S3.
pub(crate) const POLICY_BYTES_MAX: usize = 20 * 1_024;

const RESOURCE: &str = "arn:aws:s3:::";

/// Why a text is no policy, as a person is told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    #[error("Policies must be valid JSON of the form that IAM gives them: {0}")]
    Json(String),
    #[error("A policy may have {POLICY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("Policy version `{0}` is not 2008-10-17 or 2012-10-17")]
    Version(String),
    #[error("A policy needs a statement")]
    Empty,
    #[error("A statement has one of {0} and Not{0}")]
    OneOf(&'static str),
    #[error("Effect `{0}` is not Allow or Deny")]
    Effect(String),
    #[error("Allow cannot be given to all but some: NotPrincipal goes with Deny")]
    AllowNotPrincipal,
    #[error("Invalid principal in policy: `{0}`")]
    Principal(String),
    #[error("Policy has invalid action `{0}`")]
    Action(String),
    #[error("Policy has invalid resource `{0}`")]
    Resource(String),
    #[error("Invalid Condition type: `{0}`")]
    Operator(String),
    #[error("Invalid value `{value}` of condition `{key}`")]
    Value { key: String, value: String },
}

/// The policy of a bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Policy {
    text: String,
    statements: Vec<Statement>,
    is_public: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Statement {
    allows: bool,
    who: Not<Vec<Principal>>,
    actions: Not<Vec<String>>,
    resources: Not<Vec<Pattern>>,
    conditions: Vec<Condition>,
}

/// Those named, or all but those.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Not<T> {
    named: T,
    all_but: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Principal {
    Everybody,
    User(String),
    /// A service of AWS; of those this site has one, which delivers access logs.
    Service(String),
    /// Of a kind that nobody here is: a federation.
    Nobody,
}

/// What a policy is asked.
pub(crate) struct Request<'a> {
    pub(crate) who: Who<'a>,
    /// With `s3:` before it.
    pub(crate) action: &'a str,
    /// `bucket`, or `bucket/key`.
    pub(crate) resource: &'a str,
    /// The values of a condition key, if the request has it. Names are in lower case, but for a tag's
    /// behind the slash.
    pub(crate) circumstance: Circumstance<'a>,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who<'a> {
    User(&'a UserId),
    Service(&'static str),
}

/// What a policy answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// Some statement denies it, whatever others allow.
    Denied,
    Allowed,
    /// None says anything of it.
    Silent,
}

impl Document for Policy {
    const NAME: &'static str = attribute::POLICY;

    fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.text.as_bytes())
    }

    fn from_bytes(bytes: &Bytes) -> Option<Self> {
        Self::parse(std::str::from_utf8(bytes).ok()?).ok()
    }
}

impl Policy {
    /// Reads a policy, of whichever bucket.
    pub(crate) fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLarge);
        }
        let read: PolicyText =
            serde_json::from_str(text).map_err(|error| PolicyError::Json(error.to_string()))?;
        let variables = match read.version.as_deref() {
            // Before them, a policy had no variables: what looks like one is text.
            None | Some("2008-10-17") => false,
            Some("2012-10-17") => true,
            Some(other) => return Err(PolicyError::Version(other.to_owned())),
        };
        let statements = read.statements.into_vec().into_iter();
        let statements = statements.map(|text| Statement::new(text, variables));
        let statements = statements.collect::<Result<Vec<_>, _>>()?;
        if statements.is_empty() {
            return Err(PolicyError::Empty);
        }
        let is_public = statements.iter().any(Statement::is_public);
        Ok(Self { text: text.to_owned(), statements, is_public })
    }

    /// Reads a policy that is to be a bucket's: it may speak of that one only.
    pub(crate) fn parse_for(text: &str, bucket: &str) -> Result<Self, PolicyError> {
        let policy = Self::parse(text)?;
        for statement in &policy.statements {
            let other = |resource: &&Pattern| !resource.is_of(bucket);
            if let Some(resource) = statement.resources.named.iter().find(other) {
                return Err(PolicyError::Resource(format!("{RESOURCE}{resource}")));
            }
        }
        Ok(policy)
    }

    /// As it was set.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it opens anything to everybody.
    pub(crate) fn is_public(&self) -> bool {
        self.is_public
    }

    pub(crate) fn evaluate(&self, request: &Request<'_>) -> Answer {
        let mut answer = Answer::Silent;
        for statement in &self.statements {
            let decided = statement.allows && answer == Answer::Allowed;
            if !decided && statement.speaks_of(request) {
                if !statement.allows {
                    return Answer::Denied;
                }
                answer = Answer::Allowed;
            }
        }
        answer
    }
}

impl Statement {
    fn new(text: StatementText, variables: bool) -> Result<Self, PolicyError> {
        let allows = match text.effect.as_str() {
            "Allow" => true,
            "Deny" => false,
            _ => return Err(PolicyError::Effect(text.effect)),
        };
        let who = Not::one_of("Principal", text.principal, text.not_principal)?;
        if allows && who.all_but {
            return Err(PolicyError::AllowNotPrincipal);
        }
        let who = who.try_map(PrincipalText::read)?;
        let actions = Not::one_of("Action", text.action, text.not_action)?;
        let actions = actions.try_map(|some| some.try_map(action))?;
        let resources = Not::one_of("Resource", text.resource, text.not_resource)?;
        let resources = resources.try_map(|some| some.try_map(|one| resource(one, variables)))?;
        let conditions = condition::read(text.condition, variables)?;
        Ok(Self { allows, who, actions, resources, conditions })
    }

    fn speaks_of(&self, request: &Request<'_>) -> bool {
        let action = |named: &String| matches_ignoring_case(named, request.action);
        let resource = |named: &Pattern| named.matches(request.resource, request.circumstance);
        self.who.holds(|all| all.iter().any(|one| one.is(request.who)))
            && self.actions.holds(|all| all.iter().any(action))
            && self.resources.holds(|all| all.iter().any(resource))
            && self.conditions.iter().all(|condition| condition.holds(request.circumstance))
    }
}

impl<T> Not<T> {
    fn one_of(
        what: &'static str,
        named: Option<T>,
        all_but: Option<T>,
    ) -> Result<Self, PolicyError> {
        match (named, all_but) {
            (Some(named), None) => Ok(Self { named, all_but: false }),
            (None, Some(named)) => Ok(Self { named, all_but: true }),
            _ => Err(PolicyError::OneOf(what)),
        }
    }

    fn try_map<U>(
        self,
        map: impl FnOnce(T) -> Result<U, PolicyError>,
    ) -> Result<Not<U>, PolicyError> {
        Ok(Not { named: map(self.named)?, all_but: self.all_but })
    }

    fn holds(&self, test: impl FnOnce(&T) -> bool) -> bool {
        test(&self.named) != self.all_but
    }
}

impl Principal {
    fn is(&self, who: Who<'_>) -> bool {
        match (self, who) {
            (Self::Everybody, _) => true,
            (Self::User(id), Who::User(user)) => id == user.as_str(),
            (Self::Service(name), Who::Service(service)) => name == service,
            _ => false,
        }
    }

    /// `*`, a user's id, or the name that AWS would give it: `arn:aws:iam::ID:root`, and
    /// `arn:aws:iam::ACCOUNT:user/ID`, whatever the account, since users have none here.
    fn aws(text: &str) -> Result<Self, PolicyError> {
        let refused = || PolicyError::Principal(text.to_owned());
        if text == "*" {
            return Ok(Self::Everybody);
        }
        let id = match text.strip_prefix("arn:aws:iam::") {
            None => text,
            Some(rest) => match rest.split_once(':').ok_or_else(refused)? {
                (account, "root") => account,
                (_, user) => {
                    let user = user.strip_prefix("user/").ok_or_else(refused)?;
                    user.rsplit('/').next().unwrap_or(user)
                }
            },
        };
        // No id of a user has anything else, and a wildcard within a name is no wildcard in IAM. Nobody
        // is not named either: that would be everybody, by a name that no block of it knows.
        let id = UserId::try_from(id.to_owned()).ok().filter(|id| !id.is_anonymous());
        id.map(|id| Self::User(id.into())).ok_or_else(refused)
    }
}

fn action(text: String) -> Result<String, PolicyError> {
    let own = text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("s3:"));
    if text == "*" || own && text.len() > 3 { Ok(text) } else { Err(PolicyError::Action(text)) }
}

fn resource(text: String, variables: bool) -> Result<Pattern, PolicyError> {
    match text.strip_prefix(RESOURCE).or((text == "*").then_some("*")) {
        Some(rest) if !rest.is_empty() => Ok(Pattern::new(rest, variables)),
        _ => Err(PolicyError::Resource(text)),
    }
}
