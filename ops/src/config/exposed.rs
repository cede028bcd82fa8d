//! Files with secrets that more people can read than must.
//!
//! A warning, not a refusal: where secrets are mounted, as in containers, their modes are often
//! not the operator's to set, and a site that would not start, or not take on a new certificate,
//! for it is the greater harm.

use std::{os::unix::fs::MetadataExt, path::Path};

const GROUP: u32 = 0o070;
const OTHERS: u32 = 0o007;

/// What to warn with, if there is something.
pub(super) fn problem((key, path): (&'static str, &Path)) -> Option<String> {
    let file = std::fs::metadata(path).ok()?;
    exposed(file.mode(), file.uid()).then(|| {
        let (path, mode) = (path.display(), file.mode() & 0o777);
        format!(
            "key `{key}`: `{path}` holds a secret and others can read it (mode {mode:03o}); \
             `chmod 600` it"
        )
    })
}

/// A group that reads a file of root is how a service is handed a secret that it cannot change.
fn exposed(mode: u32, owner: u32) -> bool {
    mode & OTHERS != 0 || (mode & GROUP != 0 && owner != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_read_a_secret_or_a_group_what_is_of_root() {
        for (mode, owner, expected) in [
            (0o100_600, 1000, false),
            (0o100_400, 0, false),
            (0o100_640, 0, false),
            (0o100_640, 1000, true),
            (0o100_644, 0, true),
            (0o100_604, 1000, true),
        ] {
            assert_eq!(exposed(mode, owner), expected, "{mode:o} of {owner}");
        }
    }
}
