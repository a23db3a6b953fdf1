package awsdoctor

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/aws/smithy-go"
)

// The results of a check.
const (
	OK   = "ok"
	Fail = "fail"
	Skip = "skipped" // could not be checked; the detail gives the reason
)

// Check is the result of one check.
type Check struct {
	Name   string `json:"check"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// apply is the fix for a resource that no longer matches Terraform.
const apply = "run `terraform plan` to see what differs; then `terraform apply`"

func ok(name, detail string, args ...any) Check {
	return Check{Name: name, State: OK, Detail: fmt.Sprintf(detail, args...)}
}

func bad(name, fix, detail string, args ...any) Check {
	return Check{Name: name, State: Fail, Detail: fmt.Sprintf(detail, args...), Fix: fix}
}

func skipped(name, fix, detail string, args ...any) Check {
	return Check{Name: name, State: Skip, Detail: fmt.Sprintf(detail, args...), Fix: fix}
}

// is returns a passed or failed check.
func is(name string, holds bool, detail, otherwise, fix string) Check {
	if holds {
		return ok(name, "%s", detail)
	}
	return bad(name, fix, "%s", otherwise)
}

// trouble returns the check for a failed call: the caller lacks a permission, the
// resource does not exist, or another error occurred.
func trouble(name, action string, err error) Check {
	switch {
	case denied(err):
		return bad(name, "grant yourself "+action, "not checked: %s is denied", action)
	case missing(err):
		return bad(name, apply, "it does not exist")
	}
	return bad(name, "try again; "+apply, "%s", cause(err))
}

func denied(err error) bool {
	return hasCode(err, http.StatusForbidden,
		"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "Forbidden", "UnauthorizedOperation")
}

func missing(err error) bool {
	return hasCode(err, http.StatusNotFound,
		"NotFound", "NoSuchBucket", "NoSuchKey", "NoSuchEntity", "ResourceNotFoundException", "EntityNotFoundException", "ClusterNotFoundException")
}

// hasCode reports whether AWS returned one of the error codes or, for a response
// without a body, the status.
func hasCode(err error, status int, codes ...string) bool {
	var api smithy.APIError
	if errors.As(err, &api) && slices.Contains(codes, api.ErrorCode()) {
		return true
	}
	var response *smithyhttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() == status
}

// cause returns a short form of the error.
func cause(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return fmt.Sprintf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	return err.Error()
}

// Healthy returns an error if a check failed.
func Healthy(checks []Check) error {
	n := 0
	for _, c := range checks {
		if c.State == Fail {
			n++
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return errors.New("1 check failed")
	}
	return fmt.Errorf("%d checks failed", n)
}
