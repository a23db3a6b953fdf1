// Package eventsource stands in for a Lambda event source mapping of a Kinesis
// stream, on a laptop and in fault tests. It reads the shards of a stream, invokes
// a function with batches of records, and decides what happens to those that fail.
//
// # What it does, by AWS's documents
//
// From "Using Lambda to process records from Amazon Kinesis Data Streams" and
// "Lambda parameters for Kinesis event source mappings":
//
//   - each shard is polled about once a second (PollEvery), and without a pause
//     while there are more records;
//   - a batch holds records of one shard, up to BatchSize or the 6 MB that an
//     invocation takes, whatever comes first; with a batching window the mapping
//     waits for either, or for the end of the window after the first record;
//   - one batch of a shard is processed at a time; with a parallelization factor
//     up to ten, and records of one partition key stay in order: batches under way
//     at the same time never share a key;
//   - TRIM_HORIZON, LATEST and AT_TIMESTAMP say where reading starts;
//   - events have the documented form (aws-lambda-go's events.KinesisEvent).
//
// From "Configuring partial batch response with Kinesis Data Streams and Lambda":
//
//   - the lowest sequence number that is returned is the checkpoint, and
//     everything from it on is tried again;
//   - an empty or null list or response is a success; an empty, null or misnamed
//     identifier is a complete failure; here one that is not of the batch is too;
//   - responses are ignored unless ReportBatchItemFailures is set;
//   - an invocation that fails is split in two with BisectOnError whatever
//     ReportBatchItemFailures says; a partial success is split at the number that
//     was returned, and only the rest is tried again.
//
// From "Retain discarded batch records for a Kinesis Data Streams event source":
//
//   - a function that could not be invoked (throttling) is retried until the
//     records are too old, one that failed also until MaxRetries is used up; a
//     split uses up none of them;
//   - what is given up goes to the destination, an S3 object with the documented
//     metadata and the whole event as a string in payload, and the shard goes on.
//     The key is AWS's below Prefix, which stands for aws/lambda/<id>, and .json.
//
// From the Kinesis documents on resharding: a closed shard is read to its end and
// everything in it is done before its children start; the child of a merge waits
// for both parents. Iterators that expire and calls that fail are made again.
//
// # Where the documents say nothing
//
// A failure that is not a split counts against MaxRetries, also when part of the
// batch succeeded, and what is left keeps its count; so do the halves of a split.
// A response that is not an object is a complete failure. Records that are too old
// are given up from the beginning of a batch, the rest is tried. The condition of
// such a failure record is RecordAgeExceeded, a guess; its payload is a string, where
// AWS's example says <Whole Event>. Retries wait RetryFirst to RetryMost.
// Counts start anew with the mapping. A destination that fails is tried again and
// the lane of the shard waits: nothing is lost, where AWS promises nothing.
//
// A record that no invocation can hold (over 6 MB as an event) is handed over by
// itself for the function's host to refuse.
//
// # Checkpoints
//
// A shard's checkpoint is a small file, replaced atomically. It names the record
// up to which everything is done: with parallel batches, those behind the first
// that is not done come again after a restart. So do all since the last checkpoint
// after a kill, and none is skipped. Progress belongs to a stream's ARN and time of
// creation: a stream that was deleted and made again is read from its beginning,
// whatever StartingPosition says, since the mapping existed before it did.
//
// # Memory
//
// A shard holds at most 12 MiB of event for each of its parallel batches, and one
// read (10 MiB) more, twice that while batches are encoded; and 20,000 records or
// two batches for each parallel one. When that is full, because one key fails, say,
// the shard waits. AWS does not say how far its keys are independent of each other.
//
// # What it leaves out
//
// Tumbling windows, filters, enhanced fan-out, metrics, SQS, SNS and Kafka
// destinations, starting and stopping over an API, on-demand scaling of pollers,
// and that AWS may take minutes to notice a new mapping or shard.
//
// It must not be linked into a shipped binary other than the local stack's.
package eventsource
