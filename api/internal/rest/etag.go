package rest

import (
	"net/http"
	"strings"
)

// RequireMatch returns a problem unless ifMatch, the If-Match header, contains etag,
// the ETag of the current state.
func RequireMatch(ifMatch, etag string) error {
	if ifMatch == "" {
		return Fail(http.StatusPreconditionRequired, "if_match_required", "the request has no If-Match header",
			"send the ETag of the GET response as If-Match")
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag {
			return nil
		}
	}
	return Fail(http.StatusPreconditionFailed, "stale", "the resource has changed since it was read", "read it again and decide again")
}
