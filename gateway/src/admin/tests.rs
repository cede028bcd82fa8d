use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use model::{Millis, SiteId, SiteName};
use serde_json::{Value, json};
use store::Refusal;
use utoipa::OpenApi;

use super::*;
use crate::tests::site::{Site as Fixture, ask};

const TOKEN: &str = "a-token-for-tests";

struct NoRoles;

impl StatusSource for NoRoles {
    fn observe(&self) -> Observed {
        Observed::default()
    }

    fn silent(&self, _: SiteId) -> Duration {
        Duration::from_secs(600)
    }
}

mod fullsync;
mod quarantine;
mod usage;

/// A site and its admin API.
struct Admin {
    site: Fixture,
    api: AdminApi,
}

impl Admin {
    async fn new() -> Self {
        Self::with_token(Some(TOKEN)).await
    }

    async fn with_token(token: Option<&str>) -> Self {
        Self::with(token, None).await
    }

    async fn with(token: Option<&str>, fullsync: Option<Arc<dyn FullSyncControl>>) -> Self {
        let site = Fixture::new(1).await;
        let api = AdminApi::new(AdminOptions {
            store: site.store.clone(),
            metrics: site.metrics.clone(),
            token: token.map(str::to_owned),
            root_access_key: crate::tests::site::ACCESS.to_owned(),
            status: Arc::new(NoRoles),
            fullsync,
        });
        Self { site, api }
    }

    /// Status and answer; sends what is wrong with a request as it is.
    async fn raw(&self, request: http::request::Builder, body: &str) -> (u16, Value) {
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = self.api.answer_any(request).await;
        assert!(answer.headers().contains_key(REQUEST_ID));
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let body =
            if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        (status, body)
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(request.header("content-type", "application/json"), &text).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, &Value::Null).await
    }

    /// Status and code of what is refused.
    async fn refused(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let (status, answer) = self.ask(method, path, body).await;
        assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
        (status, answer["code"].as_str().unwrap().to_owned())
    }
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn nobody_without_the_token_learns_or_does_anything() {
    let admin = Admin::new().await;
    let ask = || Request::get("/v1/users");
    for wrong in [
        ask(),
        ask().header("authorization", "Bearer"),
        ask().header("authorization", "Bearer a-token-for-test"),
        ask().header("authorization", "Bearer a-token-for-tests-and-more"),
        ask().header("authorization", format!("Basic {TOKEN}")),
    ] {
        let (status, answer) = admin.raw(wrong, "").await;
        assert_eq!((status, &answer["code"]), (401, &json!("unauthorized")));
    }
    let (status, _) = admin.raw(ask().header("authorization", format!("bearer {TOKEN}")), "").await;
    assert_eq!(status, 200, "the scheme has no case");

    let closed = Admin::with_token(None).await;
    let (status, answer) = closed.get("/v1/users").await;
    assert_eq!((status, &answer["code"]), (403, &json!("no_token")));
    assert!(answer["what_to_do"].as_str().unwrap().contains("`admin.token_file`"));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_in_json() {
    let admin = Admin::new().await;
    let none = Value::Null;
    assert_eq!(admin.refused("GET", "/v1/nothing", &none).await, code(404, "no_such_path"));
    assert_eq!(admin.refused("PUT", "/v1/users", &none).await, code(405, "wrong_method"));
    let unknown = json!({ "name": "a", "colour": "red" });
    assert_eq!(admin.refused("POST", "/v1/users", &unknown).await, code(422, "invalid"));
    assert_eq!(admin.refused("POST", "/v1/users", &json!({})).await, code(422, "invalid"));
    let bad_id = json!({ "name": "a", "id": "a/b" });
    assert_eq!(admin.refused("POST", "/v1/users", &bad_id).await, code(400, "invalid"));
    assert_eq!(admin.refused("GET", "/v1/users/a%2Fb", &none).await, code(400, "invalid"));
    assert_eq!(admin.refused("DELETE", "/v1/sites/x?id=12", &none).await, code(400, "invalid"));
    assert_eq!(admin.refused("DELETE", "/v1/sites/x?ids=12", &none).await, code(400, "invalid"));
    let large = json!({ "name": "x".repeat(BODY_BYTES_MAX) });
    assert_eq!(admin.refused("POST", "/v1/users", &large).await, code(413, "too_large"));
    let auth = |request: http::request::Builder| {
        request.header("authorization", format!("Bearer {TOKEN}"))
    };
    let (status, _) = admin.raw(auth(Request::post("/v1/users")), "{}").await;
    assert_eq!(status, 415, "no content type");
    let json = auth(Request::post("/v1/users")).header("content-type", "application/json");
    let (status, answer) = admin.raw(json, "{").await;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid")));
}

#[tokio::test]
async fn a_user_lives_from_creation_to_deletion() {
    let admin = Admin::new().await;
    let (status, made) = admin.ask("POST", "/v1/users", &json!({ "name": "alice" })).await;
    assert_eq!(status, 201, "{made}");
    let id = made["user"]["id"].as_str().unwrap();
    let (key, secret) = (&made["key"]["access_key"], made["key"]["secret_key"].as_str().unwrap());
    assert_eq!((key.as_str().unwrap().len(), secret.len()), (20, 40));
    let path = format!("/v1/users/{id}");
    let shown = json!({
        "id": id, "name": "alice", "enabled": true,
        "access_keys": [{ "id": key, "enabled": true }],
        "quota": { "bytes": null, "objects": null },
    });
    assert_eq!(admin.get(&path).await, (200, shown.clone()), "and the secret never again");
    assert_eq!(admin.get("/v1/users").await, (200, json!({ "users": [shown] })));

    let (status, changed) =
        admin.ask("PATCH", &path, &json!({ "name": "Alice", "enabled": false })).await;
    assert_eq!(
        (status, &changed["name"], &changed["enabled"]),
        (200, &json!("Alice"), &json!(false))
    );
    let (status, kept) = admin.ask("PATCH", &path, &json!({})).await;
    assert_eq!((status, kept), (200, changed));

    let keys = format!("{path}/keys");
    let (status, second) = admin.ask("POST", &keys, &json!({ "keep_old": true })).await;
    assert_eq!(status, 201);
    let second = format!("{keys}/{}", second["access_key"].as_str().unwrap());
    let (status, changed) = admin.ask("PATCH", &second, &json!({ "enabled": false })).await;
    assert_eq!((status, &changed["access_keys"][1]["enabled"]), (200, &json!(false)));
    assert_eq!(admin.ask("DELETE", &second, &Value::Null).await, (204, Value::Null));
    assert_eq!(admin.refused("DELETE", &second, &Value::Null).await, code(404, "no_such_key"));
    let given = json!({ "key": { "access_key": "minio", "secret_key": "minio-secret" } });
    let rekeyed = admin.ask("POST", &keys, &given).await;
    assert_eq!(rekeyed, (201, json!({ "access_key": "minio" })), "what you gave is not repeated");
    assert_eq!(
        admin.get(&path).await.1["access_keys"],
        json!([{ "id": "minio", "enabled": true }])
    );

    assert_eq!(admin.ask("DELETE", &path, &Value::Null).await, (204, Value::Null));
    assert_eq!(admin.refused("GET", &path, &Value::Null).await, code(404, "no_such_user"));
    assert_eq!(admin.refused("DELETE", &path, &Value::Null).await, code(404, "no_such_user"));
    assert_eq!(admin.refused("PATCH", &path, &json!({})).await, code(404, "no_such_user"));
    assert_eq!(admin.refused("POST", &keys, &json!({})).await, code(404, "no_such_user"));
}

#[tokio::test]
async fn what_may_not_be_is_refused_with_its_code() {
    let admin = Admin::new().await;
    let user = |id: &str, key: &str| json!({ "id": id, "name": id, "key": { "access_key": key, "secret_key": "12345678" } });
    assert_eq!(admin.ask("POST", "/v1/users", &user("main", "AKM")).await.0, 201);
    for (body, status, expected) in [
        (user("root", "AKR"), 400, "invalid"),
        (user("main", "AKX"), 409, "user_exists"),
        (user("alt", "AKM"), 409, "access_key_exists"),
        (user("alt", crate::tests::site::ACCESS), 409, "access_key_exists"),
        (user("alt", "A B"), 400, "invalid"),
    ] {
        assert_eq!(admin.refused("POST", "/v1/users", &body).await, code(status, expected));
    }
    let keys = "/v1/users/main/keys";
    for n in 0..9 {
        assert_eq!(admin.ask("POST", keys, &json!({ "keep_old": true })).await.0, 201, "{n}");
    }
    let more = admin.refused("POST", keys, &json!({ "keep_old": true })).await;
    assert_eq!(more, code(409, "too_many_keys"));
    let owns = ask("PUT", "/photos").by("AKM", "12345678");
    assert_eq!(admin.site.send(owns).await.status, 200);
    let refused = admin.refused("DELETE", "/v1/users/main", &Value::Null).await;
    assert_eq!(refused, code(409, "user_has_buckets"));

    admin.site.store.refuse(Refusal::Secondary { primary: "east".to_owned() });
    let (status, answer) = admin.ask("POST", "/v1/users", &user("alt", "AKA")).await;
    assert_eq!((status, &answer["code"]), (403, &json!("secondary")));
    assert!(answer["message"].as_str().unwrap().contains("primary `east`"));
    admin.site.store.refuse(Refusal::Disputed { why: "a clone".to_owned() });
    let disputed = admin.refused("DELETE", "/v1/users/main", &Value::Null).await;
    assert_eq!(disputed, code(503, "disputed"));
    let status = admin.get("/v1/status").await.1;
    assert_eq!(status["writes_refused"]["reason"], "disputed");
    assert!(status["needs_human"][0].as_str().unwrap().contains("a clone"));
}

#[tokio::test]
async fn registered_sites_are_listed_and_removed_by_name_and_id() {
    let admin = Admin::new().await;
    let name = SiteName::try_from("west".to_owned()).unwrap();
    for id in [7, 8] {
        admin
            .site
            .store
            .register_peer(SiteId([id; 16]), name.clone(), BTreeSet::new())
            .await
            .unwrap();
    }
    admin.site.send(ask("PUT", "/photos")).await;
    let (status, list) = admin.get("/v1/sites").await;
    assert_eq!((status, &list["sites"][0]["name"]), (200, &json!("west")));
    assert_eq!(list["sites"][0]["depth_events"], 1);
    let none = Value::Null;
    let both = admin.refused("DELETE", "/v1/sites/west", &none).await;
    assert_eq!(both, code(409, "site_registered_again"));
    let id = SiteId([7; 16]).to_string();
    let removed = admin.ask("DELETE", &format!("/v1/sites/west?id={id}"), &none).await;
    assert_eq!(removed, (204, Value::Null));
    assert_eq!(admin.ask("DELETE", "/v1/sites/west", &none).await, (204, Value::Null));
    let gone = admin.refused("DELETE", "/v1/sites/west", &none).await;
    assert_eq!(gone, code(404, "no_such_site"));
    assert_eq!(admin.get("/v1/sites").await.1, json!({ "sites": [] }));
}

#[tokio::test]
async fn sites_that_are_away_or_were_evicted_need_a_person_until_they_are_removed() {
    let admin = Admin::new().await;
    let name = |name: &str| SiteName::try_from(name.to_owned()).unwrap();
    let store = &admin.site.store;
    store.register_peer(SiteId([7; 16]), name("away"), <_>::default()).await.unwrap();
    let gone = store.register_peer(SiteId([8; 16]), name("gone"), <_>::default()).await.unwrap();
    store.evict_peer(&gone, "fence.max_age").await.unwrap();
    let (_, status) = admin.get("/v1/status").await;
    assert_eq!(status["sites"][0]["silent_seconds"], 600.0);
    assert_eq!(status["evicted"][0]["id"], gone.site.to_string());
    let told: Vec<_> = status["needs_human"].as_array().unwrap().iter().collect();
    assert!(told[0].as_str().unwrap().starts_with("site `away` was not heard of for 10 min"));
    assert!(told[1].as_str().unwrap().starts_with("site `gone` was evicted at "));
    let none = Value::Null;
    let other = format!("/v1/sites/gone?id={}", SiteId([9; 16]));
    assert_eq!(admin.refused("DELETE", &other, &none).await, code(404, "no_such_site"));
    for name in ["gone", "away"] {
        assert_eq!(admin.ask("DELETE", &format!("/v1/sites/{name}"), &none).await.0, 204);
    }
    assert_eq!(admin.get("/v1/status").await.1["needs_human"], json!([]));
}

#[tokio::test]
async fn the_status_of_a_primary_in_order_needs_nobody() {
    let admin = Admin::new().await;
    admin.site.send(ask("PUT", "/photos")).await;
    let (status, shown) = admin.get("/v1/status").await;
    assert_eq!(status, 200);
    let shown: Status = serde_json::from_value(shown).unwrap();
    assert_eq!((shown.site.role, shown.written), (Role::Primary, 1));
    assert_eq!((shown.writes_refused, shown.needs_human), (None, Vec::new()));
    assert_ne!(shown.site.epoch, Millis::default().0);
}

#[tokio::test]
async fn every_path_of_the_document_is_there_and_the_document_is_kept() {
    let admin = Admin::new().await;
    let (status, document) = admin.get("/v1/openapi.json").await;
    assert_eq!(status, 200);
    let paths: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_value(document["paths"].clone()).unwrap();
    assert_eq!(paths.values().map(BTreeMap::len).sum::<usize>(), 22);
    let operations = paths.values().flat_map(BTreeMap::values);
    let names: BTreeSet<_> = operations.map(|it| it["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 22, "every operation has a name of its own: {names:?}");
    for (path, methods) in &paths {
        let path = path.replace(['{', '}'], "");
        for method in methods.keys() {
            let (status, _) = admin.ask(&method.to_uppercase(), &path, &Value::Null).await;
            assert_ne!(status, 405, "{method} {path}");
        }
    }

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let made = openapi::ApiDocument::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("GOLDEN").is_some_and(|wish| wish == "write") {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "docs/openapi.json is out of date; write it with GOLDEN=write");
}
