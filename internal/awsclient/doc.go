// Package awsclient is the only place that builds AWS clients and that knows AWS
// request shapes: S3 for raw events and embeddings (s3.go, reader.go), Kinesis for
// incoming events (kinesis.go, kinesis_put.go), Glue for the training job
// (glue.go), SNS for notifications (sns.go), RDS for database authentication tokens
// (rds.go). Callers see keys, bytes and run states.
//
// Clients are built from what every AWS SDK reads: AWS_REGION, AWS_PROFILE,
// AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_GLUE and so on. The same
// code talks to AWS and to the local stack; only those variables differ.
//
// Retries: each call is retried by the SDK's standard retryer, up to 4 attempts
// with jittered backoff of at most 5 s, on connection errors, 5xx and throttling.
// That absorbs a hiccup without hiding an outage from the caller, which has a retry
// policy of its own (a Temporal activity). The exception is Glue.Start, which is
// sent once: StartJobRun has no idempotency token, so a retry after a lost answer
// would start a second run. The caller looks for the first one with Glue.FindRun.
//
// Checksums: the SDK's default, a CRC32 of every body that is sent. S3 and the
// local emulator both refuse a body that does not match it.
//
// SQL, Temporal and the meaning of job arguments do not belong here, with one
// exception: Glue reads back the arguments that name a run (see GlueRun).
package awsclient
