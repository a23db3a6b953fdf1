package apiclient

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ProblemType is the content type of a Problem.
const ProblemType = "application/problem+json"

// Problem says why a request was not done, as RFC 9457 lays it down. Code,
// Next, TraceID and Errors are additions of ours. It never repeats a value that
// was sent.
type Problem struct {
	Type    string    `json:"type" format:"uri-reference" doc:"Identifies the kind of problem." example:"/docs#errors"`
	Title   string    `json:"title" doc:"What the status means." example:"Conflict"`
	Status  int       `json:"status" minimum:"400" maximum:"599" doc:"The HTTP status." example:"409"`
	Code    string    `json:"code" doc:"For programs: stays the same from release to release." example:"conflict"`
	Detail  string    `json:"detail" doc:"What happened, for people." example:"version 7 went live meanwhile"`
	Next    string    `json:"next,omitempty" doc:"What to do about it." example:"look at GET /live and decide again"`
	TraceID string    `json:"trace_id" doc:"Names this request in the logs and in the audit." example:"4bf92f3577b34da6a3ce929d0e0e4736"`
	Errors  []Mistake `json:"errors,omitempty" doc:"The single mistakes, when the request itself was wrong."`

	RetryAfter time.Duration `json:"-"` // header Retry-After; 0: not said
}

// Mistake is one thing wrong with a request.
type Mistake struct {
	Location string `json:"location,omitempty" doc:"Where." example:"body.from"`
	Message  string `json:"message" doc:"What." example:"expected string to be RFC 3339 date-time"`
}

// Error is the sentence for people, with what to do next.
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

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are the headers that belong to the answer.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int((p.RetryAfter+time.Second-1)/time.Second))))
	}
	return h
}

// ContentType is that of a problem, whatever was asked for.
func (p *Problem) ContentType(string) string { return ProblemType }
