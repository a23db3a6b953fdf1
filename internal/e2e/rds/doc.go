// Package rds emulates what RDS adds to Postgres: connections over TLS only, and
// users that authenticate with IAM tokens. It is a proxy in front of a Postgres
// that has neither.
//
// A user for whom Options.Tokens is true must send a token for that user and this
// address, at most 15 minutes old, with an access key that Options.Allowed accepts;
// its signature is not verified. The Postgres behind it must trust these users.
// Other users authenticate to Postgres directly.
package rds
