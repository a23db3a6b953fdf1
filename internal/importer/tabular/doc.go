// Package tabular reads files of rows as a stream of records: CSV, JSON Lines
// and Parquet, plain or compressed with gzip, zstd or bzip2. Texts are UTF-8 or
// UTF-16, or in an encoding that is named.
//
// A File is hashed and read as a stream. A Source yields its records; a row
// that is not a record is reported and does not affect the others.
//
// The package has file formats, and the parsing of values. The meaning of the
// columns belongs in internal/importer/mapping.
package tabular
