// Package kinesistest is an in-memory Kinesis Data Streams for tests: of the event
// source mapping, of producers, and of the whole path under faults.
//
// A Server holds streams. Its methods have the shapes of the SDK's client, so it
// can be used in its place; Client serves it over HTTP (AWS JSON 1.1) to the
// unmodified SDK.
//
// # What it imitates
//
// CreateStream, DeleteStream, DescribeStreamSummary, ListShards (pages), PutRecords,
// GetShardIterator (all five types), GetRecords, SplitShard and MergeShards.
// Records go to the open shard whose range holds the MD5 of their partition key,
// or their explicit hash key. Sequence numbers grow over the whole stream. A split
// or merge closes its shards, which then have an ending sequence number and end
// with an answer without a next iterator, naming the children; children have
// ParentShardId and AdjacentParentShardId and take over the range. Limits checked:
// 500 records and 10 MiB a PutRecords call, 1 MiB a record, 10,000 records and
// 10 MiB a GetRecords answer. Iterators expire after 5 minutes, or when a test says so.
//
// Faults: any call can fail with any code, before or after it was carried out
// (lost answers, over HTTP); any record of a PutRecords call can be refused.
// CountFaults counts those that took effect.
//
// # What it leaves out
//
// Throughput limits by themselves (use faults), retention (Trim drops records by
// hand, Backdate ages them), states other than ACTIVE, enhanced fan-out, encryption,
// consumers, tags, shard filters, on-demand mode, authentication and signatures.
package kinesistest
