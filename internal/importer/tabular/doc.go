// Package tabular reads files of rows as a stream of records: CSV, JSON Lines
// and Parquet, plain or compressed with gzip or zstd.
//
// A File is hashed and read as a stream, whatever its size. A Source yields its
// records; a row that is not a record costs that row and nothing else.
//
// What belongs here: file formats, and values as they are written in files. What
// does not: what the columns mean (internal/importer/mapping).
package tabular
