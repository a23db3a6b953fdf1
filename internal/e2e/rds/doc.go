// Package rds stands in for what RDS adds to Postgres: connections only over TLS,
// and users that sign in with tokens of IAM. It is a front before a Postgres that
// has neither.
//
// A user that Options.Tokens names has to send a token for itself, made for this
// address, not older than a quarter of an hour, by an access key that the token
// names and Options.Tokens lets in; its signature is not computed again. Behind the
// front Postgres has to trust these users. Everybody else signs in as Postgres asks.
package rds
