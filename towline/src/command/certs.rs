//! `towline certs`.

use std::path::PathBuf;

use model::SiteName;

use super::Failure;

/// Make a CA, a certificate for each site, and a class key; what is there already stays.
#[derive(clap::Args)]
#[command(after_help = "Example: towline certs --dir certs east west")]
pub(crate) struct CertsArgs {
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = "certs")]
    dir: PathBuf,
    /// Make keys for what clients encrypt as well: SITE.site.key (`keys.site_file`) for each site, and
    /// named.key (`keys.named_file`).
    #[arg(long)]
    data_keys: bool,
    /// Names of the sites.
    #[arg(required = true, value_name = "SITE")]
    sites: Vec<String>,
}

pub(super) fn run(args: &CertsArgs) -> Result<(), Failure> {
    let names = args.sites.iter().cloned().map(SiteName::try_from).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|error| Failure::Usage(error.to_string()))?;
    let mut made = ops::certs::make(&args.dir, &names).map_err(|error| Failure::of(&error))?;
    if args.data_keys {
        let keys = ops::certs::make_data_keys(&args.dir, &names, "default");
        made.extend(keys.map_err(|error| Failure::of(&error))?);
    }
    if made.is_empty() {
        println!("{}: everything is there already", args.dir.display());
    }
    for name in made {
        println!("{}", args.dir.join(name).display());
    }
    Ok(())
}
