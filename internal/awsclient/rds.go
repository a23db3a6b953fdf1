package awsclient

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
)

// DatabaseToken is what a user of an RDS database signs in with in place of a
// password. Making one asks nobody; it is accepted for a quarter of an hour, and
// is never to be logged. endpoint is host:port, in the region of this Config.
func (c Config) DatabaseToken(ctx context.Context, endpoint, user string) (string, error) {
	token, err := auth.BuildAuthToken(ctx, endpoint, c.aws.Region, user, c.aws.Credentials)
	if err != nil {
		return "", fmt.Errorf("make an RDS token for %s at %s: %w", user, endpoint, err)
	}
	return token, nil
}
