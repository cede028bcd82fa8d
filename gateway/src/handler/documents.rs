//! What is set of buckets as a whole: each put whole, shown as it was put, and taken away.

use http::StatusCode;
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        DeleteBucketCorsInput, DeleteBucketCorsOutput, DeleteBucketEncryptionInput,
        DeleteBucketEncryptionOutput, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput,
        DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput,
        DeleteBucketPolicyInput, DeleteBucketPolicyOutput, DeletePublicAccessBlockInput,
        DeletePublicAccessBlockOutput, GetBucketCorsInput, GetBucketCorsOutput,
        GetBucketEncryptionInput, GetBucketEncryptionOutput, GetBucketLifecycleConfigurationInput,
        GetBucketLifecycleConfigurationOutput, GetBucketOwnershipControlsInput,
        GetBucketOwnershipControlsOutput, GetBucketPolicyInput, GetBucketPolicyOutput,
        GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput, GetPublicAccessBlockInput,
        GetPublicAccessBlockOutput, PolicyStatus, PutBucketCorsInput, PutBucketCorsOutput,
        PutBucketEncryptionInput, PutBucketEncryptionOutput, PutBucketLifecycleConfigurationInput,
        PutBucketLifecycleConfigurationOutput, PutBucketOwnershipControlsInput,
        PutBucketOwnershipControlsOutput, PutBucketPolicyInput, PutBucketPolicyOutput,
        PutPublicAccessBlockInput, PutPublicAccessBlockOutput,
    },
    s3_error,
};
use store::Caller;

use super::{Handler, caller};
use crate::{
    access::Reader,
    documents::{
        Document,
        acl::Acl,
        cors::Cors,
        encryption::BucketEncryption,
        lifecycle::Lifecycle,
        ownership::Ownership,
        policy::{Policy, PolicyError},
        public_access::PublicAccessBlock,
    },
    errors, names,
};

impl Handler {
    /// A document of the bucket of a request that may read it.
    pub(super) fn document<D: Document, I>(
        &self,
        request: &S3Request<I>,
        bucket: &str,
    ) -> S3Result<Option<D>> {
        self.bucket(&names::bucket(bucket.to_owned())?, &caller(request)?)?;
        Reader::of(request)?.settings()?.document()
    }

    /// Sets a document of a bucket, or takes it away.
    pub(super) async fn set_document<D: Document>(
        &self,
        caller: Caller,
        bucket: String,
        document: Option<&D>,
    ) -> S3Result<()> {
        let (bucket, value) = (names::bucket(bucket)?, document.map(Document::to_bytes));
        let set = self.store.set_bucket_attribute(bucket, D::NAME, value, caller).await;
        set.map_err(errors::write)
    }
}

/// Takes a document away; that it was not there is fine.
macro_rules! deleted {
    ($name:ident, $input:ident -> $output:ident, $document:ty) => {
        pub(super) async fn $name(
            handler: &Handler,
            request: S3Request<$input>,
        ) -> S3Result<S3Response<$output>> {
            let caller = caller(&request)?;
            handler.set_document::<$document>(caller, request.input.bucket, None).await?;
            Ok(S3Response::with_status($output::default(), StatusCode::NO_CONTENT))
        }
    };
}

deleted!(delete_bucket_cors, DeleteBucketCorsInput -> DeleteBucketCorsOutput, Cors);
deleted!(delete_bucket_lifecycle, DeleteBucketLifecycleInput -> DeleteBucketLifecycleOutput, Lifecycle);
deleted!(
    delete_bucket_encryption,
    DeleteBucketEncryptionInput -> DeleteBucketEncryptionOutput,
    BucketEncryption
);
deleted!(delete_bucket_policy, DeleteBucketPolicyInput -> DeleteBucketPolicyOutput, Policy);
deleted!(
    delete_bucket_ownership_controls,
    DeleteBucketOwnershipControlsInput -> DeleteBucketOwnershipControlsOutput,
    Ownership
);
deleted!(
    delete_public_access_block,
    DeletePublicAccessBlockInput -> DeletePublicAccessBlockOutput,
    PublicAccessBlock
);

pub(super) async fn get_bucket_cors(
    handler: &Handler,
    request: S3Request<GetBucketCorsInput>,
) -> S3Result<S3Response<GetBucketCorsOutput>> {
    let cors = handler.document::<Cors, _>(&request, &request.input.bucket)?;
    let none = || s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist");
    let cors_rules = Some(cors.ok_or_else(none)?.to_rules());
    Ok(S3Response::new(GetBucketCorsOutput { cors_rules }))
}

pub(super) async fn put_bucket_cors(
    handler: &Handler,
    request: S3Request<PutBucketCorsInput>,
) -> S3Result<S3Response<PutBucketCorsOutput>> {
    let caller = caller(&request)?;
    let cors = Cors::from_configuration(request.input.cors_configuration)?;
    handler.set_document(caller, request.input.bucket, Some(&cors)).await?;
    Ok(S3Response::new(PutBucketCorsOutput::default()))
}

pub(super) async fn get_bucket_encryption(
    handler: &Handler,
    request: S3Request<GetBucketEncryptionInput>,
) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
    let encryption = handler.document::<BucketEncryption, _>(&request, &request.input.bucket)?;
    let encryption = encryption.ok_or_else(errors::no_encryption_of_bucket)?;
    let server_side_encryption_configuration = Some(encryption.to_configuration());
    Ok(S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration }))
}

pub(super) async fn put_bucket_encryption(
    handler: &Handler,
    request: S3Request<PutBucketEncryptionInput>,
) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
    let caller = caller(&request)?;
    let sent = request.input.server_side_encryption_configuration;
    let encryption = BucketEncryption::from_configuration(sent, handler.store.has_named_keys())?;
    handler.set_document(caller, request.input.bucket, Some(&encryption)).await?;
    Ok(S3Response::new(PutBucketEncryptionOutput::default()))
}

pub(super) async fn get_public_access_block(
    handler: &Handler,
    request: S3Request<GetPublicAccessBlockInput>,
) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
    let block = handler.document::<PublicAccessBlock, _>(&request, &request.input.bucket)?;
    let block = block.ok_or_else(errors::no_public_access_block)?;
    let public_access_block_configuration = Some(block.into());
    Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration }))
}

pub(super) async fn put_public_access_block(
    handler: &Handler,
    request: S3Request<PutPublicAccessBlockInput>,
) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
    let caller = caller(&request)?;
    let block = PublicAccessBlock::from(request.input.public_access_block_configuration);
    handler.set_document(caller, request.input.bucket, Some(&block)).await?;
    Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
}

pub(super) async fn get_bucket_ownership_controls(
    handler: &Handler,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
    let ownership = handler.document::<Ownership, _>(&request, &request.input.bucket)?;
    let none = || s3_error!(OwnershipControlsNotFoundError, "There are no ownership controls");
    let ownership_controls = Some(ownership.ok_or_else(none)?.to_controls());
    Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls }))
}

pub(super) async fn put_bucket_ownership_controls(
    handler: &Handler,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
    let caller = caller(&request)?;
    let ownership = Ownership::from_controls(&request.input.ownership_controls)?;
    let acl = handler.document::<Acl, _>(&request, &request.input.bucket)?;
    if ownership == Ownership::BucketOwnerEnforced
        && acl.is_some_and(|acl| !acl.is_only_for(&acl.owner))
    {
        return Err(errors::acl_with_ownership());
    }
    handler.set_document(caller, request.input.bucket, Some(&ownership)).await?;
    Ok(S3Response::new(PutBucketOwnershipControlsOutput::default()))
}

pub(super) async fn get_bucket_policy(
    handler: &Handler,
    request: S3Request<GetBucketPolicyInput>,
) -> S3Result<S3Response<GetBucketPolicyOutput>> {
    let policy = handler.document::<Policy, _>(&request, &request.input.bucket)?;
    let none = || s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist");
    let policy = Some(policy.ok_or_else(none)?.text().to_owned());
    Ok(S3Response::new(GetBucketPolicyOutput { policy }))
}

pub(super) async fn put_bucket_policy(
    handler: &Handler,
    request: S3Request<PutBucketPolicyInput>,
) -> S3Result<S3Response<PutBucketPolicyOutput>> {
    let caller = caller(&request)?;
    let block = handler.document::<PublicAccessBlock, _>(&request, &request.input.bucket)?;
    let policy = Policy::parse_for(&request.input.policy, &request.input.bucket);
    let policy = policy.map_err(|error: PolicyError| s3_error!(MalformedPolicy, "{error}"))?;
    if policy.is_public() && block.is_some_and(|block| block.block_policy) {
        return Err(s3_error!(
            AccessDenied,
            "Public policies are blocked by the BlockPublicPolicy setting of the bucket"
        ));
    }
    handler.set_document(caller, request.input.bucket, Some(&policy)).await?;
    let output = PutBucketPolicyOutput::default();
    Ok(S3Response::with_status(output, StatusCode::NO_CONTENT))
}

pub(super) async fn get_bucket_policy_status(
    handler: &Handler,
    request: S3Request<GetBucketPolicyStatusInput>,
) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
    let policy = handler.document::<Policy, _>(&request, &request.input.bucket)?;
    let acl = handler.document::<Acl, _>(&request, &request.input.bucket)?;
    let public =
        policy.is_some_and(|policy| policy.is_public()) || acl.is_some_and(|acl| acl.is_public());
    let policy_status = Some(PolicyStatus { is_public: Some(public) });
    Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status }))
}

pub(super) async fn get_bucket_lifecycle_configuration(
    handler: &Handler,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
    let lifecycle = handler.document::<Lifecycle, _>(&request, &request.input.bucket)?;
    let none = || s3_error!(NoSuchLifecycleConfiguration, "The lifecycle does not exist");
    let rules = Some(lifecycle.ok_or_else(none)?.to_rules());
    Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
        rules,
        ..GetBucketLifecycleConfigurationOutput::default()
    }))
}

pub(super) async fn put_bucket_lifecycle_configuration(
    handler: &Handler,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
    let caller = caller(&request)?;
    let configuration = request.input.lifecycle_configuration;
    let configuration =
        configuration.ok_or_else(|| s3_error!(MalformedXML, "There are no lifecycle rules"))?;
    let draw = || format!("{:032x}", rand::Rng::random::<u128>(&mut rand::rng()));
    let lifecycle = Lifecycle::from_configuration(configuration, draw)?;
    handler.set_document(caller, request.input.bucket, Some(&lifecycle)).await?;
    Ok(S3Response::new(PutBucketLifecycleConfigurationOutput::default()))
}
