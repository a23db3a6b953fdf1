// Package firehose stands in for Amazon Data Firehose on a laptop and in fault
// tests. It speaks Firehose's protocol (AWS JSON 1.1 over HTTP) to the unmodified
// AWS SDK and delivers to S3.
//
// # What it imitates
//
// Direct PUT: PutRecord and PutRecordBatch with a result for each record,
// DescribeDeliveryStream and ListDeliveryStreams of the streams it was made with.
// At most 500 records and 4 MiB a call, 1,000 KiB a record. Records are
// concatenated as they are; whoever wants lines ends records with a newline. The
// buffer is delivered as one gzip object when it reaches a size or an age. Keys
// are the prefix, with !{timestamp:…} replaced by the arrival of the first record
// in UTC, and <stream>-1-<yyyy-MM-dd-HH-mm-ss>-<uuid>.gz.
//
// Delivery is at least once. A record is acknowledged when it is on disk, synced;
// many calls share a sync. A failed delivery is repeated with growing pauses for
// as long as it takes. After a crash the next start delivers what was left, under
// the keys it would have had: an object that was delivered already is replaced by
// itself, so this Firehose, unlike AWS's, never delivers a record twice. Above a
// limit of undelivered bytes puts fail with ServiceUnavailableException, as above
// a quota of AWS.
//
// Errors carry __type and a message: ResourceNotFoundException,
// InvalidArgumentException, ValidationException, SerializationException and
// UnknownOperationException with status 400, ServiceUnavailableException with 503.
//
// # What it leaves out
//
// Creating and changing delivery streams, other sources and destinations,
// transformation, format conversion, dynamic partitioning and with them the error
// prefix (nothing here can fail but the delivery itself, which AWS gives up after
// 24 hours and this never does), other compressions, time zones, the namespaces of
// a prefix other than timestamp, S3 backup, encryption, CloudWatch, signatures and
// quotas by the second.
//
// It accepts connections on loopback addresses only and must not be linked into
// a shipped binary other than the local stack's.
package firehose
