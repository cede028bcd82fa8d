//! Secrets that stand in the configuration itself or in a file that it names.

use std::path::PathBuf;

use super::{Config, Secret, load::Places};

/// What can be set in two ways, of which a variable or flag replaces the other.
pub(super) const EITHER: [(&str, &str); 4] = [
    ("s3.root_secret_key", "s3.root_secret_key_file"),
    ("s3.root_secret_key_file", "s3.root_secret_key"),
    ("admin.token", "admin.token_file"),
    ("admin.token_file", "admin.token"),
];

/// Whatever these look like, they are text.
pub(super) const TEXTS: [&str; 3] = ["s3.root_secret_key", "s3.root_access_key", "admin.token"];

/// Characters of the admin token: fewer could be guessed.
const TOKEN_MIN: usize = 16;

impl Config {
    /// Reads the secrets that stand in files; returns what is wrong with any of them.
    pub(super) fn read_secrets(&mut self, places: &Places<'_>) -> Vec<String> {
        let (s3, admin) = (&mut self.s3, &mut self.admin);
        let root = ("s3.root_secret_key", "s3.root_secret_key_file");
        let root_file = s3.root_secret_key_file.as_ref();
        let mut problems = read(places, root, &mut s3.root_secret_key, root_file);
        if problems.is_empty() && s3.root_secret_key.is_none() {
            let what = "is missing; set it or `s3.root_secret_key_file`";
            problems.push(places.problem(root.0, what));
        }
        let token = ("admin.token", "admin.token_file");
        problems.extend(read(places, token, &mut admin.token, admin.token_file.as_ref()));
        if admin.token.as_ref().is_some_and(|token| !fits(token.expose())) {
            let what = "must have at least 16 visible characters of ASCII; `openssl rand -hex 32` \
                        prints a good one";
            let key = if admin.token_file.is_some() { token.1 } else { token.0 };
            problems.push(places.problem(key, what));
        }
        problems
    }
}

fn read(
    places: &Places<'_>,
    (key, file_key): (&str, &str),
    secret: &mut Option<Secret>,
    file: Option<&PathBuf>,
) -> Vec<String> {
    let Some(file) = file else { return Vec::new() };
    if secret.is_some() {
        let what = format!("is set beside `{file_key}`; set one of the two");
        return vec![places.problem(key, &what)];
    }
    match std::fs::read_to_string(file) {
        Ok(text) => {
            *secret = Some(Secret::new(text.trim().to_owned()));
            Vec::new()
        }
        Err(error) => {
            let what = format!("`{}`: {error}", file.display());
            vec![places.problem(file_key, &what)]
        }
    }
}

fn fits(token: &str) -> bool {
    token.len() >= TOKEN_MIN && token.bytes().all(|byte| byte.is_ascii_graphic())
}
