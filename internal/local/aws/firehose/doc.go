// Package firehose emulates Amazon Data Firehose for the local stack and fault
// tests. It implements Firehose's protocol (AWS JSON 1.1 over HTTP) to the
// unmodified AWS SDK and delivers to S3.
//
// # Supported
//
// Direct PUT: PutRecord and PutRecordBatch with a result for each record,
// DescribeDeliveryStream and ListDeliveryStreams of its configured streams. At most
// 500 records and 4 MiB a call, 1,000 KiB a record. Records are concatenated as
// they are, or each followed by a delimiter (the processor
// AppendDelimiterToRecord). The buffer is delivered as one gzip object when it
// reaches a size or an age, whichever comes first. Keys are the prefix, with
// !{timestamp:…} replaced by the arrival of the first record in UTC, and
// <stream>-1-<yyyy-MM-dd-HH-mm-ss>-<uuid>.gz. Prefixes follow AWS's rules: an error
// prefix is needed where the prefix has expressions, the hour is added where it has
// none.
//
// Delivery is at least once. A record is acknowledged when it is on disk, synced;
// many calls share a sync. A failed delivery is retried with backoff until it
// succeeds; the log and Status report it. After a crash the next start delivers the
// remaining records under the keys they would have had: an object that was already
// delivered is replaced by an identical one. Above a limit of undelivered bytes
// puts fail with ServiceUnavailableException, as above a quota of AWS.
//
// A file truncated by a crash is delivered up to the last complete record. Data
// after that, or after a damaged record, goes to the error prefix in the format in
// which AWS writes records that it could not process: no data is dropped.
//
// Errors carry __type and a message: ResourceNotFoundException,
// InvalidArgumentException, ValidationException, SerializationException and
// UnknownOperationException with status 400, ServiceUnavailableException with 503.
//
// # Not supported
//
// Creating and changing delivery streams, other sources and destinations,
// transformation, format conversion, dynamic partitioning, compressions other than
// gzip, time zones, other patterns of times than yyyy MM dd HH mm ss,
// !{firehose:random-string}, custom file extensions, S3 backup, encryption,
// CloudWatch, tags, signatures and quotas by the second. AWS abandons a delivery
// after 24 hours; this emulator retries forever. Buffers may be smaller and shorter
// than AWS accepts. AWS does not document the content type and encoding of its
// objects; here they are S3's default and none: readers rely on the .gz extension.
//
// It accepts connections on loopback addresses only and must not be linked into a
// shipped binary other than the local stack's.
package firehose
