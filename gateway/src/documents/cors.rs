//! Cross-origin resource sharing: which web pages may read a bucket's answers.

use model::attribute;
use s3s::{
    S3Result,
    dto::{CORSConfiguration, CORSRule},
    s3_error,
};
use serde::{Deserialize, Serialize};

use super::{Document, fits, json_document};

/// Rules of one bucket; the limit of S3.
const RULES_MAX: usize = 100;
/// Characters of a rule's id; the limit of S3.
const ID_MAX: usize = 255;
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

/// The rules of a bucket: the first that fits a request counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Cors(Vec<Rule>);

json_document!(Cors, attribute::CORS);

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    origins: Vec<String>,
    pub(crate) methods: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) exposed: Vec<String>,
    /// Seconds that a browser may remember the answer to a preflight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<i32>,
}

/// What a page asks for.
pub(crate) struct Asked<'a> {
    pub(crate) origin: &'a str,
    pub(crate) method: &'a str,
    /// Names of headers, with commas between them.
    pub(crate) headers: Option<&'a str>,
}

impl Cors {
    /// Checks what a client sends.
    pub(crate) fn from_configuration(configuration: CORSConfiguration) -> S3Result<Self> {
        let rules = configuration.cors_rules;
        if !(1..=RULES_MAX).contains(&rules.len()) {
            return Err(s3_error!(MalformedXML, "A CORS configuration has 1 to {RULES_MAX} rules"));
        }
        let cors = Self(rules.into_iter().map(Rule::new).collect::<S3Result<_>>()?);
        if !fits(&cors.to_bytes()) {
            return Err(s3_error!(InvalidRequest, "The CORS configuration is too large"));
        }
        Ok(cors)
    }

    pub(crate) fn to_rules(&self) -> Vec<CORSRule> {
        let shown = |rule: &Rule| CORSRule {
            id: rule.id.clone(),
            allowed_origins: rule.origins.clone(),
            allowed_methods: rule.methods.clone(),
            allowed_headers: (!rule.headers.is_empty()).then(|| rule.headers.clone()),
            expose_headers: (!rule.exposed.is_empty()).then(|| rule.exposed.clone()),
            max_age_seconds: rule.max_age,
        };
        self.0.iter().map(shown).collect()
    }

    /// The rule that lets a request be read, and the origin that the answer names.
    pub(crate) fn allows<'a>(&'a self, asked: &'a Asked<'_>) -> Option<(&'a Rule, &'a str)> {
        self.0.iter().find_map(|rule| Some((rule, rule.allows(asked)?)))
    }
}

impl Rule {
    fn new(rule: CORSRule) -> S3Result<Self> {
        let (methods, origins) = (rule.allowed_methods, rule.allowed_origins);
        if methods.is_empty() || origins.is_empty() {
            return Err(s3_error!(MalformedXML, "A CORS rule names origins and methods"));
        }
        if let Some(method) = methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return Err(s3_error!(InvalidRequest, "A CORS rule cannot allow method `{method}`"));
        }
        if rule.id.as_ref().is_some_and(|id| id.chars().count() > ID_MAX) {
            return Err(s3_error!(InvalidRequest, "ID length should not exceed {ID_MAX}"));
        }
        let headers = rule.allowed_headers.unwrap_or_default();
        let wild = |text: &&String| text.matches('*').count() > 1;
        if let Some(pattern) = origins.iter().chain(&headers).find(wild) {
            return Err(s3_error!(InvalidRequest, "`{pattern}` has more than one wildcard"));
        }
        let exposed = rule.expose_headers.unwrap_or_default();
        if exposed.iter().any(|name| name.contains('*')) {
            return Err(s3_error!(InvalidRequest, "An exposed header cannot have a wildcard"));
        }
        Ok(Self { id: rule.id, origins, methods, headers, exposed, max_age: rule.max_age_seconds })
    }

    fn allows<'a>(&'a self, asked: &'a Asked<'_>) -> Option<&'a str> {
        let origin = self.origins.iter().find(|pattern| matches(pattern, asked.origin))?;
        let method = self.methods.iter().any(|method| method == asked.method);
        let mut headers = asked.headers.unwrap_or_default().split(',').map(str::trim);
        let header = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.is_empty()
                || self.headers.iter().any(|known| matches(&known.to_ascii_lowercase(), &name))
        };
        let fits = method && headers.all(header);
        fits.then(|| if origin == "*" { "*" } else { asked.origin })
    }
}

/// Whether a text fits a pattern with at most one `*`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, behind)) => {
            text.strip_prefix(before).is_some_and(|rest| rest.ends_with(behind))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};
    use s3s::S3ErrorCode;

    use super::*;

    const PIECES: [&str; 16] = [
        "<AllowedOrigin>*</AllowedOrigin>",
        "<AllowedOrigin>a*a</AllowedOrigin>",
        "<AllowedOrigin></AllowedOrigin>",
        "<AllowedMethod>GET</AllowedMethod>",
        "<AllowedMethod>PUT</AllowedMethod>",
        "<AllowedMethod>get</AllowedMethod>",
        "<AllowedHeader>*</AllowedHeader>",
        "<AllowedHeader>é*</AllowedHeader>",
        "<ExposeHeader>a\nb</ExposeHeader>",
        "<MaxAgeSeconds>-1</MaxAgeSeconds>",
        "<MaxAgeSeconds>99999999999</MaxAgeSeconds>",
        "<ID>&#x0;</ID>",
        "<ID>&else;</ID>",
        "</CORSRule><CORSRule>",
        "<CORSRule>",
        "<![CDATA[<",
    ];

    fn rule(origins: &[&str], methods: &[&str]) -> CORSRule {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        CORSRule {
            allowed_origins: owned(origins),
            allowed_methods: owned(methods),
            ..CORSRule::default()
        }
    }

    fn cors(rules: Vec<CORSRule>) -> S3Result<Cors> {
        Cors::from_configuration(CORSConfiguration { cors_rules: rules })
    }

    fn origin(cors: &Cors, origin: &str, method: &str, headers: Option<&str>) -> Option<String> {
        let asked = Asked { origin, method, headers };
        cors.allows(&asked).map(|(_, origin)| origin.to_owned())
    }

    #[test]
    fn rules_come_back_as_they_were_set() {
        let mut full = rule(&["https://*.example.com"], &["GET", "PUT"]);
        full.id = Some("one".to_owned());
        full.allowed_headers = Some(vec!["x-amz-*".to_owned()]);
        full.expose_headers = Some(vec!["ETag".to_owned()]);
        full.max_age_seconds = Some(3_000);
        let rules = vec![full, rule(&["*"], &["HEAD"])];
        let set = cors(rules.clone()).unwrap();
        assert_eq!(set.to_rules(), rules);
        assert_eq!(Cors::from_bytes(&set.to_bytes()), Some(set));
    }

    #[test]
    fn the_first_rule_that_fits_origin_method_and_headers_counts() {
        let mut headers = rule(&["https://app"], &["PUT"]);
        headers.allowed_headers = Some(vec!["X-Amz-*".to_owned(), "content-type".to_owned()]);
        let rules =
            vec![rule(&["start*end", "*.suffix"], &["GET"]), headers, rule(&["*"], &["HEAD"])];
        let cors = cors(rules).unwrap();
        for fits in ["startend", "start1end", "foo.suffix"] {
            assert_eq!(origin(&cors, fits, "GET", None).as_deref(), Some(fits));
        }
        for other in ["0startend", "foo.suffix.com", "https://app", "starend"] {
            assert_eq!(origin(&cors, other, "GET", None), None, "{other}");
        }
        assert_eq!(origin(&cors, "anybody", "HEAD", None).as_deref(), Some("*"));
        let put = |headers| origin(&cors, "https://app", "PUT", headers).is_some();
        assert!(put(None) && put(Some("Content-Type, x-amz-date")) && put(Some("")));
        assert!(!put(Some("content-type, authorization")));
        assert_eq!(origin(&cors, "startend", "GET", Some("x-amz-date")), None, "none are allowed");
    }

    #[test]
    fn a_pattern_does_not_count_a_character_twice() {
        assert!(matches("aba*ba", "ababa") && !matches("aba*ba", "aba"));
        assert!(matches("*", "") && matches("a", "a") && !matches("a", "ab"));
    }

    #[test]
    fn what_s3_does_not_allow_is_refused() {
        let code = |rules| cors(rules).err().map(|error| error.code().clone());
        assert_eq!(code(Vec::new()), Some(S3ErrorCode::MalformedXML));
        assert_eq!(
            code(vec![rule(&["*"], &["GET"]); RULES_MAX + 1]),
            Some(S3ErrorCode::MalformedXML)
        );
        assert_eq!(code(vec![rule(&[], &["GET"])]), Some(S3ErrorCode::MalformedXML));
        let mut exposed = rule(&["*"], &["GET"]);
        exposed.expose_headers = Some(vec!["x-*".to_owned()]);
        let mut named = rule(&["*"], &["GET"]);
        named.id = Some("i".repeat(ID_MAX + 1));
        let long = "x".repeat(2_000);
        let large = vec![rule(&[&long], &["GET"]); RULES_MAX];
        let (method, origin) = (rule(&["*"], &["PATCH"]), rule(&["*.*"], &["GET"]));
        for bad in [vec![method], vec![origin], vec![exposed], vec![named], large] {
            assert_eq!(code(bad), Some(S3ErrorCode::InvalidRequest));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _unknown = Cors::from_bytes(&bytes.into());
        }

        /// Neither XML that a client could send, nor a request that is then judged by it.
        #[test]
        fn no_configuration_makes_it_panic(
            pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12),
            asked in ("[a*:/é]{0,8}", "GET|PUT|[A-Z]{0,3}", prop::option::of("[a-z, *é]{0,12}")),
        ) {
            let xml = format!("<CORSConfiguration><CORSRule>{}", pieces.concat());
            for xml in [format!("{xml}</CORSRule></CORSConfiguration>"), xml] {
                let mut reader = s3s::xml::Deserializer::new(xml.as_bytes());
                let read = s3s::xml::Deserialize::deserialize(&mut reader);
                let Ok::<CORSConfiguration, _>(read) = read else { continue };
                let Ok(cors) = Cors::from_configuration(read) else { continue };
                let (origin, method, headers) = &asked;
                let asked = Asked { origin, method, headers: headers.as_deref() };
                let _allowed = cors.allows(&asked);
                assert_eq!(cors.to_rules().len(), cors.0.len());
                assert_eq!(Cors::from_bytes(&cors.to_bytes()), Some(cors));
            }
        }
    }
}
