//! What differs between two configurations, and what of it a running site can take on.

use super::{
    Admin, Config, Fence, FullSync, History, Kafka, KeyFile, Limits, Link, Log, Puller, S3, Site,
    Storage,
};

/// Keys that differ, in order of the file.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Changes {
    /// A running site takes these on.
    pub live: Vec<&'static str>,
    /// These count from the next start on.
    pub restart: Vec<&'static str>,
}

/// Notes the keys of one section that differ. The section is taken apart whole: a key that is
/// new there does not compile until it has its place here.
macro_rules! section {
    ($changes:ident: $Type:ident $name:literal, $old:expr, $new:expr;
     live $($live:ident)*; restart $($restart:ident)*) => {{
        let $Type { $($live: _,)* $($restart: _,)* } = $new;
        $(if $old.$live != $new.$live {
            $changes.live.push(concat!($name, ".", stringify!($live)));
        })*
        $(if $old.$restart != $new.$restart {
            $changes.restart.push(concat!($name, ".", stringify!($restart)));
        })*
    }};
}

/// Compares two configurations. Certificates are compared by their paths only: what is in the
/// files, [`crate::tls::PemFiles`] compares.
#[must_use]
pub fn changes(old: &Config, new: &Config) -> Changes {
    let Config {
        site,
        s3,
        admin,
        keys,
        link,
        origins,
        kafka,
        history,
        fence,
        puller,
        fullsync,
        limits,
        storage,
        log,
    } = new;
    let mut changes = Changes::default();
    section!(changes: Site "site", &old.site, site; live; restart name data partitions);
    section!(changes: S3 "s3", &old.s3, s3;
        live tls_cert tls_key connections_max connections_per_client_max requests_per_second
            requests_burst header_bytes_max log_delivery_interval log_delivery_size;
        restart listen root_access_key root_secret_key root_secret_key_file inline_max block_size
            region domain lifecycle_day access_log tls_in_front);
    section!(changes: Admin "admin", &old.admin, admin; live; restart listen plain_http token
            token_file);
    section!(changes: KeyFile "keys", &old.keys, keys;
        live; restart file site_file named_file);
    match (&old.link, link) {
        (Some(old), Some(new)) => {
            section!(changes: Link "link", old, new; live ca cert key allow; restart listen);
        }
        (None, None) => {}
        _ => changes.restart.push("link"),
    }
    if old.origins != *origins {
        changes.restart.push("origin");
    }
    match (&old.kafka, kafka) {
        (Some(old), Some(new)) => section!(changes: Kafka "kafka", old, new;
            live; restart bootstrap ca cert key replication min_insync linger),
        (None, None) => {}
        _ => changes.restart.push("kafka"),
    }
    section!(changes: History "history", &old.history, history; live; restart window);
    section!(changes: Fence "fence", &old.fence, fence; live; restart max_age max_bytes);
    section!(changes: Puller "puller", &old.puller, puller; live; restart paused parallel);
    section!(changes: FullSync "fullsync", &old.fullsync, fullsync;
        live interval jitter on_connect max_deletes bytes_per_second parallel scrub_interval;
        restart);
    section!(changes: Limits "limits", &old.limits, limits; live; restart parked_max holes_max);
    section!(changes: Storage "storage", &old.storage, storage; live; restart reserve);
    section!(changes: Log "log", &old.log, log; live level; restart format);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::tests::load;

    fn between(replace: &[(&str, &str)]) -> Changes {
        changes(&load(&[], &[], &[]).unwrap(), &load(replace, &[], &[]).unwrap())
    }

    #[test]
    fn what_differs_is_named_by_what_it_takes() {
        assert_eq!(between(&[]).restart, ["site.data", "keys.file"], "another folder");
        let found = between(&[
            ("allow = [\"west\"]", "allow = []"),
            ("level = \"info\"", "level = \"debug\""),
            ("# requests_per_second", "requests_per_second"),
            ("region = \"us-east-1\"", "region = \"eu-west-1\""),
            ("change-me-please", "another secret"),
            ("# max_bytes", "max_bytes"),
            ("interval = \"6h\"", "interval = \"off\""),
            ("max_deletes = \"default\"", "max_deletes = 7"),
        ]);
        let live = ["s3.requests_per_second", "link.ca", "link.cert", "link.key", "link.allow"];
        assert_eq!(found.live[..5], live);
        assert_eq!(found.live[5..], ["fullsync.interval", "fullsync.max_deletes", "log.level"]);
        let restart = ["site.data", "s3.root_secret_key", "s3.region", "keys.file"];
        assert_eq!(found.restart[..4], restart);
        assert_eq!(found.restart[4..], ["fence.max_bytes"]);
    }

    #[test]
    fn a_section_that_comes_or_goes_needs_a_restart() {
        let kafka = between(&[("# [kafka]", "[kafka]"), ("# bootstrap", "bootstrap")]);
        assert!(kafka.restart.contains(&"kafka"), "{kafka:?}");
        let old = load(&[], &[], &[]).unwrap();
        let new = Config { link: None, ..old.clone() };
        assert_eq!(changes(&old, &new), Changes { live: vec![], restart: vec!["link"] });
        assert_eq!(changes(&old, &old), Changes::default());
    }
}
