// Package eventsource emulates a Lambda event source mapping of a Kinesis stream,
// for the local stack and fault tests. It reads the shards of a stream, invokes a
// function with batches of records, and handles failed ones.
//
// # Behavior documented by AWS
//
// From "Using Lambda to process records from Amazon Kinesis Data Streams" and
// "Lambda parameters for Kinesis event source mappings":
//
//   - each shard is polled about once a second (PollEvery), and without a pause
//     while there are more records;
//   - a batch has records of one shard, up to BatchSize or the 6 MB invocation
//     limit, whichever comes first; with a batching window the mapping waits for
//     either, or for the end of the window after the first record;
//   - one batch of a shard is processed at a time; with a parallelization factor
//     up to ten, and records of one partition key stay in order: concurrent batches
//     never share a key;
//   - TRIM_HORIZON, LATEST and AT_TIMESTAMP set where reading starts;
//   - events have the documented form (aws-lambda-go's events.KinesisEvent).
//
// From "Configuring partial batch response with Kinesis Data Streams and Lambda":
//
//   - the lowest sequence number that is returned is the checkpoint, and
//     everything from it on is retried;
//   - an empty or null list or response is a success; an empty, null or misnamed
//     identifier is a complete failure; here one that is not of the batch is too;
//   - responses are ignored unless ReportBatchItemFailures is set;
//   - an invocation that fails is split in two with BisectOnError regardless of
//     ReportBatchItemFailures; a partial success is split at the number that was
//     returned, and only the rest is retried.
//
// From "Retain discarded batch records for a Kinesis Data Streams event source":
//
//   - a function that could not be invoked (throttling) is retried until the
//     records are too old, one that failed also until MaxRetries is used up; a
//     split uses up none of them;
//   - discarded records go to the destination, an S3 object with the documented
//     metadata and the whole event as a string in payload, and the shard continues.
//     The key is AWS's below Prefix, which stands for aws/lambda/<id>, and .json.
//
// From the Kinesis documents on resharding: a closed shard is read to its end and
// everything in it is done before its children start; the child of a merge waits
// for both parents. Expired iterators and failed calls are retried.
//
// # Behavior not documented by AWS
//
// A failure that is not a split counts against MaxRetries, also when part of the
// batch succeeded, and the remaining records keep its count; so do the halves of a
// split. A response that is not an object is a complete failure. Records that are
// too old are discarded from the beginning of a batch; the rest is tried. The
// condition of such a failure record is RecordAgeExceeded, a guess; its payload is
// a string, where AWS's example says <Whole Event>. Retries wait RetryFirst to
// RetryMost, or not at all with RetryAtOnce. Counts are reset when the mapping
// starts. A failed write to the destination is retried while the lane of the shard
// waits, so nothing is lost; AWS does not guarantee this.
//
// A record too large for any invocation (over 6 MB as an event) is sent alone, and
// the function's host rejects it.
//
// # Checkpoints
//
// A shard's checkpoint is a small file, replaced atomically. It names the record up
// to which everything is done: with parallel batches, records after the first
// unfinished one are delivered again after a restart. So are all records since the
// last checkpoint after a crash; none is skipped. Progress is kept per stream ARN
// and creation time: a stream that was deleted and created again is read from its
// beginning regardless of StartingPosition, because the mapping is older than it.
//
// # Memory
//
// A shard buffers at most 12 MiB of event for each of its parallel batches, and one
// read (10 MiB) more, twice that while batches are encoded; and 20,000 records or
// two batches for each parallel one. When the buffer is full, for example because
// one key fails, the shard waits. AWS does not document how independent keys are.
//
// # Not supported
//
// Tumbling windows, filters, enhanced fan-out, metrics, SQS, SNS and Kafka
// destinations, starting and stopping over an API, on-demand scaling of pollers,
// and that AWS may take minutes to notice a new mapping or shard.
//
// It must not be linked into a shipped binary other than the local stack's.
package eventsource
