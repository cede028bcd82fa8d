//! The demo's folder: certificates, and a configuration for each site.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use model::SiteName;

use super::users;
use crate::command::{Failure, demo::DemoArgs};

/// The primary first.
pub(super) const SITES: [&str; 2] = ["east", "west"];

/// Both sites take the same token, so that one is enough to try everything.
pub(super) const TOKEN_FILE: &str = "admin.token";

/// The key that clients of the demo can name.
const NAMED_KEY: &str = "demo-key";

/// The root user's keys.
pub(super) struct Demo {
    pub(super) access_key: String,
    pub(super) secret_key: String,
}

/// Writes what is not there yet. Ports, certificates and keys stay what they were, so that
/// clients find everything again after a restart; what `--kafka` says always counts.
pub(super) fn write(directory: &Path, args: &DemoArgs) -> Result<Demo, Failure> {
    let failed = |error: std::io::Error| {
        Failure::Failed(format!("demo folder `{}`: {error}", directory.display()))
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let names = SITES.map(|name| SiteName::try_from(name.to_owned()));
    let names: Vec<SiteName> =
        names.into_iter().collect::<Result<_, _>>().map_err(|e| Failure::of(&e))?;
    ops::certs::make(directory, &names).map_err(|error| Failure::of(&error))?;
    let keys = ops::certs::make_data_keys(directory, &names, NAMED_KEY);
    keys.map_err(|error| Failure::of(&error))?;
    let secret_file = directory.join("root.secret");
    if !secret_file.exists() {
        let secret: [u8; 20] = rand::Rng::random(&mut rand::rng());
        let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        write_secret(&secret_file, &secret).map_err(failed)?;
    }
    let token_file = directory.join(TOKEN_FILE);
    if !token_file.exists() {
        let token: [u8; 32] = rand::Rng::random(&mut rand::rng());
        let token: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        users::write_private(&token_file, &token)?;
    }
    let ports_file = directory.join("ports");
    let ports: Vec<u16> = match fs::read_to_string(&ports_file) {
        Ok(ports) => ports.split_whitespace().filter_map(|port| port.parse().ok()).collect(),
        Err(_) => free_ports().map_err(failed)?,
    };
    let [e_s3, e_admin, e_link, w_s3, w_admin, w_link] = ports[..] else {
        let what = "does not hold six ports; delete it";
        return Err(Failure::Failed(format!("`{}` {what}", ports_file.display())));
    };
    let text: Vec<String> = ports.iter().map(ToString::to_string).collect();
    fs::write(&ports_file, text.join(" ")).map_err(failed)?;
    let kafka = kafka(args)?;
    let east = site("east", "west", [e_s3, e_admin, e_link], "") + &kafka;
    let origin = format!("\n[[origin]]\nname = \"east\"\nlink = \"127.0.0.1:{e_link}\"\n");
    let west = site("west", "east", [w_s3, w_admin, w_link], &origin) + &kafka;
    for (name, text) in [("east", east), ("west", west)] {
        fs::write(directory.join(format!("{name}.toml")), text).map_err(failed)?;
    }
    let secret_key = fs::read_to_string(&secret_file).map_err(failed)?;
    Ok(Demo { access_key: "root".to_owned(), secret_key })
}

/// For its owner alone from the first byte on.
fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())
}

fn site(name: &str, peer: &str, [s3, admin, link]: [u16; 3], origin: &str) -> String {
    format!(
        "# Site `{name}` of the demo: start it alone with `towline site --config {name}.toml`.\n\
         [site]\nname = \"{name}\"\ndata = \"{name}\"\n\n\
         [s3]\nlisten = \"127.0.0.1:{s3}\"\nroot_access_key = \"root\"\n\
         root_secret_key_file = \"root.secret\"\n\n\
         [admin]\nlisten = \"127.0.0.1:{admin}\"\ntoken_file = \"{TOKEN_FILE}\"\n\n\
         [keys]\nfile = \"class.key\"\nsite_file = \"{name}.site.key\"\nnamed_file = \"named.key\"\n\n\
         [link]\nlisten = \"127.0.0.1:{link}\"\nca = \"ca.pem\"\ncert = \"{name}.pem\"\n\
         key = \"{name}.key\"\nallow = [\"{peer}\"]\n\n\
         [log]\nlevel = \"warn\"\n{origin}"
    )
}

fn kafka(args: &DemoArgs) -> Result<String, Failure> {
    let Some(bootstrap) = &args.kafka else {
        return Ok(String::new());
    };
    let brokers = bootstrap.split(',').count().min(3);
    let in_sync = brokers.saturating_sub(1).max(1);
    let mut text = format!(
        "\n[kafka]\nbootstrap = \"{bootstrap}\"\nreplication = {brokers}\nmin_insync = {in_sync}\n"
    );
    if let Some(tls) = &args.kafka_tls {
        let tls = fs::canonicalize(tls).map_err(|error| {
            Failure::Failed(format!("--kafka-tls `{}`: {error}", tls.display()))
        })?;
        for (key, file) in [("ca", "ca.crt"), ("cert", "client.crt"), ("key", "client.key")] {
            text.push_str(&format!("{key} = \"{}\"\n", tls.join(file).display()));
        }
    }
    Ok(text)
}

/// Ports that nobody listens on; all are held at once, so that they differ.
fn free_ports() -> std::io::Result<Vec<u16>> {
    let hold = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let held = (0..6).map(|_| hold()).collect::<std::io::Result<Vec<_>>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
