package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"
)

// record keeps the history of a run for the replay tests of package workflows,
// under the name of the test.
func (s *stage) record(run client.WorkflowRun) {
	s.t.Helper()
	var h history.History
	events := s.temporal.GetWorkflowHistory(s.t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(s.t, err)
		h.Events = append(h.Events, e)
	}
	content, err := protojson.Marshal(&h)
	require.NoError(s.t, err)
	name := strings.NewReplacer("/", "-", "TestRefresh_", "").Replace(s.t.Name())
	require.NoError(s.t, os.WriteFile(filepath.Join("..", "workflows", "testdata", "histories", name+".json"), content, 0o600))
}
