package iam

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Call is one AWS call of a component. A call with a Problem could not be
// classified: the recorder has a bug, or the call is unexpected.
type Call struct {
	Component string `json:"component"`
	Request
	Problem string `json:"problem,omitempty"`
}

func (c Call) String() string {
	if c.Problem != "" {
		return fmt.Sprintf("%s: %s", c.Component, c.Problem)
	}
	text := fmt.Sprintf("%s: %s on %s", c.Component, c.Action, c.Resource)
	for _, k := range slices.Sorted(maps.Keys(c.Context)) {
		text += fmt.Sprintf(", %s = %q", k, c.Context[k])
	}
	return text
}

// compare orders calls, so that a file of them is deterministic.
func (c Call) compare(d Call) int {
	return cmp.Or(cmp.Compare(c.Component, d.Component), cmp.Compare(c.Action, d.Action),
		cmp.Compare(c.String(), d.String()))
}

// Distinct returns the calls sorted and without duplicates.
func Distinct(calls []Call) []Call {
	calls = slices.Clone(calls)
	slices.SortFunc(calls, Call.compare)
	return slices.CompactFunc(calls, func(c, d Call) bool { return c.compare(d) == 0 })
}

// ReadCalls reads recorded calls from lines of JSON.
func ReadCalls(r io.Reader) ([]Call, error) {
	var calls []Call
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var c Call
		if err := strict(lines.Bytes(), &c); err != nil {
			return nil, fmt.Errorf("line %d of the recorded calls: %w", n, err)
		}
		calls = append(calls, c)
	}
	return calls, lines.Err()
}

// WriteCalls writes calls in the format of ReadCalls.
func WriteCalls(w io.Writer, calls []Call) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	var errs []error
	for _, c := range calls {
		errs = append(errs, enc.Encode(c))
	}
	return errors.Join(errs...)
}

// Names are the resource names of one installation. A recorded call has
// placeholders such as ${bucket}, so that it can be compared with the policies of
// any installation.
type Names map[string]string

// Placeholders in recorded calls.
const (
	Bucket          = "${bucket}"          // ARN
	Stream          = "${stream}"          // ARN
	GlueJob         = "${glue_job}"        // ARN
	Recommendations = "${recommendations}" // ARN of the delivery stream
	Events          = "${events}"          // ARN of the delivery stream
	Quarantine      = "${quarantine}"      // ARN of the delivery stream
	Topic           = "${topic}"           // ARN of the topic of outcomes
	Key             = "${key}"             // ARN of the KMS key
	Failures        = "${failures}"        // prefix of the mapping's failed batches in the bucket
)

// Abstract replaces this installation's resource names by placeholders.
func (n Names) Abstract(calls []Call) []Call {
	var pairs []string
	// Replace the longest first: of two names with a common prefix it is more
	// specific.
	for _, name := range slices.SortedFunc(maps.Keys(n), func(a, b string) int { return len(n[b]) - len(n[a]) }) {
		if n[name] != "" {
			pairs = append(pairs, n[name], name)
		}
	}
	return replaced(calls, strings.NewReplacer(pairs...))
}

// Concrete replaces placeholders by this installation's resource names. A
// placeholder without a name stays, and matches no policy.
func (n Names) Concrete(calls []Call) []Call {
	var pairs []string
	for name, text := range n {
		pairs = append(pairs, name, text)
	}
	return replaced(calls, strings.NewReplacer(pairs...))
}

func replaced(calls []Call, r *strings.Replacer) []Call {
	out := slices.Clone(calls)
	for i := range out {
		out[i].Resource = r.Replace(out[i].Resource)
		if out[i].Context != nil {
			out[i].Context = maps.Clone(out[i].Context)
			for k, v := range out[i].Context {
				out[i].Context[k] = r.Replace(v)
			}
		}
	}
	return out
}

// Of returns the calls of some components.
func Of(calls []Call, components ...string) (out []Call) {
	for _, c := range calls {
		if slices.Contains(components, c.Component) {
			out = append(out, c)
		}
	}
	return out
}
