// Package importer imports a user's files into raw/ as events and items.
//
// A file is read once, as a stream: package tabular reads its records, package
// mapping converts each to an event or an item or returns why it cannot, a
// spill groups them by day in bounded memory and one temporary file, and a
// writer makes one Parquet object per day (more for a large day) and puts it
// into the bucket. Package datasets has the data sets that are known by name.
//
// The output is a function of the file's bytes, the mapping of its columns and
// the time of its first import, which the bucket stores under the file's
// SHA-256. So importing a file again changes nothing.
//
// The package handles accepted and rejected rows. The bucket's client (a
// Store), flags, and the display of progress belong to the caller.
package importer
