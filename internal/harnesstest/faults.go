package harnesstest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Faults counts injected faults by kind and fails a test that was to survive faults
// but injected none. It is safe for concurrent use.
type Faults struct {
	mu       sync.Mutex
	injected map[string]int
	promised []string
}

// CountFaults returns a counter that logs its counts when the test ends. It fails a
// test that passed but injected no fault, or none of a promised kind.
func CountFaults(t testing.TB, promised ...string) *Faults {
	t.Helper()
	f := &Faults{injected: map[string]int{}, promised: promised}
	t.Cleanup(func() { f.report(t) })
	return f
}

// Inject counts one fault. Call it where the fault takes effect, not where it is
// planned.
func (f *Faults) Inject(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.injected[kind]++
}

// Promise adds kinds of which the test must inject at least one each.
func (f *Faults) Promise(kinds ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.promised = append(f.promised, kinds...)
}

// Injected returns the number of injected faults of a kind.
func (f *Faults) Injected(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.injected[kind]
}

func (f *Faults) report(t testing.TB) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.Skipped() {
		return
	}
	t.Logf("injected faults: %s", f.summary())
	if t.Failed() {
		return // the test may have ended before its faults
	}
	if len(f.injected) == 0 {
		t.Error("the test injected no fault")
	}
	for _, kind := range f.promised {
		if f.injected[kind] == 0 {
			t.Errorf("the test injected no fault of kind %q", kind)
		}
	}
}

// summary lists the kinds with their counts. The caller holds f.mu.
func (f *Faults) summary() string {
	var counts []string
	for _, kind := range slices.Sorted(maps.Keys(f.injected)) {
		counts = append(counts, fmt.Sprintf("%s %d×", kind, f.injected[kind]))
	}
	if counts == nil {
		return "none"
	}
	return strings.Join(counts, ", ")
}
