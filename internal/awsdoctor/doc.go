// Package awsdoctor looks at a deployment on AWS and says what is wrong with it,
// and how to mend it. It starts from the outputs of Terraform, changes nothing,
// and makes only calls that read.
//
// One file is one concern: identity.go, bucket.go, stream.go, delivery.go,
// function.go, job.go, services.go, alarms.go, permissions.go, api.go. Each knows
// the few operations that it needs by an interface of its own, and the IAM action
// of each, to name it to a caller who lacks it.
//
// The database is private, so it is seen through the API: whoever reaches
// /readyz hears which migrations ran, which pgvector is there, and whether
// Temporal answers.
package awsdoctor
