package awsclient

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/smithy-go"

	"github.com/recflow/recflow/internal/recsys"
)

// Error codes for which a retry of the call cannot succeed. Everything else may be
// retried: throttling, 5xx, lost connections, and Glue's
// ConcurrentRunsExceededException, which clears when another run ends.
var (
	notFoundCodes = []string{
		"EntityNotFoundException", // Glue: job or run
		"NoSuchKey", "NoSuchBucket", "NotFound",
		"ResourceNotFoundException", // Kinesis, Firehose: stream or shard
	}
	permanentCodes = []string{
		"InvalidInputException", "ValidationException", "InvalidArgument", "InvalidRequest",
		"AccessDenied", "AccessDeniedException", "InvalidBucketName", "InvalidRange",
		"InvalidAccessKeyId", "SignatureDoesNotMatch", "UnrecognizedClientException",
		"UnknownOperationException", "KeyTooLongError",
		"AuthorizationError", "InvalidParameter", // SNS
	}
	// preconditionCodes mean that the object already exists, or changed while it
	// was read.
	preconditionCodes = []string{"PreconditionFailed"}
)

// ErrTooLarge means that an object is larger than the caller's limit.
var ErrTooLarge = errors.New("object too large")

// Retryable reports whether the same call can succeed later. A cancelled context, a
// missing resource, a failed conditional write and invalid input are final; all
// other errors are retryable.
func Retryable(err error) bool {
	switch {
	case err == nil,
		errors.Is(err, context.Canceled),
		errors.Is(err, recsys.ErrNotFound),
		errors.Is(err, recsys.ErrConflict),
		errors.Is(err, ErrTooLarge):
		return false
	}
	return !hasCode(err, permanentCodes)
}

// Forbidden reports whether AWS refused a call for a missing permission. S3 also
// refuses a read of a missing object, if the role may not list the bucket.
func Forbidden(err error) bool {
	return hasCode(err, []string{"AccessDenied", "AccessDeniedException", "Forbidden"})
}

// ConcurrentRunsExceeded reports whether Glue rejected a run because the job is at
// its maximum number of concurrent runs. Wait for one to end.
func ConcurrentRunsExceeded(err error) bool {
	return hasCode(err, []string{"ConcurrentRunsExceededException"})
}

// Throttled reports whether AWS throttled a call or one of its records.
func Throttled(err error) bool {
	return hasCode(err, []string{"ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException", "KMSThrottlingException"})
}

// translate wraps the SDK's error with the operation and, for errors that callers
// handle, with the matching domain sentinel.
func translate(err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	switch {
	case err == nil:
		return nil
	case hasCode(err, notFoundCodes):
		return fmt.Errorf("%s: %w (%w)", doing, recsys.ErrNotFound, err)
	case hasCode(err, preconditionCodes):
		return fmt.Errorf("%s: %w (%w)", doing, recsys.ErrConflict, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func hasCode(err error, codes []string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}
