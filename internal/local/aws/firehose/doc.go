// Package firehose stands in for Amazon Data Firehose on a laptop and in fault
// tests. It speaks Firehose's protocol (AWS JSON 1.1 over HTTP) to the unmodified
// AWS SDK and delivers to S3.
//
// # What it imitates
//
// Direct PUT: PutRecord and PutRecordBatch with a result for each record,
// DescribeDeliveryStream and ListDeliveryStreams of the streams it was made with.
// At most 500 records and 4 MiB a call, 1,000 KiB a record. Records are
// concatenated as they are, or each with a delimiter behind it (the processor
// AppendDelimiterToRecord). The buffer is delivered as one gzip object when it
// reaches a size or an age, whichever comes first. Keys are the prefix, with
// !{timestamp:…} replaced by the arrival of the first record in UTC, and
// <stream>-1-<yyyy-MM-dd-HH-mm-ss>-<uuid>.gz. Prefixes follow AWS's rules: an
// error prefix is needed where the prefix has expressions, the hour is added
// where it has none.
//
// Delivery is at least once. A record is acknowledged when it is on disk, synced;
// many calls share a sync. A failed delivery is repeated with growing pauses for
// as long as it takes; the log and Status tell. After a crash the next start
// delivers what was left, under the keys it would have had: an object that was
// delivered already is replaced by itself. Above a limit of undelivered bytes
// puts fail with ServiceUnavailableException, as above a quota of AWS.
//
// A file that a crash cut short is delivered up to the cut. What is behind it, or
// behind a damaged place, goes to the error prefix as AWS writes records that it
// could not process: nothing vanishes.
//
// Errors carry __type and a message: ResourceNotFoundException,
// InvalidArgumentException, ValidationException, SerializationException and
// UnknownOperationException with status 400, ServiceUnavailableException with 503.
//
// # What it leaves out
//
// Creating and changing delivery streams, other sources and destinations,
// transformation, format conversion, dynamic partitioning, compressions other
// than gzip, time zones, other patterns of times than yyyy MM dd HH mm ss,
// !{firehose:random-string}, custom file extensions, S3 backup, encryption,
// CloudWatch, tags, signatures and quotas by the second. AWS gives up a delivery
// after 24 hours, this never does. Buffers may be smaller and shorter than AWS
// accepts. AWS's documents do not say which content type and encoding its objects
// have; here it is S3's default and none: readers go by the .gz.
//
// It accepts connections on loopback addresses only and must not be linked into
// a shipped binary other than the local stack's.
package firehose
