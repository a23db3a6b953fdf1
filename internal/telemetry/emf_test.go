package telemetry_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/telemetry"
)

func TestLine(t *testing.T) {
	t.Parallel()
	l := telemetry.Line{
		Namespace:  "recflow",
		Dimensions: []telemetry.Dimension{{Name: "Function", Value: "f"}},
		At:         time.UnixMilli(1700000000123),
		Metrics:    []telemetry.Metric{{Name: "Events", Unit: telemetry.Count, Value: 3}, {Name: "Time", Unit: telemetry.Milliseconds, Value: 1.5}},
	}
	var out bytes.Buffer
	require.NoError(t, l.Write(&out))
	assert.Equal(t, `{"Events":3,"Function":"f","Time":1.5,"_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[`+
		`{"Namespace":"recflow","Dimensions":[["Function"]],"Metrics":[{"Name":"Events","Unit":"Count"},{"Name":"Time","Unit":"Milliseconds"}]}]}}`+"\n",
		out.String(), "it writes one line of the embedded metric format")

	l.Metrics[0].Value = math.NaN()
	assert.Error(t, l.Write(&out), "it rejects values that are not numbers")
}
