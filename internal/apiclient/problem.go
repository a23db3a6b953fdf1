package apiclient

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ProblemType is the content type of a Problem.
const ProblemType = "application/problem+json"

// Problem describes why a request failed, as defined by RFC 9457. Code, Next,
// TraceID and Errors are extensions. It never contains a value from the
// request.
type Problem struct {
	Type    string    `json:"type" format:"uri-reference" doc:"Identifies the kind of problem." example:"/docs#errors"`
	Title   string    `json:"title" doc:"Name of the HTTP status." example:"Conflict"`
	Status  int       `json:"status" minimum:"400" maximum:"599" doc:"HTTP status." example:"409"`
	Code    string    `json:"code" doc:"Machine-readable code, stable between releases." example:"conflict"`
	Detail  string    `json:"detail" doc:"What happened, as a sentence." example:"version 7 was promoted in the meantime"`
	Next    string    `json:"next,omitempty" doc:"What to do next." example:"look at GET /live and decide again"`
	TraceID string    `json:"trace_id" doc:"Identifies this request in the logs and the audit." example:"4bf92f3577b34da6a3ce929d0e0e4736"`
	Errors  []Mistake `json:"errors,omitempty" doc:"The invalid fields, if the request was invalid."`

	RetryAfter time.Duration `json:"-"` // header Retry-After; 0: absent
}

// Mistake is an invalid field of a request.
type Mistake struct {
	Location string `json:"location,omitempty" doc:"Location of the invalid value, such as body.events[3]." example:"body.from"`
	Message  string `json:"message" doc:"Reason the value is invalid." example:"expected string to be RFC 3339 date-time"`
}

// Error returns the detail and what to do next.
func (p *Problem) Error() string {
	text := p.Detail
	for i, m := range p.Errors {
		separator := ": "
		if i > 0 {
			separator = "; "
		}
		text += separator + strings.TrimSpace(m.Location+" "+m.Message)
	}
	if p.Next != "" {
		text += "; " + p.Next
	}
	return text
}

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the response headers of the problem.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int((p.RetryAfter+time.Second-1)/time.Second))))
	}
	return h
}

// ContentType returns ProblemType, for any requested type.
func (p *Problem) ContentType(string) string { return ProblemType }
