use std::fs;

use crate::{
    Config, ConfigError,
    config::{EXAMPLE, Source},
};

/// Loads a configuration made from the example by replacing text, with overrides.
pub(in crate::config) fn load(
    replace: &[(&str, &str)],
    variables: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    for name in ["ca.pem", "east.pem", "east.key", "class.key"] {
        fs::write(directory.path().join(name), "x").unwrap();
    }
    let mut text = EXAMPLE.to_owned();
    for (from, to) in replace {
        assert!(text.contains(from), "`{from}` is in the example");
        text = text.replace(from, to);
    }
    let file = directory.path().join("site.toml");
    fs::write(&file, text).unwrap();
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    Source::new(&file, pairs(variables).into_iter(), pairs(flags)).load()
}

fn problem(replace: &[(&str, &str)]) -> String {
    let error = load(replace, &[], &[]).unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
    error.to_string()
}

#[test]
fn the_example_is_a_configuration() {
    let config = load(&[], &[], &[]).unwrap();
    assert_eq!(config.site.name.as_str(), "east");
    assert!(config.site.data.is_absolute(), "paths are taken from the file's directory");
    assert_eq!(format!("{:?}", config.s3.root_secret_key()), "***");
}

#[test]
fn variables_go_over_the_file_and_flags_over_variables() {
    let variables = [("TOWLINE_PULLER_PARALLEL", "3"), ("TOWLINE_S3_REGION", "eu-west-1")];
    let flags = [("puller.parallel", "4"), ("puller.paused", "true")];
    let config = load(&[], &variables, &flags).unwrap();
    assert_eq!((config.puller.parallel, config.puller.paused), (4, true));
    assert_eq!(config.s3.region, "eu-west-1");

    let error = load(&[], &[("TOWLINE_S3_BLOCK_SIZE", "twelve")], &[]).unwrap_err().to_string();
    assert!(error.starts_with("TOWLINE_S3_BLOCK_SIZE: key `s3.block_size`: `twelve` is no size"));
    let error = load(&[], &[], &[("lonely", "1")]).unwrap_err().to_string();
    assert!(error.contains("--set lonely: must be `section.key=value`"), "{error}");
}

#[test]
fn each_kind_of_mistake_is_one_line_with_its_place() {
    let line = 1 + EXAMPLE.lines().position(|line| line.starts_with("region")).unwrap();
    let unknown = problem(&[("region =", "reggion =")]);
    assert!(unknown.contains("unknown field `reggion`"), "{unknown}");
    let wrong = problem(&[("region = \"us-east-1\"", "region = 5")]);
    assert!(wrong.contains(&format!("site.toml:{line}: key `s3.region`")), "{wrong}");
    let name = problem(&[("name = \"east\"", "name = \"East!\"")]);
    assert!(name.contains("site name `East!` must be"), "{name}");
    let missing = problem(&[("root_access_key =", "# root_access_key =")]);
    assert!(missing.contains("missing field `root_access_key`"), "{missing}");
    let syntax = problem(&[("[s3]", "[s3")]);
    assert!(syntax.contains("site.toml:"), "{syntax}");
    let size = problem(&[("block_size = \"1MiB\"", "block_size = \"1GiB\"")]);
    assert!(size.contains("must be from 64KiB to 8MiB"), "{size}");
    let file = problem(&[("\"class.key\"", "\"other.key\"")]);
    assert!(file.contains("other.key`: No such file") && file.contains("towline certs"), "{file}");
    for name in ["site_file", "named_file"] {
        let file = problem(&[(format!("# {name}").as_str(), name)]);
        let says = format!("key `keys.{name}`: `");
        assert!(file.contains(&says) && file.contains("No such file"), "{file}");
    }
}

#[test]
fn a_domain_is_a_name_without_a_port() {
    let set = |domain: &str| load(&[], &[], &[("s3.domain", domain)]);
    assert_eq!(set("s3.example.com").unwrap().s3.domain.as_deref(), Some("s3.example.com"));
    for wrong in ["", "S3.example.com", "s3.example.com:9000", ".example.com", "s3..com"] {
        let error = set(wrong).unwrap_err().to_string();
        assert!(error.contains("`s3.domain`: must be a name in lower case"), "{wrong}: {error}");
    }
}

#[test]
fn the_access_log_has_a_folder_and_deliveries_a_pace() {
    let log = [("# access_log = \"access.log\"", "access_log = \"access.log\"")];
    let config = load(&log, &[], &[]).unwrap();
    assert!(config.s3.access_log.is_some_and(|path| path.is_absolute()));
    assert_eq!(config.s3.log_delivery_interval, std::time::Duration::from_mins(5));
    assert_eq!(load(&[], &[], &[]).unwrap().s3.access_log, None, "off by itself");
    for (key, value, expected) in [
        ("s3.access_log", "none/access.log", "none/access.log`: there is no such folder"),
        ("s3.log_delivery_interval", "10ms", "must be from 100ms to 1d"),
        ("s3.log_delivery_interval", "2d", "must be from 100ms to 1d"),
        ("s3.log_delivery_size", "1B", "must be from 1KiB to 16MiB"),
        ("s3.log_delivery_size", "1GiB", "must be from 1KiB to 16MiB"),
    ] {
        let error = load(&[], &[], &[(key, value)]).unwrap_err().to_string();
        assert!(error.contains(&format!("key `{key}`: ")) && error.contains(expected), "{error}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let replace = [("block_size = \"1MiB\"", "block_size = \"1GiB\""), ("\"class.key\"", "\"x\"")];
    assert_eq!(load(&replace, &[], &[]).unwrap_err().problems.len(), 2);
}

#[test]
fn the_secret_is_set_once() {
    let both = [("root_secret_key =", "root_secret_key_file = \"class.key\"\nroot_secret_key =")];
    assert!(problem(&both).contains("set one of the two"));
    let none = [("root_secret_key =", "# root_secret_key =")];
    assert!(problem(&none).contains("is missing"));
    let file = [("root_secret_key =", "root_secret_key_file = \"class.key\"\n#")];
    assert_eq!(load(&file, &[], &[]).unwrap().s3.root_secret_key().expose(), "x");
    let empty = [("root_secret_key = \"change-me-please\"", "root_secret_key = \"\"")];
    assert!(problem(&empty).contains("`s3.root_secret_key`: is empty"));
}

#[test]
fn a_variable_replaces_the_secret_whichever_way_the_file_sets_it() {
    let file = [("root_secret_key =", "root_secret_key_file = \"class.key\"\n#")];
    for replace in [&file[..], &[]] {
        // Whatever it looks like, it is a text.
        for secret in ["of the environment", "17", "true", "[1]", "\"quoted\""] {
            let config = load(replace, &[("TOWLINE_S3_ROOT_SECRET_KEY", secret)], &[]).unwrap();
            assert_eq!(config.s3.root_secret_key().expose(), secret);
        }
    }
    let by_file = load(&[], &[("TOWLINE_S3_ROOT_SECRET_KEY_FILE", "class.key")], &[]).unwrap();
    assert_eq!(by_file.s3.root_secret_key().expose(), "x");
    let flags = [("s3.root_secret_key", "a"), ("s3.root_secret_key_file", "class.key")];
    assert!(load(&[], &[], &flags).unwrap_err().to_string().contains("set one of the two"));
}

#[test]
fn no_message_shows_a_secret() {
    let set = "root_secret_key = \"change-me-please\"";
    for wrong in [
        "root_secret_key = 17171717",
        "root_secret_key = 1717.1717",
        "root_secret_key = [\"17171717\"]",
        "root_secret_key = { value = \"17171717\" }",
        "root_secret_key = 1717-17-17T17:17:17",
        "root_secret_key = a17171717",
        "root_secret_key = \"17171717",
        "root_secret_key = '17171717\"",
        "root_secret_key = \"17171717\\q\"",
        "root_secret_key \"17171717\"",
        "root_secret_key = \"17171717\" 17171717",
        "root_secret_key = \"17171717\"\nroot_secret_key = \"17171717\"",
        "root_secret_keyy = \"17171717\"",
        "root_secret_key = \"17171717\"\nroot_secret_key_file = \"class.key\"",
    ] {
        let error = load(&[(set, wrong)], &[], &[]).unwrap_err();
        assert_eq!(error.to_string().lines().count(), 1, "{wrong}: {error}");
        let shown = format!("{error}\n{error:?}");
        assert!(!shown.contains("1717"), "{wrong}: {shown}");
        assert!(shown.contains("site.toml:"), "{wrong}: {shown}");
    }
    let typed = problem(&[(set, "root_secret_key = 17")]);
    assert!(typed.ends_with("key `s3.root_secret_key`: must be a text in quotes"), "{typed}");
    let variables = [("TOWLINE_S3_ROOT_SECRET_KEY", "17171717"), ("TOWLINE_S3_REGION", "5")];
    let error = load(&[], &variables, &[]).unwrap_err();
    assert!(!format!("{error:?}").contains("1717"), "{error}");
    let config = load(&[], &variables[..1], &[]).unwrap();
    assert!(!format!("{config:?} {config:#?}").contains("1717"));
}

#[test]
fn files_with_secrets_that_others_can_read_are_told_of() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for name in ["ca.pem", "east.pem", "east.key", "class.key"] {
        fs::write(path(name), "x").unwrap();
    }
    fs::write(path("site.toml"), EXAMPLE).unwrap();
    let mode = |name: &str, mode| {
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for name in ["east.key", "class.key", "site.toml"] {
        mode(name, 0o600);
    }
    let source = Source::new(&path("site.toml"), std::iter::empty(), Vec::new());
    let config = source.load().unwrap();
    assert_eq!(source.exposed(&config), Vec::<String>::new());
    mode("east.key", 0o644);
    mode("site.toml", 0o604);
    let told = source.exposed(&config);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("`s3.root_secret_key`") && told[0].contains("site.toml"));
    assert!(told[1].contains("`link.key`") && told[1].contains("chmod"), "{told:?}");
}

#[test]
fn limits_that_do_not_fit_are_told() {
    let small = problem(&[("header_bytes_max = \"32KiB\"", "header_bytes_max = \"1KiB\"")]);
    assert!(small.contains("`s3.header_bytes_max`: must be from 8KiB to 256KiB"), "{small}");
    let long = problem(&[("lifecycle_day = \"24h\"", "lifecycle_day = \"25h\"")]);
    assert!(long.contains("`s3.lifecycle_day`: must be from 1s to 24h"), "{long}");
    let lonely = problem(&[("# requests_burst", "requests_burst")]);
    assert!(lonely.contains("`s3.requests_burst`: needs `s3.requests_per_second`"), "{lonely}");
    let share = |config: Config| config.s3.connections_per_client_max().get();
    assert_eq!(share(load(&[], &[], &[]).unwrap()), 512, "by itself, half of all");
    let one = load(&[], &[], &[("s3.connections_max", "1")]).unwrap();
    assert_eq!(share(one), 1, "but never none");
    let more = load(&[], &[], &[("s3.connections_per_client_max", "2000")]).unwrap();
    assert_eq!(share(more), 2_000);
    let zero = problem(&[("connections_max = 1024", "connections_max = 0")]);
    assert!(zero.contains("`s3.connections_max`"), "{zero}");
}

#[test]
fn the_admin_token_is_set_once_or_not_at_all_and_is_long_enough() {
    assert!(load(&[], &[], &[]).unwrap().admin.token().is_none());
    let line = "# token_file = \"admin.token\"";
    let token = "0123456789abcdef";
    let inline = format!("token = \"{token}\"");
    let config = load(&[(line, &inline)], &[], &[]).unwrap();
    assert_eq!(config.admin.token().unwrap().expose(), token);
    assert!(!format!("{config:?}").contains(token));
    let variable = load(&[], &[("TOWLINE_ADMIN_TOKEN", "from-the-environment")], &[]).unwrap();
    assert_eq!(variable.admin.token().unwrap().expose(), "from-the-environment");
    let over = [("TOWLINE_ADMIN_TOKEN", "from-the-environment")];
    let over = load(&[(line, "token_file = \"no-such.token\"")], &over, &[]).unwrap();
    assert_eq!(over.admin.token().unwrap().expose(), "from-the-environment");
    let both = problem(&[(line, &format!("token_file = \"class.key\"\n{inline}"))]);
    assert!(both.contains("key `admin.token`: is set beside `admin.token_file`"), "{both}");
    let short = problem(&[(line, "token_file = \"class.key\"")]);
    assert!(short.contains("key `admin.token_file`: must have at least 16"), "{short}");
    let missing = problem(&[(line, "token_file = \"no-such.token\"")]);
    assert!(missing.contains("no-such.token`: No such file"), "{missing}");
}

#[test]
fn a_token_does_not_travel_in_the_clear_unless_that_is_said() {
    let token = ("# token_file = \"admin.token\"", "token = \"0123456789abcdef\"");
    let anywhere = ("listen = \"127.0.0.1:9002\"", "listen = \"0.0.0.0:9002\"");
    let told = problem(&[token, anywhere]);
    assert!(told.contains("key `admin.listen`: `0.0.0.0:9002` is not of this machine"), "{told}");
    assert!(told.contains("`admin.plain_http = true`"), "{told}");
    assert!(load(&[token], &[], &[]).is_ok());
    assert!(load(&[anywhere], &[], &[]).is_ok(), "metrics and health are for everybody");
    let loopback = ("listen = \"127.0.0.1:9002\"", "listen = \"[::1]:9002\"");
    assert!(load(&[token, loopback], &[], &[]).is_ok());
    assert!(load(&[token, anywhere], &[("TOWLINE_ADMIN_PLAIN_HTTP", "true")], &[]).is_ok());
}

#[test]
fn a_file_that_is_not_there_says_how_to_get_one() {
    let nowhere = std::path::Path::new("/nonexistent/site.toml");
    let error = Source::new(nowhere, std::iter::empty(), Vec::new()).load().unwrap_err();
    assert!(error.to_string().contains("towline config example"));
}

/// The example as a secondary, with this behind `[[origin]]`.
fn secondary(more: &str) -> Result<Config, ConfigError> {
    let origin = "# [[origin]]\n# name = \"east\"\n";
    let text = format!("[[origin]]\nname = \"north\"\nlink = \"127.0.0.1:9001\"\n{more}\n");
    load(&[(origin, &text)], &[], &[])
}

#[test]
fn full_sync_runs_every_six_hours_and_can_be_switched_off() {
    let config = load(&[], &[], &[]).unwrap();
    assert_eq!(config.fullsync, crate::config::FullSync::default(), "the example says what is so");
    for off in ["off", "0s"] {
        let config = load(&[], &[("TOWLINE_FULLSYNC_INTERVAL", off)], &[]).unwrap();
        assert_eq!(config.fullsync.interval, None);
    }
    let ceiling = |value: &str| {
        load(&[], &[("TOWLINE_FULLSYNC_MAX_DELETES", value)], &[]).map(|c| c.fullsync.max_deletes)
    };
    assert_eq!(ceiling("12").unwrap(), crate::config::MaxDeletes::Count(12));
    assert_eq!(ceiling("7%").unwrap(), crate::config::MaxDeletes::Percent(7));
    let wrong = ceiling("many").unwrap_err().to_string();
    assert!(wrong.contains("`fullsync.max_deletes`: `many` is no ceiling on deletes"), "{wrong}");
    let wrong = ceiling("-1").unwrap_err().to_string();
    assert!(wrong.contains("`-1` is no ceiling on deletes"), "{wrong}");
    let wrong = ceiling("true").unwrap_err().to_string();
    assert!(wrong.contains("a number, or a text like"), "{wrong}");
}

#[test]
fn a_full_sync_that_could_not_be_is_told() {
    for (from, to, says) in [
        ("interval = \"6h\"", "interval = \"often\"", "`often` is no interval"),
        ("jitter = \"10m\"", "jitter = \"7h\"", "`fullsync.jitter`: must be at most"),
        ("# bytes_per_second = \"16MiB\"", "bytes_per_second = \"0B\"", "more than nothing"),
        ("parallel = 8\n# From", "parallel = 0\n# From", "must be from 1 to 64"),
        ("on_connect = false", "on_connect = 1", "key `fullsync.on_connect`"),
        ("scrub_interval = \"30d\"", "scrub = \"30d\"", "unknown field `scrub`"),
    ] {
        let told = problem(&[(from, to)]);
        assert!(told.contains(says) && told.contains("site.toml:"), "{told}");
    }
}

#[test]
fn a_bucket_comes_by_real_time_or_full_sync_or_both() {
    let buckets = "[[origin.bucket]]\nname = \"cold\"\nrealtime = false\n\
                   [[origin.bucket]]\nname = \"hot\"\nfullsync = false\n\
                   [[origin.bucket]]\nname = \"both\"\n";
    let config = secondary(buckets).unwrap();
    let origin = &config.origins[0];
    assert!(origin.realtime && origin.fullsync);
    let names = |set: std::collections::BTreeSet<model::BucketName>| {
        set.into_iter().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(names(origin.without_realtime()), ["cold"]);
    assert_eq!(names(origin.without_fullsync()), ["hot"]);
}

#[test]
fn what_would_never_come_is_told_with_its_place() {
    let second = |key: &str| {
        format!("[[origin.bucket]]\nname = \"one\"\n[[origin.bucket]]\nname = \"two\"\n{key}")
    };
    for (more, says) in [
        ("realtime = false\nfullsync = false".to_owned(), "`origin.realtime`: nothing would come"),
        (
            second("realtime = false\nfullsync = false"),
            "`origin.bucket[1].name`: its objects would",
        ),
        (second("nonsense = 1"), "unknown field `nonsense`"),
        (second("realtime = \"yes\""), "`origin[0].bucket[1].realtime`"),
        (format!("realtime = false\n{}", second("realtime = true")), "`origin.realtime` is off"),
        (format!("fullsync = false\n{}", second("fullsync = true")), "`origin.fullsync` is off"),
        ("[[origin.bucket]]\nname = \"one\"\n".repeat(2), "`origin.bucket[1].name`: is given more"),
        ("[[origin.bucket]]\nname = \"No Bucket\"".to_owned(), "`No Bucket`"),
    ] {
        let error = secondary(&more).unwrap_err();
        assert_eq!(error.problems.len(), 1, "{error}");
        assert!(error.to_string().contains(says), "{says} in {error}");
    }
    let text = EXAMPLE.lines().position(|line| line == "# [[origin]]").unwrap();
    let error = secondary(&second("realtime = 1")).unwrap_err().to_string();
    // Behind the head of the origin and its two keys, the first bucket, and the head of the second.
    assert!(error.contains(&format!("site.toml:{}: ", text + 8)), "{error}");
}
