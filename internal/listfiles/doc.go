// Package listfiles has the files of batch lists: Parquet files with one row a user,
// as docs/data.md describes them, and files of user ids.
//
// It makes no lists (internal/recommend) and knows no bucket: the names of the files
// and the manifest are in internal/backfill.
package listfiles
