//! Files of blocks, written past the store.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Named, Outcome, rows::Rows};

pub(crate) fn truncate(data: &Path, named: &Named) -> Outcome {
    let file = fs::OpenOptions::new().write(true).open(first(data, named)?)?;
    let length = file.metadata()?.len();
    Ok(file.set_len(length / 2)?)
}

pub(crate) fn corrupt(data: &Path, named: &Named) -> Outcome {
    let path = first(data, named)?;
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes.get_mut(middle).map(|byte| *byte = !*byte).ok_or("the block is empty")?;
    Ok(fs::write(path, bytes)?)
}

pub(crate) fn delete(data: &Path, named: &Named) -> Outcome {
    Ok(fs::remove_file(first(data, named)?)?)
}

/// The file of the first block, or segment, that an object names.
fn first(data: &Path, named: &Named) -> Outcome<PathBuf> {
    let manifest = Rows::open(data)?.manifest(named)?;
    let Some((_, block)) = manifest.content.named().next() else {
        return Err(format!("`{}` has no blocks", named.key.as_str()).into());
    };
    let name = block.hash.to_string();
    // What a full sync will name.
    println!("{name}");
    Ok(data.join("blocks").join(&name[..2]).join(&name))
}
