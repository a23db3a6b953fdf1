// Package telemetry writes metrics and logs. Metrics are lines in CloudWatch
// embedded metric format on standard output. Callers define what is measured.
package telemetry

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Namespace is the CloudWatch namespace of all recflow metrics.
const Namespace = "recflow"

// Units of metrics, by CloudWatch's names.
const (
	Count        = "Count"
	Milliseconds = "Milliseconds"
	Seconds      = "Seconds"
)

// Metric is one measured value.
type Metric struct {
	Name  string
	Unit  string
	Value float64
}

// Line is a set of metrics with one timestamp.
type Line struct {
	Namespace  string
	Dimensions []Dimension // dimensions of all metrics of the line
	At         time.Time
	Metrics    []Metric
}

// Dimension is a name and its value. Use few values: every combination is a
// separate, billed metric.
type Dimension struct{ Name, Value string }

// Write writes the line with a single call of Write.
func (l Line) Write(w io.Writer) error {
	type unit struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []unit
	}
	d := directive{Namespace: l.Namespace, Dimensions: [][]string{{}}, Metrics: make([]unit, len(l.Metrics))}
	line := make(map[string]any, len(l.Metrics)+len(l.Dimensions)+1)
	for _, dimension := range l.Dimensions {
		d.Dimensions[0] = append(d.Dimensions[0], dimension.Name)
		line[dimension.Name] = dimension.Value
	}
	for i, m := range l.Metrics {
		d.Metrics[i] = unit{m.Name, m.Unit}
		line[m.Name] = m.Value
	}
	line["_aws"] = struct {
		Timestamp         int64
		CloudWatchMetrics []directive
	}{l.At.UnixMilli(), []directive{d}}
	data, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encode metrics: %w", err)
	}
	_, err = w.Write(append(data, '\n'))
	return err
}
