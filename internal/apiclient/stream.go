package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// StreamStatus is statistics of the recent events of the stream.
type StreamStatus struct {
	Since     time.Time      `json:"since" doc:"Start of the period: only verdicts written after it are counted."`
	Seconds   float64        `json:"seconds" doc:"Length of the period in seconds."`
	Events    int64          `json:"events" doc:"Events with a verdict in the period."`
	PerSecond float64        `json:"events_per_second"`
	Verdicts  []VerdictCount `json:"verdicts" doc:"Most frequent first, at most 200."`
	Stages    []StageShare   `json:"stages" doc:"Stages of the lists that the folded events affected, most frequent first."`
	Newest    time.Time      `json:"newest,omitzero" doc:"Time of the last verdict in the period."`
	Freshness *Latency       `json:"freshness,omitempty" doc:"Time from an event's arrival in the stream to its verdict. Absent if no event has a verdict."`
}

// VerdictCount is the number of events with a verdict and reason.
type VerdictCount struct {
	Verdict string `json:"verdict" enum:"folded,ignored,quarantined"`
	Reason  string `json:"reason,omitempty"`
	Events  int64  `json:"events"`
}

// StageShare is the number of folded events that affected a list of a stage.
type StageShare struct {
	Stage  string  `json:"stage"`
	Events int64   `json:"events"`
	Share  float64 `json:"share" doc:"Share of all folded events, 0 to 1."`
}

// Latency is quantiles of a time, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
}

// Replayed is what a request sent to the stream again.
type Replayed struct {
	Batches        int      `json:"batches" doc:"Batches whose records are all in the stream."`
	Records        int      `json:"records" doc:"Records of these batches."`
	Remaining      bool     `json:"remaining" doc:"There are more batches: repeat the request."`
	WithoutRecords []string `json:"without_records" doc:"Keys of objects that have no records, only metadata."`
}

// StreamQuality compares lists that include the streamed events with lists of
// the version alone.
type StreamQuality struct {
	Items []StageQuality `json:"items" doc:"Newest version first: one entry per stage, and one for all stages if there are several. Empty before the first evaluation."`
}

// AllStages is the stage of the total of a version.
const AllStages = "all"

// StageQuality compares, for the evaluated events of one version and stage, the
// live state with the version alone. A hit is an item among the first 20.
type StageQuality struct {
	Version         int64   `json:"version"`
	Stage           string  `json:"stage" doc:"Stage of the live list; all: the total of the version." example:"personalized"`
	Events          int64   `json:"events" doc:"Number of evaluated events."`
	LiveHits        int64   `json:"live_hits" doc:"Hits with the live state."`
	StaleHits       int64   `json:"stale_hits" doc:"Hits with the version alone."`
	OnlyLive        int64   `json:"only_live" doc:"Hits with the live state that the version alone misses."`
	OnlyStale       int64   `json:"only_stale" doc:"Hits with the version alone that the live state misses."`
	LiveReciprocal  float64 `json:"live_reciprocal_rank" doc:"Mean of 1/rank, 0 beyond the first hundred."`
	StaleReciprocal float64 `json:"stale_reciprocal_rank"`
	LiveRate        float64 `json:"live_hit_rate_20"`
	StaleRate       float64 `json:"stale_hit_rate_20"`
	Difference      float64 `json:"difference" doc:"live_hit_rate_20 minus stale_hit_rate_20."`
	Low             float64 `json:"difference_low" doc:"Lower end of the paired 95 % interval."`
	High            float64 `json:"difference_high"`
}

// StreamStatus returns statistics of the stream in the given time before now,
// at most seven days; 0 means the server's default.
func (c *Client) StreamStatus(ctx context.Context, last time.Duration) (s StreamStatus, err error) {
	q := url.Values{}
	if last > 0 {
		q.Set("last", number(last.Milliseconds())+"ms")
	}
	_, err = c.Do(ctx, http.MethodGet, "/stream", q, nil, nil, &s)
	return s, err
}

// StreamQuality returns how much the streamed events improve lists.
func (c *Client) StreamQuality(ctx context.Context) (s StreamQuality, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/stream/quality", nil, nil, nil, &s)
	return s, err
}

// ReplayFailed sends batches that the mapping gave up to the stream again. Repeat it
// while Remaining is true.
func (c *Client) ReplayFailed(ctx context.Context) (r Replayed, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/stream/replay-failed", nil, nil, nil, &r)
	return r, err
}
