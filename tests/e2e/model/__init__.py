"""What S3 says of random calls, by AWS's documentation and docs/s3.md: a model in memory.

Every operation of the model has the name and the arguments that boto3 gives it. It changes the model
and returns what the answer must have (`None`: what it must not have), or raises `Refused`. What only
the site can know, like the id of a version, the model takes from the answer (`Told`).
"""
