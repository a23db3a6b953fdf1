package main

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/recsys"
)

// maxPeriod is the longest period of a request for verdict counts.
const maxPeriod = 7 * 24 * time.Hour

func (s *server) streamRoutes() {
	tags := []string{"Stream"}
	rest.Register(s.api, huma.Operation{OperationID: "get-stream", Method: http.MethodGet, Path: "/stream", Tags: tags,
		Summary: "Show the verdicts of recent events, and their latency",
		Description: "Counts the verdicts of the period by reason, the stages of the lists that the events affected, and the time from an event's arrival " +
			"in the stream to its verdict. For the lag of the stream, see the CloudWatch metric IteratorAge."},
		rest.Access{Scope: apiclient.ScopeRead, Timeout: heavyTimeout, Slots: s.heavy}, s.getStream)
	rest.Register(s.api, huma.Operation{OperationID: "get-stream-quality", Method: http.MethodGet, Path: "/stream/quality", Tags: tags,
		Summary: "Compare lists that include streamed events with lists of the version alone",
		Description: "For a sample of the events, before they are folded in, the stream records the rank of the event's item in the user's list (live) and in " +
			"the list of the version alone (stale). The interval of the difference is paired. Events of one user are correlated, so an interval over few users is too narrow."},
		rest.Access{Scope: apiclient.ScopeRead, Timeout: heavyTimeout, Slots: s.heavy}, s.getStreamQuality)
}

type getStreamInput struct {
	Last string `query:"last" maxLength:"20" pattern:"^[0-9]+(\\.[0-9]+)?(d|h|m|s)([0-9hms.]*)$" default:"5m" doc:"Length of the period, at most 7d." example:"1h"`
}
type getStreamOutput struct{ Body apiclient.StreamStatus }

func (s *server) getStream(ctx context.Context, in *getStreamInput) (*getStreamOutput, error) {
	last, err := recsys.ParseDuration(in.Last)
	if err != nil || last < time.Millisecond || last > maxPeriod {
		return nil, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "last is not a duration from 1ms to 7d", "use 5m, 36h or 7d")
	}
	stats, err := s.events.StreamStats(ctx, last)
	if err != nil {
		return nil, err
	}
	return &getStreamOutput{streamStatusOf(stats, last)}, nil
}

// streamStatusOf maps the statistics of a period to their public form.
func streamStatusOf(s events.StreamStats, last time.Duration) apiclient.StreamStatus {
	out := apiclient.StreamStatus{
		Since: s.Since, Seconds: last.Seconds(), Events: s.Events, PerSecond: float64(s.Events) / last.Seconds(), Newest: s.Newest,
		Verdicts: rest.MapEach(s.Verdicts, func(v events.VerdictCount) apiclient.VerdictCount {
			return apiclient.VerdictCount{Verdict: v.Verdict, Reason: v.Reason, Events: v.Events}
		}),
	}
	if s.Events > 0 {
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		out.Freshness = &apiclient.Latency{P50: ms(s.P50), P95: ms(s.P95), P99: ms(s.P99)}
	}
	var folded int64
	for _, c := range s.Stages {
		folded += c.Events
	}
	out.Stages = rest.MapEach(s.Stages, func(c events.StageCount) apiclient.StageShare {
		return apiclient.StageShare{Stage: c.Stage, Events: c.Events, Share: float64(c.Events) / float64(folded)}
	})
	return out
}

type getStreamQualityOutput struct{ Body apiclient.StreamQuality }

func (s *server) getStreamQuality(ctx context.Context, _ *struct{}) (*getStreamQualityOutput, error) {
	stats, err := s.events.EvaluationStats(ctx)
	if err != nil {
		return nil, err
	}
	return &getStreamQualityOutput{apiclient.StreamQuality{Items: rest.MapEach(withTotals(stats), stageQualityOf)}}, nil
}

// stageQualityOf maps the counts of a stage to rates and the interval of their
// difference.
func stageQualityOf(s events.EvaluationStats) apiclient.StageQuality {
	n := float64(s.Events) // positive: a group without events has no row
	q := apiclient.StageQuality{
		Version: s.Version, Stage: s.Stage, Events: s.Events, LiveHits: s.LiveHits, StaleHits: s.StaleHits, OnlyLive: s.OnlyLive, OnlyStale: s.OnlyStale,
		LiveReciprocal: s.LiveReciprocal, StaleReciprocal: s.StaleReciprocal, LiveRate: float64(s.LiveHits) / n, StaleRate: float64(s.StaleHits) / n,
	}
	q.Difference = q.LiveRate - q.StaleRate
	q.Low, q.High = recsys.PairedInterval(s.OnlyLive, s.OnlyStale, s.Events)
	return q
}

// withTotals adds, after the stages of each version that has several, their sum.
func withTotals(stats []events.EvaluationStats) (out []events.EvaluationStats) {
	for len(stats) > 0 {
		n := 1
		for n < len(stats) && stats[n].Version == stats[0].Version {
			n++
		}
		out = append(out, stats[:n]...)
		if n > 1 {
			out = append(out, totalOf(stats[:n]))
		}
		stats = stats[n:]
	}
	return out
}

// totalOf sums up the stages of one version; means are weighted by events.
func totalOf(stats []events.EvaluationStats) events.EvaluationStats {
	sum := events.EvaluationStats{Version: stats[0].Version, Stage: apiclient.AllStages}
	for _, s := range stats {
		sum.Events += s.Events
		sum.LiveHits += s.LiveHits
		sum.StaleHits += s.StaleHits
		sum.OnlyLive += s.OnlyLive
		sum.OnlyStale += s.OnlyStale
		sum.LiveReciprocal += s.LiveReciprocal * float64(s.Events)
		sum.StaleReciprocal += s.StaleReciprocal * float64(s.Events)
	}
	sum.LiveReciprocal /= float64(sum.Events)
	sum.StaleReciprocal /= float64(sum.Events)
	return sum
}
