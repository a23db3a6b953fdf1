// Package stream is what a record of the stream looks like on its way through
// recflow: how it is decoded, what makes it unusable, and the documents that
// leave for Firehose. It is pure: it reads no clock, no environment and no
// network. The Lambda uses it, and so do the commands that send events and read
// what became of them.
package stream
