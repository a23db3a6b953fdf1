// Package callrecorder is a proxy between one component and an AWS emulator that
// records the permissions each call needs. Requests and responses are unchanged,
// including the Host header, which the signature covers. Only X-Forwarded-Proto:
// https is added, because the recorder terminates TLS for an emulator whose buckets
// require it.
//
// Which action and resource a call needs follows the Service Authorization
// Reference of each service, and the S3 User Guide, "Required permissions for
// Amazon S3 API operations". Responses matter too: S3 returns 404 for a missing
// object only to callers that may list the bucket, and 403 to others, so a
// component that got a 404 needs s3:ListBucket on AWS.
//
// It supports the JSON protocols of Kinesis, Firehose, Glue and Secrets Manager,
// the Query protocol of SNS and STS, and S3 with the bucket in the path. Anything
// else is forwarded and recorded as a problem.
package callrecorder
