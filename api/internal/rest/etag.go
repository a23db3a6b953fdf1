package rest

import (
	"net/http"
	"strings"
)

// RequireMatch refuses a change by a caller who has not seen the current state:
// ifMatch is what the request says it saw, etag what is.
func RequireMatch(ifMatch, etag string) error {
	if ifMatch == "" {
		return Fail(http.StatusPreconditionRequired, "if_match_required", "the request does not say which state it was decided on",
			"send the ETag of the GET as If-Match")
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag {
			return nil
		}
	}
	return Fail(http.StatusPreconditionFailed, "stale", "it was changed since you looked", "look again and decide again")
}
