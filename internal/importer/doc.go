// Package importer imports a user's files into raw/ as events and items.
//
// A file is read once, as a stream, whatever its size: package tabular reads its
// records, package mapping turns each into an event or an item or says why it
// cannot be one, a spill keeps them by day in bounded memory and one temporary
// file, and a writer makes one Parquet object a day (more where a day is large)
// and puts it into the bucket. Package datasets has the data sets that recflow
// knows by name.
//
// Everything written is a function of the file's bytes, the mapping of its
// columns and the time of its first import, which the bucket keeps under the
// file's SHA-256. So importing a file again changes nothing.
//
// What belongs here: what becomes of accepted and rejected rows. What does not:
// the bucket's client (a Store is passed in), flags, and how progress is drawn.
package importer
