package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// StreamStatus says what became of the latest events, and how fast.
type StreamStatus struct {
	Since     time.Time      `json:"since" doc:"The verdicts counted were written after this."`
	Seconds   float64        `json:"seconds" doc:"Length of the period."`
	Events    int64          `json:"events" doc:"Events with a verdict in the period."`
	PerSecond float64        `json:"events_per_second"`
	Verdicts  []VerdictCount `json:"verdicts" doc:"Most frequent first, at most 200."`
	Stages    []StageShare   `json:"stages" doc:"Stages of the lists that the folded events shaped, most frequent first."`
	Newest    time.Time      `json:"newest,omitzero" doc:"When the last verdict of the period was written."`
	Freshness *Latency       `json:"freshness,omitempty" doc:"Time from an event's arrival in the stream to its verdict. Absent when no event has one."`
}

// VerdictCount is how many events had a verdict for a reason.
type VerdictCount struct {
	Verdict string `json:"verdict" enum:"folded,ignored,quarantined"`
	Reason  string `json:"reason,omitempty"`
	Events  int64  `json:"events"`
}

// StageShare is how many of the folded events shaped a list of a stage.
type StageShare struct {
	Stage  string  `json:"stage"`
	Events int64   `json:"events"`
	Share  float64 `json:"share" doc:"Of all folded events, 0 to 1."`
}

// Latency holds quantiles of a time, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
}

// StreamQuality compares lists that follow the stream with lists of the version
// alone.
type StreamQuality struct {
	Items []StageQuality `json:"items" doc:"Newest version first: one entry for each stage, and then one for all of them when there are several. Empty before the first evaluation."`
}

// AllStages is the stage of the entry that sums up a version.
const AllStages = "all"

// StageQuality compares, for the evaluated events of one version and stage, the
// live state with the version alone. A hit is an item among the first 20.
type StageQuality struct {
	Version         int64   `json:"version"`
	Stage           string  `json:"stage" doc:"Of the live list; all sums up the version." example:"personalised"`
	Events          int64   `json:"events" doc:"Events evaluated."`
	LiveHits        int64   `json:"live_hits" doc:"Hits under the live state."`
	StaleHits       int64   `json:"stale_hits" doc:"Hits under the version alone."`
	OnlyLive        int64   `json:"only_live" doc:"Hits under the live state that the version alone misses."`
	OnlyStale       int64   `json:"only_stale" doc:"Hits under the version alone that the live state misses."`
	LiveReciprocal  float64 `json:"live_reciprocal_rank" doc:"Mean of 1/rank, 0 beyond the first hundred."`
	StaleReciprocal float64 `json:"stale_reciprocal_rank"`
	LiveRate        float64 `json:"live_hit_rate_20"`
	StaleRate       float64 `json:"stale_hit_rate_20"`
	Difference      float64 `json:"difference" doc:"live_hit_rate_20 minus stale_hit_rate_20."`
	Low             float64 `json:"difference_low" doc:"Of the paired 95 % interval."`
	High            float64 `json:"difference_high"`
}

// StreamStatus reads what became of the events of the last while, at most seven
// days; 0 takes the server's default.
func (c *Client) StreamStatus(ctx context.Context, last time.Duration) (s StreamStatus, err error) {
	q := url.Values{}
	if last > 0 {
		q.Set("last", number(last.Milliseconds())+"ms")
	}
	_, err = c.Do(ctx, http.MethodGet, "/stream", q, nil, nil, &s)
	return s, err
}

// StreamQuality reads how much better lists are for following the stream.
func (c *Client) StreamQuality(ctx context.Context) (s StreamQuality, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/stream/quality", nil, nil, nil, &s)
	return s, err
}
