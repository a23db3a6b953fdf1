// Package callrecorder stands between one component and what plays AWS, and
// writes down which permissions each of its calls needs. Requests and answers
// pass unchanged: the signature covers the Host header, so that stays as the
// client wrote it. The one thing added is X-Forwarded-Proto: https, because the
// recorder plays the end of TLS to an emulator whose buckets want it.
//
// Which action and resource a call needs follows the Service Authorization
// Reference of each service, and the S3 User Guide, "Required permissions for
// Amazon S3 API operations". An answer counts too: S3 says that an object is not
// there only to who may list the bucket, and denies to everybody else, so a
// component that lived with a 404 needs s3:ListBucket on AWS.
//
// It knows the JSON protocols of Kinesis, Firehose, Glue and Secrets Manager, the
// Query protocol of SNS and STS, and S3 with the bucket in the path. Anything else
// is passed on and recorded as a problem.
package callrecorder
