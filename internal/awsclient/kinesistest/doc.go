// Package kinesistest is an in-memory Kinesis Data Streams for tests of the event
// source mapping, of producers, and of the event path under faults.
//
// A Server has streams. Its methods have the signatures of the SDK's client, so it
// can replace that client; Client serves it over HTTP (AWS JSON 1.1) to the
// unmodified SDK.
//
// # Supported
//
// CreateStream, DeleteStream, DescribeStreamSummary, ListShards (pages),
// PutRecords, GetShardIterator (all five types), GetRecords, SplitShard and
// MergeShards. Records go to the open shard whose range contains the MD5 of their
// partition key, or their explicit hash key. Sequence numbers increase across the
// whole stream. A split or merge closes its shards: they get an ending sequence
// number, and their last response has child shards and no next iterator. Children
// have ParentShardId and AdjacentParentShardId and cover the range. Limits checked:
// 500 records and 10 MiB a PutRecords call, 1 MiB a record, 10,000 records and 10
// MiB per GetRecords response. Iterators expire after 5 minutes, or when a test
// expires them.
//
// Faults: any call can fail with any code, before or after it was carried out (lost
// responses, over HTTP); any record of a PutRecords call can be rejected.
// CountFaults counts the faults that took effect.
//
// # Not supported
//
// Throughput limits (use faults), retention (call Trim to drop records, Backdate to
// age them), states other than ACTIVE, enhanced fan-out, encryption, consumers,
// tags, shard filters, on-demand mode, authentication and signatures.
package kinesistest
