// Package awsdoctor checks a deployment on AWS and reports problems and their
// fixes. It starts from Terraform's outputs, makes only read calls and changes
// nothing.
//
// One file is one concern: identity.go, bucket.go, stream.go, delivery.go,
// function.go, job.go, services.go, alarms.go, permissions.go, api.go. Each
// declares an interface with the few operations it needs, and the IAM action of
// each, to name it to a caller who lacks it.
//
// The database is private, so it is checked through the API: /readyz reports the
// migrations, the pgvector version, and whether Temporal responds.
package awsdoctor
