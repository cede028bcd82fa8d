//! From file, environment and flags to a [`Config`], with every problem placed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{Table, Value};

use super::{
    Config, check, exposed,
    secrets::{EITHER, TEXTS},
};

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

/// Where a configuration comes from, so that it can be read again.
#[derive(Clone)]
pub struct Source {
    file: PathBuf,
    variables: Vec<(String, String)>,
    flags: Vec<(String, String)>,
}

impl Source {
    /// `variables` are the process's; `flags` are pairs of key and value.
    pub fn new(
        file: &Path,
        variables: impl Iterator<Item = (String, String)>,
        flags: Vec<(String, String)>,
    ) -> Self {
        Self { file: file.to_owned(), variables: variables.collect(), flags }
    }

    /// Loads and checks the configuration. Relative paths are taken from the file's directory.
    ///
    /// # Errors
    /// With every problem that was found.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let file = &self.file;
        let text = std::fs::read_to_string(file).map_err(|error| {
            ConfigError::one(format!(
                "{}: {error}; `towline config example` prints a configuration to start from",
                file.display()
            ))
        })?;
        let mut places = Places { file, text: &text, overrides: Vec::new() };
        // Its message never shows the text that is wrong: that may be a secret.
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text[..at.min(text.len())].lines().count().max(1);
            let what = error.message().replace('\n', ", ");
            ConfigError::one(format!("{}:{line}: {what}", file.display()))
        })?;
        overlay(&mut table, &mut places, &self.variables, &self.flags)?;
        let mut config: Config = serde_path_to_error::deserialize(table).map_err(|error| {
            let key = error.path().to_string();
            ConfigError::one(places.problem(&key, error.inner().message()))
        })?;
        let directory = file.parent().unwrap_or(Path::new(""));
        config.resolve_paths(directory);
        // One setting is enough: a file may hold certificate and key.
        if config.s3.tls_key.is_none() {
            config.s3.tls_key.clone_from(&config.s3.tls_cert);
        }
        let mut problems = config.read_secrets(&places);
        problems.extend(check::check(&config, &places));
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }

    /// Where a key is set now, for messages.
    #[must_use]
    pub fn place(&self, key: &str) -> String {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let mut places = Places { file: &self.file, text: &text, overrides: Vec::new() };
        // A file that cannot be read has no lines to name.
        let mut table = text.parse().unwrap_or_default();
        let _unreadable = overlay(&mut table, &mut places, &self.variables, &self.flags);
        places.of(key)
    }

    /// Files with secrets that others can read, as lines to warn with.
    #[must_use]
    pub fn exposed(&self, config: &Config) -> Vec<String> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let table: Table = text.parse().unwrap_or_default();
        let has = |section: &str, key: &str| table.get(section)?.get(key);
        let root = has("s3", "root_secret_key").map(|_| "s3.root_secret_key");
        let own = root.or(has("admin", "token").map(|_| "admin.token"));
        own.map(|key| (key, self.file.as_path()))
            .into_iter()
            .chain(config.secret_files())
            .filter_map(exposed::problem)
            .collect()
    }
}

impl Config {
    /// Files that hold secrets, with the keys that name them.
    fn secret_files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let link = self.link.as_ref().map(|link| &link.key);
        let kafka = self.kafka.as_ref().and_then(|kafka| kafka.key.as_ref());
        let files = [
            ("s3.root_secret_key_file", self.s3.root_secret_key_file.as_ref()),
            ("admin.token_file", self.admin.token_file.as_ref()),
            ("s3.tls_key", self.s3.tls_key.as_ref()),
            ("keys.file", Some(&self.keys.file)),
            ("keys.site_file", self.keys.site_file.as_ref()),
            ("keys.named_file", self.keys.named_file.as_ref()),
            ("link.key", link),
            ("kafka.key", kafka),
        ];
        files.into_iter().filter_map(|(key, file)| Some((key, file?.as_path())))
    }

    fn resolve_paths(&mut self, directory: &Path) {
        let mut paths: Vec<&mut PathBuf> = vec![&mut self.site.data, &mut self.keys.file];
        paths.extend(self.s3.tls_cert.iter_mut().chain(&mut self.s3.tls_key));
        paths.extend(self.keys.site_file.iter_mut().chain(&mut self.keys.named_file));
        paths.extend(self.s3.root_secret_key_file.iter_mut().chain(&mut self.s3.access_log));
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
}

const PREFIX: &str = "TOWLINE_";
/// Variables with our prefix that are no settings.
const NO_SETTINGS: [&str; 2] = ["TOWLINE_CRASH_AT", "TOWLINE_CONFIG"];

fn overlay(
    table: &mut Table,
    places: &mut Places<'_>,
    variables: &[(String, String)],
    flags: &[(String, String)],
) -> Result<(), ConfigError> {
    let mut settings = Vec::new();
    for (name, value) in variables {
        let key = name.strip_prefix(PREFIX).filter(|key| !key.starts_with("TEST_"));
        let Some(key) = key.filter(|_| !NO_SETTINGS.contains(&name.as_str())) else {
            continue;
        };
        if let Some((section, key)) = key.to_lowercase().split_once('_') {
            settings.push((format!("{section}.{key}"), value, name.clone()));
        }
    }
    for (key, value) in flags {
        settings.push((key.clone(), value, format!("--set {key}")));
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
        held.insert(name.to_owned(), scalar(&key, value));
        for (_, other) in EITHER.iter().filter(|(set, _)| *set == key) {
            let from_file = !places.overrides.iter().any(|(set, _)| set == other);
            if let (true, Some((_, other))) = (from_file, other.split_once('.')) {
                held.remove(other);
            }
        }
        places.overrides.push((key, source));
    }
    Ok(())
}

/// `true`, `17` and the like as what they are; everything else as text, and so is every secret.
fn scalar(key: &str, text: &str) -> Value {
    if TEXTS.contains(&key) {
        return Value::String(text.to_owned());
    }
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

/// Line of a key, or of its section's head if the key is not there, or 1. Of `origin.bucket[1].name`
/// the section is the second `[[origin.bucket]]`.
fn line_of(text: &str, key: &str) -> usize {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let (section, nth) = (without_indices(section), index(section));
    let head = (without_indices(key), index(key));
    let (mut current, mut fallback, mut seen) = (String::new(), 1, BTreeMap::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            current = line.trim_matches(|c| c == '[' || c == ']').to_owned();
            let count = seen.entry(current.clone()).or_insert(0);
            *count += 1;
            if (current == section && *count == nth + 1)
                || (current == head.0 && *count == head.1 + 1)
            {
                fallback = number + 1;
            }
        }
        let set = line.split('=').next().unwrap_or_default().trim();
        let here = current == section && seen.get(&current).is_none_or(|count| *count == nth + 1);
        if here && set == name && line.contains('=') {
            return number + 1;
        }
    }
    fallback
}

/// `origin.bucket` of `origin[0].bucket[1]`.
fn without_indices(path: &str) -> String {
    let name = |part: &str| part.split('[').next().unwrap_or_default().to_owned();
    path.split('.').map(name).collect::<Vec<_>>().join(".")
}

/// 1 of `origin[0].bucket[1]`.
fn index(path: &str) -> usize {
    let last = path.strip_suffix(']').and_then(|path| path.rsplit_once('['));
    last.and_then(|(_, index)| index.parse().ok()).unwrap_or(0)
}
