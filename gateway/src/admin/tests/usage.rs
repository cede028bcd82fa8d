use super::*;

const ROOT: &str = "root";

/// A site with two buckets, one of them of the user `main`.
async fn with_buckets() -> Admin {
    let admin = Admin::new().await;
    let key = json!({ "access_key": "AKM", "secret_key": "12345678" });
    let user = json!({ "id": "main", "name": "Main", "key": key });
    assert_eq!(admin.ask("POST", "/v1/users", &user).await.0, 201);
    assert_eq!(admin.site.send(ask("PUT", "/photos")).await.status, 200);
    assert_eq!(admin.site.send(ask("PUT", "/other").by("AKM", "12345678")).await.status, 200);
    assert_eq!(admin.site.put("/photos/a", b"12345").await.status, 200);
    admin
}

fn counted(objects: u64, bytes: u64) -> Value {
    json!({ "objects": objects, "versions": objects, "delete_markers": 0, "bytes": bytes })
}

/// These fields of an answer.
fn of(answer: &Value) -> Value {
    let names = ["objects", "versions", "delete_markers", "bytes"];
    names.into_iter().map(|name| (name.to_owned(), answer[name].clone())).collect()
}

#[tokio::test]
async fn what_stands_is_told_by_bucket_and_by_user_with_what_may() {
    let admin = with_buckets().await;
    let (status, all) = admin.get("/v1/usage").await;
    assert_eq!(status, 200, "{all}");
    assert_eq!(
        (&all["buckets"][0]["bucket"], &all["buckets"][0]["owner"]),
        (&json!("other"), &json!("main"))
    );
    let photos = &all["buckets"][1];
    assert_eq!((of(photos), &photos["full"]), (counted(1, 5), &Value::Null));
    assert_eq!(photos["uploads"], json!({ "count": 0, "bytes": 0 }));
    assert_eq!(
        (&all["users"][0]["name"], &all["users"][1]["user"]),
        (&json!("Main"), &json!(ROOT))
    );
    assert_eq!((of(&all["users"][1]), of(&all["total"])), (counted(1, 5), counted(1, 5)));

    let path = "/v1/buckets/photos";
    let change = json!({ "quota": { "bytes": 10, "objects": 1 } });
    let expected = json!({ "bucket": "photos", "quota": { "bytes": 10, "objects": 1 } });
    assert_eq!(admin.ask("PATCH", path, &change).await, (200, expected));
    let photos = admin.get("/v1/usage?bucket=photos").await.1;
    assert_eq!((&photos["buckets"][0]["full"], &photos["users"]), (&json!(1.0), &json!([])));
    let change = json!({ "quota": { "objects": null } });
    let left = admin.ask("PATCH", path, &change).await.1;
    assert_eq!(left["quota"], json!({ "bytes": 10, "objects": null }));
    assert_eq!(admin.get("/v1/usage?bucket=photos").await.1["buckets"][0]["full"], 0.5);

    let change = json!({ "name": "Main again", "quota": { "bytes": 7 } });
    let user = admin.ask("PATCH", "/v1/users/main", &change).await.1;
    let expected = json!({ "bytes": 7, "objects": null });
    assert_eq!((&user["name"], &user["quota"]), (&json!("Main again"), &expected));
    let main = admin.get("/v1/usage?user=main").await.1;
    assert_eq!(
        (main["buckets"].as_array().unwrap().len(), &main["users"][0]["quota"]),
        (1, &expected)
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_question_or_a_quota_is_told() {
    let admin = with_buckets().await;
    let none = Value::Null;
    for (path, status, expected) in [
        ("/v1/usage?bucket=absent", 404, "no_such_bucket"),
        ("/v1/usage?bucket=photos&user=main", 404, "no_such_bucket"),
        ("/v1/usage?user=absent", 404, "no_such_user"),
        ("/v1/usage?bucket=A", 400, "invalid"),
        ("/v1/usage?user=a%2Fb", 400, "invalid"),
        ("/v1/usage?colour=red", 400, "invalid"),
    ] {
        assert_eq!(admin.refused("GET", path, &none).await, code(status, expected), "{path}");
    }
    let change = json!({ "quota": { "bytes": 10 } });
    let absent = admin.refused("PATCH", "/v1/buckets/absent", &change).await;
    assert_eq!(absent, code(404, "no_such_bucket"));
    assert_eq!(admin.refused("PATCH", "/v1/buckets/A", &change).await, code(400, "invalid"));
    for bad in [json!({}), json!({ "quota": { "bytes": -1 } }), json!({ "quota": { "keys": 1 } })] {
        assert_eq!(admin.refused("PATCH", "/v1/buckets/photos", &bad).await, code(422, "invalid"));
    }
    admin.site.store.refuse(Refusal::Secondary { primary: "east".to_owned() });
    let refused = admin.refused("PATCH", "/v1/buckets/photos", &change).await;
    assert_eq!(refused, code(403, "secondary"));
    assert_eq!(admin.get("/v1/usage").await.0, 200, "a secondary knows it too");
}

#[test]
fn a_store_that_is_being_counted_says_so() {
    let counting = store::UsageError::Counting { done: 5, of: 9 };
    let answer = ApiError::from(counting).answer();
    assert_eq!(answer.status(), 503);
}
