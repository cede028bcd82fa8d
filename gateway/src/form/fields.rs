//! The fields of a form: everything in front of its file.

use s3s::{S3Result, s3_error};

/// What stands for the file's name in other fields.
const FILENAME: &str = "${filename}";

/// Names in lower case, each with its value, in the order of the form.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Fields as the form has them, and the name of its file, which takes the place of
    /// `${filename}` in all of them but the policy.
    pub(super) fn new(sent: Vec<(String, String)>, filename: Option<&str>) -> Self {
        // Some browsers of old send the path on the client's disk.
        let filename = filename.unwrap_or_default();
        let filename = filename.rsplit(['/', '\\']).next().unwrap_or_default();
        let expand = |(name, value): (String, String)| {
            let name = name.to_ascii_lowercase();
            let expands = name != "policy" && value.contains(FILENAME);
            let value = if expands { value.replace(FILENAME, filename) } else { value };
            (name, value)
        };
        Self(sent.into_iter().map(expand).collect())
    }

    /// Refuses a form that says one thing twice: what its policy was asked about would not be what
    /// is kept. What is ignored may come as often as it likes.
    pub(super) fn each_once(self) -> S3Result<Self> {
        for (place, (name, _)) in self.0.iter().enumerate() {
            let again = self.0[..place].iter().any(|(known, _)| known == name);
            if again && !name.starts_with("x-ignore-") {
                return Err(s3_error!(InvalidArgument, "The form has the field `{name}` twice"));
            }
        }
        Ok(self)
    }

    /// The field of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The field of this name, if it says anything.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The key that the file is to have.
    pub(super) fn key(&self) -> S3Result<String> {
        self.required("key").map(str::to_owned)
    }

    pub(super) fn required(&self, name: &str) -> S3Result<&str> {
        self.get(name).ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "Bucket POST must contain a field named '{name}'.  If it is specified, please \
                 check the order of the fields."
            )
        })
    }
}
