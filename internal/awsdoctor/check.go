package awsdoctor

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/aws/smithy-go"
)

// The verdicts of a check.
const (
	OK   = "ok"
	Fail = "fail"
	Skip = "skipped" // it could not be looked at, as the detail says
)

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"check"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// apply is the fix for what Terraform made and somebody changed.
const apply = "run `terraform plan`: it shows what differs; then `terraform apply`"

func ok(name, detail string, args ...any) Check {
	return Check{Name: name, State: OK, Detail: fmt.Sprintf(detail, args...)}
}

func bad(name, fix, detail string, args ...any) Check {
	return Check{Name: name, State: Fail, Detail: fmt.Sprintf(detail, args...), Fix: fix}
}

func skipped(name, fix, detail string, args ...any) Check {
	return Check{Name: name, State: Skip, Detail: fmt.Sprintf(detail, args...), Fix: fix}
}

// is is a check of a plain fact.
func is(name string, holds bool, detail, otherwise, fix string) Check {
	if holds {
		return ok(name, "%s", detail)
	}
	return bad(name, fix, "%s", otherwise)
}

// trouble is the check whose call failed: because the caller may not make it,
// because what it asks for does not exist, or for another reason.
func trouble(name, action string, err error) Check {
	switch {
	case denied(err):
		return bad(name, "allow yourself "+action, "you may not look: %s is denied", action)
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

// hasCode tells whether AWS answered with one of the codes, or, where an answer
// has no body to hold one, with the status.
func hasCode(err error, status int, codes ...string) bool {
	var api smithy.APIError
	if errors.As(err, &api) && slices.Contains(codes, api.ErrorCode()) {
		return true
	}
	var response *smithyhttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() == status
}

// cause is the error in a few words.
func cause(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return fmt.Sprintf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	return err.Error()
}

// Healthy is an error when a check failed.
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
