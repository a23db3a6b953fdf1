package awsclient

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/smithy-go"

	"github.com/recflow/recflow/internal/recsys"
)

// Codes of answers that repeating the call cannot change. Everything else is
// worth another attempt later: throttling, 5xx, lost connections, and Glue's
// ConcurrentRunsExceededException, which ends when another run does.
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
	// preconditionCodes: the object exists already, or changed under a reader.
	preconditionCodes = []string{"PreconditionFailed"}
)

// ErrTooLarge says that an object is larger than the caller accepts.
var ErrTooLarge = errors.New("object too large")

// Retryable tells whether the same call can succeed later. A cancelled context,
// something that does not exist, a lost compare-and-set and input that AWS
// refuses are final; everything else, known or unknown, is not.
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

// ConcurrentRunsExceeded tells whether Glue refused a run because the job
// already has as many as it may have. Wait for one to end.
func ConcurrentRunsExceeded(err error) bool {
	return hasCode(err, []string{"ConcurrentRunsExceededException"})
}

// Throttled tells whether AWS refused a call, or a record of one, because there
// were too many.
func Throttled(err error) bool {
	return hasCode(err, []string{"ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException", "KMSThrottlingException"})
}

// translate says what was being done and gives the errors that callers act on
// their domain sentinel beside the SDK's error.
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
