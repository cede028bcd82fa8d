//! From file, environment and flags to a [`Config`], with every problem placed.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, Secret, check};

/// What is wrong with a configuration: a line a problem.
#[derive(Debug, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    /// Each says where, what, and what to do.
    pub problems: Vec<String>,
}

impl ConfigError {
    fn one(problem: String) -> Self {
        Self { problems: vec![problem] }
    }
}

/// Where a key was set, for messages.
pub(super) struct Places<'a> {
    file: &'a Path,
    text: &'a str,
    overrides: Vec<(String, String)>,
}

impl Places<'_> {
    /// `FILE:LINE` of a key, or the name of the variable or flag that set it.
    pub(super) fn of(&self, key: &str) -> String {
        if let Some((_, source)) = self.overrides.iter().rev().find(|(set, _)| set == key) {
            return source.clone();
        }
        format!("{}:{}", self.file.display(), line_of(self.text, key))
    }

    pub(super) fn problem(&self, key: &str, what: &str) -> String {
        format!("{}: key `{key}`: {what}", self.of(key))
    }
}

impl Config {
    /// Loads and checks a configuration. `variables` are the process's; `flags` are pairs of key
    /// and value. Relative paths are taken from the file's directory.
    ///
    /// # Errors
    /// With every problem that was found.
    pub fn load(
        file: &Path,
        variables: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            ConfigError::one(format!(
                "{}: {error}; `towline config example` prints a configuration to start from",
                file.display()
            ))
        })?;
        let mut places = Places { file, text: &text, overrides: Vec::new() };
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text[..at.min(text.len())].lines().count().max(1);
            ConfigError::one(format!("{}:{line}: {}", file.display(), error.message()))
        })?;
        overlay(&mut table, &mut places, variables, flags)?;
        let mut config: Self = serde_path_to_error::deserialize(table).map_err(|error| {
            let key = error.path().to_string();
            ConfigError::one(places.problem(&key, error.inner().message()))
        })?;
        let directory = file.parent().unwrap_or(Path::new(""));
        config.resolve_paths(directory);
        let mut problems = config.read_secret(&places);
        problems.extend(config.read_token(&places));
        problems.extend(check::check(&config, &places));
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }

    fn resolve_paths(&mut self, directory: &Path) {
        let mut paths: Vec<&mut PathBuf> = vec![&mut self.site.data, &mut self.keys.file];
        paths.extend(self.s3.tls_cert.iter_mut().chain(&mut self.s3.tls_key));
        paths.extend(&mut self.s3.root_secret_key_file);
        paths.extend(&mut self.admin.token_file);
        if let Some(link) = &mut self.link {
            paths.extend([&mut link.ca, &mut link.cert, &mut link.key]);
        }
        if let Some(kafka) = &mut self.kafka {
            paths.extend(kafka.ca.iter_mut().chain(&mut kafka.cert).chain(&mut kafka.key));
        }
        for path in paths {
            *path = directory.join(&*path);
        }
    }

    fn read_secret(&mut self, places: &Places<'_>) -> Vec<String> {
        let file = self.s3.root_secret_key_file.clone();
        match (&self.s3.root_secret_key, file) {
            (Some(_), None) => Vec::new(),
            (None, Some(file)) => match std::fs::read_to_string(&file) {
                Ok(secret) => {
                    self.s3.root_secret_key = Some(Secret::new(secret.trim().to_owned()));
                    Vec::new()
                }
                Err(error) => {
                    let what = format!("`{}`: {error}", file.display());
                    vec![places.problem("s3.root_secret_key_file", &what)]
                }
            },
            (Some(_), Some(_)) => {
                let what = "is set beside `s3.root_secret_key_file`; set one of the two";
                vec![places.problem("s3.root_secret_key", what)]
            }
            (None, None) => {
                let what = "is missing; set it or `s3.root_secret_key_file`";
                vec![places.problem("s3.root_secret_key", what)]
            }
        }
    }
}

impl Config {
    /// The token may be left out; the admin API then says so to whoever asks.
    fn read_token(&mut self, places: &Places<'_>) -> Vec<String> {
        // A variable or flag goes over what the file says, in whichever of the two ways.
        let over = |key: &str| places.overrides.iter().any(|(set, _)| set == key);
        let (token, file) = match (over("admin.token"), over("admin.token_file")) {
            (true, false) => (self.admin.token.as_ref(), None),
            (false, true) => (None, self.admin.token_file.as_ref()),
            _ => (self.admin.token.as_ref(), self.admin.token_file.as_ref()),
        };
        let (key, token) = match (token, file) {
            (None, None) => return Vec::new(),
            (Some(_), Some(_)) => {
                let what = "is set beside `admin.token_file`; set one of the two";
                return vec![places.problem("admin.token", what)];
            }
            (Some(token), None) => ("admin.token", token.clone()),
            (None, Some(file)) => match std::fs::read_to_string(file) {
                Ok(token) => ("admin.token_file", Secret::new(token.trim().to_owned())),
                Err(error) => {
                    let what = format!("`{}`: {error}", file.display());
                    return vec![places.problem("admin.token_file", &what)];
                }
            },
        };
        let text = token.expose();
        let fits = text.len() >= TOKEN_MIN && text.bytes().all(|b| b.is_ascii_graphic());
        self.admin.token = Some(token);
        if fits {
            return Vec::new();
        }
        let what = "must have at least 16 visible characters of ASCII; `openssl rand -hex 32` \
                    prints a good one";
        vec![places.problem(key, what)]
    }
}

/// Characters of the admin token: fewer could be guessed.
const TOKEN_MIN: usize = 16;

const PREFIX: &str = "TOWLINE_";
/// Variables with our prefix that are no settings.
const NO_SETTINGS: [&str; 2] = ["TOWLINE_CRASH_AT", "TOWLINE_CONFIG"];

fn overlay(
    table: &mut Table,
    places: &mut Places<'_>,
    variables: impl Iterator<Item = (String, String)>,
    flags: &[(String, String)],
) -> Result<(), ConfigError> {
    let mut settings = Vec::new();
    for (name, value) in variables {
        let key = name.strip_prefix(PREFIX).filter(|key| !key.starts_with("TEST_"));
        let Some(key) = key.filter(|_| !NO_SETTINGS.contains(&name.as_str())) else {
            continue;
        };
        if let Some((section, key)) = key.to_lowercase().split_once('_') {
            settings.push((format!("{section}.{key}"), value, name));
        }
    }
    for (key, value) in flags {
        settings.push((key.clone(), value.clone(), format!("--set {key}")));
    }
    for (key, value, source) in settings {
        let Some((section, name)) = key.split_once('.') else {
            let what = "must be `section.key=value`, as in `--set s3.listen=127.0.0.1:9000`";
            return Err(ConfigError::one(format!("{source}: {what}")));
        };
        let held = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(held) = held else {
            return Err(ConfigError::one(format!("{source}: `{section}` has no single keys")));
        };
        held.insert(name.to_owned(), scalar(&value));
        places.overrides.push((key, source));
    }
    Ok(())
}

/// `true`, `17` and the like as what they are; everything else as text.
fn scalar(text: &str) -> Value {
    #[derive(Deserialize)]
    struct Holder {
        value: Value,
    }
    let parsed = toml::from_str::<Holder>(&format!("value = {text}"));
    match parsed.map(|holder| holder.value) {
        Ok(value @ (Value::Boolean(_) | Value::Integer(_) | Value::Array(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// Line of a key, or of its section's head if the key is not there, or 1.
fn line_of(text: &str, key: &str) -> usize {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let section = section.split('[').next().unwrap_or_default();
    let (mut current, mut fallback) = (String::new(), 1);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            current = line.trim_matches(|c| c == '[' || c == ']').to_owned();
            if current == section || current == key {
                fallback = number + 1;
            }
        }
        let set = line.split('=').next().unwrap_or_default().trim();
        if current == section && set == name && line.contains('=') {
            return number + 1;
        }
    }
    fallback
}
