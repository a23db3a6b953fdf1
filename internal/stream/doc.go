// Package stream defines the records of the stream: how they are decoded, why
// one is invalid, and the documents that are delivered to Firehose. It is pure:
// it reads no clock, no environment and no network. The Lambda function uses
// it, and the commands that send events and read their verdicts.
package stream
