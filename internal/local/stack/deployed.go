package stack

// Deployed makes a stack run on the bucket, the streams and the roles that
// Terraform made in an AWS emulator of somebody else's, instead of on its own. The
// stand-ins then read their settings back from there, so that what is tested is
// what Terraform applied. Postgres, Temporal and the Glue endpoint stay the
// stack's, but for Without.
type Deployed struct {
	// Function is the name of the Lambda function.
	Function string `json:"function"`

	// Vars replace variables of every program: RECFLOW_BUCKET, RECFLOW_STREAM,
	// AWS_ENDPOINT_URL_S3, … What differs from part to part, such as credentials,
	// is in Settings.Overrides.
	Vars map[string]string `json:"vars"`

	// Without are the parts that run elsewhere.
	Without []string `json:"without,omitempty"`
}
