//! The admin API of a running site, as commands ask it.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use gateway::admin::ErrorBody;
use http::{Method, Request, StatusCode, Uri, header};
use serde::{Serialize, de::DeserializeOwned};
use ureq::Agent;

use crate::command::Failure;

/// For a whole question: the site itself gives up after 30 seconds.
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// For a probe: well below what supervisors wait for one.
const PROBE_MAX: Duration = Duration::from_secs(5);
/// The largest answer is a list of users, about 200 bytes each.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// A line, or as much of a page as a person looks at.
const OPEN_BYTES_MAX: u64 = 1 << 20;

/// Asks one site.
pub(crate) struct Client {
    agent: Agent,
    address: String,
    token: String,
}

impl Client {
    /// A client of the admin listener at `address`: `http://` and host and port.
    pub(crate) fn new(address: &str, token: String) -> Result<Self, Failure> {
        let address = address.trim_end_matches('/');
        if !address.starts_with("http://") {
            let line = format!("--admin {address}: write it like `--admin http://127.0.0.1:9002`");
            return Err(Failure::Usage(line));
        }
        Ok(Self { agent: agent(ANSWER_MAX), address: address.to_owned(), token })
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        parse(&self.ask(Method::GET, path, None)?)
    }

    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        parse(&self.ask(Method::POST, path, Some(json(body)?))?)
    }

    pub(crate) fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        parse(&self.ask(Method::PATCH, path, Some(json(body)?))?)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<(), Failure> {
        self.ask(Method::DELETE, path, None).map(|_| ())
    }

    /// Deletes, and reads what that made of it.
    pub(crate) fn delete_for<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        parse(&self.ask(Method::DELETE, path, None)?)
    }

    /// The text of an answer that went well.
    fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<String, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        let failed = |error: &dyn std::error::Error| no_answer(&self.address, error);
        let answer = match body {
            None => request.body(()).map_err(|e| failed(&e)).map(|r| self.agent.run(r))?,
            Some(body) => {
                let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
                request.map_err(|e| failed(&e)).map(|r| self.agent.run(r))?
            }
        };
        let mut answer = answer.map_err(|error| failed(&error))?;
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| failed(&error))?;
        if answer.status().is_success() {
            return Ok(text);
        }
        Err(Failure::Failed(match serde_json::from_str(&text) {
            Ok(ErrorBody { message, what_to_do: Some(what), .. }) => format!("{message}; {what}"),
            Ok(ErrorBody { message, .. }) => message,
            Err(_) => format!("`{}` answered {}", self.address, answer.status()),
        }))
    }
}

fn json(body: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(body).map_err(|error| Failure::of(&error))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::Failed(format!("the site answered something else: {error}")))
}

/// What an open path of the admin listener says.
pub(crate) fn fetch(url: &Uri) -> Result<(StatusCode, String), Failure> {
    let mut answer = agent(PROBE_MAX).get(url).call().map_err(|error| no_answer(url, &error))?;
    let text = answer.body_mut().with_config().limit(OPEN_BYTES_MAX).read_to_string();
    Ok((answer.status(), text.map_err(|error| no_answer(url, &error))?))
}

fn agent(limit: Duration) -> Agent {
    Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .max_redirects(0)
        // The token is for the site and for nobody on the way to it.
        .proxy(None)
        .build()
        .new_agent()
}

fn no_answer(address: &dyn std::fmt::Display, error: &dyn std::error::Error) -> Failure {
    let why = ops::chain(error);
    Failure::Failed(format!("`{address}` does not answer: {why}; is the site running?"))
}

/// Where a listener on every address is reached from this machine.
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        listen => listen.ip(),
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_is_asked() {
        for address in ["https://127.0.0.1:1", "127.0.0.1:1"] {
            let refused = Client::new(address, String::new()).err().unwrap();
            assert!(matches!(refused, Failure::Usage(line) if line.contains("write it like")));
        }
        assert_eq!(Client::new("http://a:1/", String::new()).ok().unwrap().address, "http://a:1");
    }

    #[test]
    fn a_site_that_is_not_there_is_named() {
        let client = Client::new("http://127.0.0.1:1", "token".to_owned()).ok().unwrap();
        let failure = client.get::<serde_json::Value>("/v1/status").err().unwrap();
        assert!(matches!(failure, Failure::Failed(line) if line.contains("`http://127.0.0.1:1`")));
    }

    #[test]
    fn a_listener_on_every_address_is_asked_over_loopback() {
        for (listen, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
