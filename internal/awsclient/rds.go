package awsclient

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
)

// DatabaseToken returns the token with which a database user authenticates to RDS
// instead of a password. Creating it makes no API call. It is valid for 15 minutes;
// never log it. endpoint is host:port, in the region of this Config.
func (c Config) DatabaseToken(ctx context.Context, endpoint, user string) (string, error) {
	token, err := auth.BuildAuthToken(ctx, endpoint, c.aws.Region, user, c.aws.Credentials)
	if err != nil {
		return "", fmt.Errorf("create an RDS token for %s at %s: %w", user, endpoint, err)
	}
	return token, nil
}
