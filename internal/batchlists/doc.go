// Package batchlists writes the lists of many users as Parquet files with one row a
// user, as docs/data.md describes them, and reads files of user ids.
//
// It knows no bucket: its caller stores the files. Their names and the manifest are in
// internal/backfill.
package batchlists
