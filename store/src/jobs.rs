//! Full sync as the store keeps it: jobs, and what they proved.

use model::{SiteId, tree::Scope};

use crate::{
    engine::Table,
    errors::{KeepError, ReadError},
    open::rows,
    records::{Record, StoredJob, StoredProof},
    section::{Section, SectionError},
    store::Store,
};

/// Jobs that are kept. Their ids are dense, so that each new one takes the place of one.
const JOBS_KEPT: u64 = 100;

impl Store {
    /// Keeps a job as it is now, in the place of what was kept of it. Durable when this returns.
    ///
    /// # Errors
    /// If the commit failed.
    pub async fn put_job(&self, id: u64, job: StoredJob) -> Result<(), KeepError> {
        let rule = move |section: &mut Section<'_>| {
            section.put(StoredJob::key(id), &job);
            if let Some(old) = id.checked_sub(JOBS_KEPT) {
                section.remove::<StoredJob>(StoredJob::key(old));
            }
            Ok::<_, KeepError>(())
        };
        self.shared.committer.run(rule).await
    }

    /// The last hundred jobs, by id.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn jobs(&self) -> Result<Vec<(u64, StoredJob)>, ReadError> {
        let mut jobs = Vec::new();
        for (row, value) in rows(&*self.shared.engine, Table::Meta, StoredJob::PREFIX)? {
            if let Some(id) = StoredJob::id(&row) {
                jobs.push((id, StoredJob::decode(&value)?));
            }
        }
        Ok(jobs)
    }

    /// Keeps proofs, each in the place of the one before it. `whole`: they are of everything, so
    /// that what is not among them is no more. Durable when this returns.
    ///
    /// # Errors
    /// If the commit failed.
    pub async fn put_proofs(
        &self,
        origin: SiteId,
        proofs: Vec<(Scope, StoredProof)>,
        whole: bool,
    ) -> Result<(), KeepError> {
        let rule = move |section: &mut Section<'_>| {
            put_proofs(section, origin, &proofs, whole).map_err(KeepError::from)
        };
        self.shared.committer.run(rule).await
    }

    /// The newest proof of every scope.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn proofs(&self) -> Result<Vec<(Scope, StoredProof)>, ReadError> {
        let mut proofs = Vec::new();
        for (row, value) in rows(&*self.shared.engine, Table::Meta, StoredProof::PREFIX)? {
            if let Some(scope) = StoredProof::scope(&row) {
                proofs.push((scope, StoredProof::decode(&value)?));
            }
        }
        Ok(proofs)
    }
}

fn put_proofs(
    section: &mut Section<'_>,
    origin: SiteId,
    proofs: &[(Scope, StoredProof)],
    whole: bool,
) -> Result<(), SectionError> {
    if whole {
        for key in section.keys(StoredProof::TABLE, &StoredProof::prefix(origin), usize::MAX)? {
            section.remove::<StoredProof>(key);
        }
    }
    for (scope, proof) in proofs {
        section.put(StoredProof::key(origin, scope), proof);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{
        BucketName, Epoch, Millis,
        tree::{Cut, Summary},
    };

    use super::*;
    use crate::{Memory, store::tests::options};

    async fn open() -> (Store, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open_on(Arc::<Memory>::default(), options(home.path(), 1)).await;
        (store.unwrap(), home)
    }

    #[tokio::test]
    async fn the_last_hundred_jobs_are_kept() {
        let (store, _home) = open().await;
        for id in 1..=103_u64 {
            let job = StoredJob { job: id.to_string().into(), ..StoredJob::default() };
            store.put_job(id, job).await.unwrap();
        }
        let again = StoredJob { job: "again".into(), ..StoredJob::default() };
        store.put_job(103, again.clone()).await.unwrap();
        let jobs = store.jobs().unwrap();
        let ids: Vec<u64> = jobs.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, (4..=103).collect::<Vec<_>>());
        assert_eq!(jobs.last().unwrap().1, again);
    }

    #[tokio::test]
    async fn a_whole_proof_takes_the_place_of_all_of_its_origin() {
        let (store, _home) = open().await;
        let proof = |site, at| {
            let (written, trimmed) = Default::default();
            let cut = Cut { site: SiteId([site; 16]), epoch: Epoch(1), written, trimmed };
            StoredProof { root: Summary::EMPTY, cut, at: Millis(at) }
        };
        let bucket = |name: &str| Scope::Bucket(BucketName::try_from(name.to_owned()).unwrap());
        let put = async |site, scopes: &[Scope], at, whole| {
            let proofs = scopes.iter().map(|scope| (scope.clone(), proof(site, at))).collect();
            store.put_proofs(SiteId([site; 16]), proofs, whole).await.unwrap();
            let proofs = store.proofs().unwrap();
            proofs.into_iter().map(|(scope, proof)| (scope, proof.at.0)).collect::<Vec<_>>()
        };
        let (all, old, new) = (Scope::Entities, bucket("old"), bucket("new"));
        put(1, &[all.clone(), old.clone()], 1, true).await;
        let one = put(1, std::slice::from_ref(&old), 2, false).await;
        assert_eq!(one, [(old, 2), (all.clone(), 1)]);
        put(2, std::slice::from_ref(&all), 3, true).await;
        let whole = put(1, &[all.clone(), new.clone()], 4, true).await;
        assert_eq!(whole, [(new, 4), (all.clone(), 4), (all, 3)]);
    }
}
