use std::sync::Mutex;

use async_trait::async_trait;
use model::{
    BucketName, Digest, Epoch, Partition, Seq,
    tree::{Cut, Scope, Summary},
};
use ops::config::MaxDeletes;
use store::StoredProof;

use super::*;

/// Takes every job, one at a time, and never ends one by itself.
#[derive(Default)]
struct Desk {
    jobs: Mutex<Vec<FullSyncJob>>,
    wanted: Mutex<Vec<WantedFullSync>>,
}

fn job(id: u64, state: FullSyncState) -> FullSyncJob {
    FullSyncJob {
        id,
        origin: "east".to_owned(),
        cause: "by_hand".to_owned(),
        request: FullSyncRequest::default(),
        state,
        asked: "2026-01-01T00:00:00Z".to_owned(),
        began: None,
        ended: None,
        next_try: None,
        seconds: 0.0,
        progress: FullSyncProgress::default(),
        converged: None,
        proofs: 0,
        estimate_seconds: None,
        last_error: None,
        differences: Vec::new(),
    }
}

#[async_trait]
impl FullSyncControl for Desk {
    async fn start(&self, wanted: WantedFullSync) -> Result<FullSyncJob, FullSyncError> {
        if let Some(bucket) = wanted.bucket.clone().filter(|it| it.as_str() == "left-out") {
            return Err(FullSyncError::LeftOut { bucket });
        }
        if wanted.prefix.as_deref() == Some("off") {
            return Err(FullSyncError::Off { origin: "east".to_owned() });
        }
        let mut jobs = self.jobs.lock().unwrap();
        if let Some(last) = jobs.last().filter(|job| !job.state.is_over()) {
            return Err(FullSyncError::Runs { id: last.id });
        }
        self.wanted.lock().unwrap().push(wanted);
        let job = job(jobs.len() as u64 + 1, FullSyncState::Queued);
        jobs.push(job.clone());
        Ok(job)
    }

    async fn cancel(&self) -> Result<FullSyncJob, FullSyncError> {
        let mut jobs = self.jobs.lock().unwrap();
        let last = jobs.last_mut().filter(|job| !job.state.is_over());
        let job = last.ok_or(FullSyncError::NoneRuns)?;
        job.state = FullSyncState::Cancelled;
        Ok(job.clone())
    }

    fn jobs(&self) -> Vec<FullSyncJob> {
        self.jobs.lock().unwrap().clone()
    }

    fn job(&self, id: u64) -> Option<FullSyncJob> {
        self.jobs().into_iter().find(|job| job.id == id)
    }
}

async fn with_desk() -> (Admin, Arc<Desk>) {
    let desk = Arc::<Desk>::default();
    let control: Arc<dyn FullSyncControl> = Arc::<Desk>::clone(&desk);
    (Admin::with(Some(TOKEN), Some(control)).await, desk)
}

const PATH: &str = "/v1/fullsync";

#[tokio::test]
async fn a_full_sync_is_started_watched_and_cancelled() {
    let (admin, desk) = with_desk().await;
    let none = Value::Null;
    assert_eq!(admin.get(PATH).await, (200, json!({ "job": null })));
    let asked = json!({ "bucket": "photos", "prefix": "a/", "deep": true, "both": true,
        "max_deletes": "5%" });
    let (status, started) = admin.ask("POST", PATH, &asked).await;
    assert_eq!((status, &started["id"], &started["state"]), (202, &json!(1), &json!("queued")));
    let wanted = desk.wanted.lock().unwrap()[0].clone();
    assert_eq!(wanted.bucket.unwrap().as_str(), "photos");
    assert_eq!((wanted.deep, wanted.both, wanted.dry_run), (true, true, false));
    assert_eq!(wanted.max_deletes, Some(MaxDeletes::Percent(5)));
    assert_eq!(admin.get("/v1/fullsync/jobs/1").await, (200, started.clone()));
    assert_eq!(admin.get(PATH).await, (200, json!({ "job": started })));

    let (status, runs) = admin.ask("POST", PATH, &json!({})).await;
    assert_eq!((status, &runs["code"], &runs["job"]), (409, &json!("full_sync_runs"), &json!(1)));
    let (status, cancelled) = admin.ask("DELETE", PATH, &none).await;
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")));
    assert_eq!(admin.refused("DELETE", PATH, &none).await, code(409, "no_full_sync_runs"));
    assert_eq!(admin.ask("POST", PATH, &json!({ "dry_run": true })).await.0, 202);
    let (_, jobs) = admin.get("/v1/fullsync/jobs").await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 2);
    let unknown = admin.refused("GET", "/v1/fullsync/jobs/9", &none).await;
    assert_eq!(unknown, code(404, "no_such_job"));
}

#[tokio::test]
async fn what_cannot_be_compared_is_refused_with_its_code() {
    let (admin, _desk) = with_desk().await;
    for (body, status, expected) in [
        (json!({ "prefix": "a" }), 400, "invalid"),
        (json!({ "both": true }), 400, "invalid"),
        (json!({ "bucket": "No Bucket" }), 400, "invalid"),
        (json!({ "max_deletes": "many" }), 400, "invalid"),
        (json!({ "colour": "red" }), 422, "invalid"),
        (json!({ "bucket": "left-out" }), 409, "full_sync_off"),
        (json!({ "bucket": "photos", "prefix": "off" }), 409, "full_sync_off"),
    ] {
        assert_eq!(admin.refused("POST", PATH, &body).await, code(status, expected), "{body}");
    }
    let primary = Admin::new().await;
    for method in ["GET", "DELETE"] {
        let refused = primary.refused(method, PATH, &Value::Null).await;
        assert_eq!(refused, code(409, "no_origin"));
    }
}

#[tokio::test]
async fn law_9_proofs_are_told_with_their_positions_and_age() {
    let (admin, _desk) = with_desk().await;
    assert_eq!(admin.get("/v1/fullsync/proofs").await, (200, json!({ "proofs": [] })));
    let site = SiteId([7; 16]);
    let cut = Cut {
        site,
        epoch: Epoch(2),
        written: [(Partition(3), Seq(4))].into(),
        trimmed: BTreeMap::new(),
    };
    let root = Summary { leaves: 5, digest: Digest([8; 32]) };
    let proof = StoredProof { root, cut, at: Millis(1_000) };
    let photos = Scope::Bucket(BucketName::try_from("photos".to_owned()).unwrap());
    let proofs = vec![(Scope::Entities, proof.clone()), (photos, proof)];
    admin.site.store.put_proofs(site, proofs, true).await.unwrap();
    let (_, told) = admin.get("/v1/fullsync/proofs").await;
    let [photos, entities] = &told["proofs"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!((&photos["bucket"], &entities["bucket"]), (&json!("photos"), &Value::Null));
    assert_eq!((&photos["keys"], &photos["cut"]), (&json!(5), &json!({ "3": 4 })));
    assert_eq!(photos["root"], Digest([8; 32]).to_string());
    assert_eq!((&photos["epoch"], &photos["at"]), (&json!(2), &json!("1970-01-01T00:00:01Z")));
    assert!(photos["age_seconds"].as_f64().unwrap() >= 0.0);
}
