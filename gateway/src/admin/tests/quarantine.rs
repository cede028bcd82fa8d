use model::{
    BucketName, Entity, ObjectKey,
    tree::{Scope, View},
};
use store::Step;

use super::*;

const PATH: &str = "/v1/quarantine";
const DISCARD: &str = "/v1/quarantine/discard";

/// A site at which these keys of bucket `photos`, and another bucket, were set aside.
async fn set_aside(keys: &[&str]) -> Admin {
    let admin = Admin::new().await;
    let name = |name: &str| BucketName::try_from(name.to_owned()).unwrap();
    for bucket in ["photos", "other"] {
        let made = admin.site.send(ask("PUT", &format!("/{bucket}"))).await;
        assert_eq!(made.status, 200);
    }
    let mut entities = vec![(Scope::Entities, Entity::Bucket(name("other")))];
    for key in keys {
        let put = admin.site.send(ask("PUT", &format!("/photos/{key}")).body(b"a body")).await;
        assert_eq!(put.status, 200);
        let key = ObjectKey::try_from((*key).to_owned()).unwrap();
        entities.push((Scope::Bucket(name("photos")), Entity::Object(name("photos"), key)));
    }
    let store = &admin.site.store;
    for (scope, entity) in entities {
        let leaf = View::leaf(&store.tree_view().unwrap(), &scope, entity.hash());
        let leaf = leaf.unwrap().unwrap();
        let done = store.apply(vec![Step::Quarantine { scope, leaf }]).await.unwrap();
        assert_eq!(done.quarantined, 1);
    }
    admin
}

#[tokio::test]
async fn law_12_what_was_set_aside_is_listed_counted_and_discarded_by_name() {
    let admin = set_aside(&["a", "b", "c"]).await;
    let (status, list) = admin.get(PATH).await;
    assert_eq!((status, &list["counts"]), (200, &json!({ "foreign": 4, "rotten": 0 })));
    assert_eq!(list["records"].as_array().unwrap().len(), 4);
    let [other, first, ..] = &list["records"].as_array().unwrap()[..] else { panic!("{list}") };
    assert_eq!((&other["bucket"], &other["key"]), (&json!("other"), &Value::Null));
    assert_eq!((&first["bucket"], &first["key"]), (&json!("photos"), &json!("a")));
    assert_eq!((&first["reason"], &first["user"]), (&json!("foreign"), &Value::Null));
    assert!(first["version"].is_string() && first["bytes"].as_u64().unwrap() > 0, "{first}");
    assert!(first["at"].as_str().unwrap().ends_with('Z'), "{first}");
    assert_eq!(admin.get("/v1/status").await.1["quarantined"]["foreign"], 4);

    let discard = async |asked: Value| admin.ask("POST", DISCARD, &asked).await;
    let one = json!({ "discarded": 1 });
    assert_eq!(discard(json!({ "bucket": "photos", "key": "b" })).await, (200, one.clone()));
    assert_eq!(discard(json!({ "id": first["id"] })).await, (200, one.clone()));
    assert_eq!(discard(json!({ "bucket": "photos" })).await, (200, one.clone()));
    assert_eq!(discard(json!({ "all": admin.site.store.identity().name })).await, (200, one));
    let empty = json!({ "records": [], "counts": { "foreign": 0, "rotten": 0 } });
    assert_eq!(admin.get(PATH).await, (200, empty));
}

#[tokio::test]
async fn who_does_not_say_which_records_discards_none() {
    let admin = set_aside(&["a"]).await;
    for (body, status, expected) in [
        (json!({}), 400, "invalid"),
        (json!({ "key": "a" }), 400, "invalid"),
        (json!({ "all": "elsewhere" }), 400, "invalid"),
        (json!({ "bucket": "photos", "id": 1 }), 400, "invalid"),
        (json!({ "every": true }), 422, "invalid"),
        (json!({ "bucket": "nowhere" }), 404, "no_such_record"),
        (json!({ "bucket": "photos", "key": "b" }), 404, "no_such_record"),
        (json!({ "user": "alice" }), 404, "no_such_record"),
    ] {
        assert_eq!(admin.refused("POST", DISCARD, &body).await, code(status, expected), "{body}");
    }
    assert_eq!(admin.get(PATH).await.1["counts"]["foreign"], 2);
}
