package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// record writes the history of a run for the replay tests of package workflows,
// under the name of the test. Commit only those that the replay tests need.
func (s *stage) record(workflowID, runID string) {
	s.t.Helper()
	s.recorded++
	var h history.History
	events := s.temporal.GetWorkflowHistory(s.t.Context(), workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(s.t, err)
		h.Events = append(h.Events, e)
	}
	content, err := protojson.Marshal(&h)
	require.NoError(s.t, err)
	name := strings.TrimPrefix(strings.ReplaceAll(s.t.Name(), "/", "-"), "Test")
	file := filepath.Join("..", "workflows", "testdata", "histories", fmt.Sprintf("%s-%d.json", name, s.recorded))
	require.NoError(s.t, os.WriteFile(file, content, 0o644))
}
