package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// VerifyVersionInput names the version and the gates whose refusal is
// overridden.
type VerifyVersionInput struct {
	Version int64             `json:"version"`
	Accept  map[string]string `json:"accept,omitempty"` // gate name to reason
}

// VerifyVersionResult is the result of the gates, and the live version that
// they compared with.
type VerifyVersionResult struct {
	Gates   []recsys.GateResult `json:"gates"`
	Refused bool                `json:"refused"`
	To      time.Time           `json:"to"` // end of the events that the version covers

	LiveRevision int64     `json:"live_revision"` // 0: no version is live
	LiveVersion  int64     `json:"live_version,omitempty"`
	LiveTo       time.Time `json:"live_to,omitzero"`
}

// VerifyVersion computes every gate and records the results: the version
// becomes ready or refused. It is repeated if another version was promoted in
// the meantime. A refusal is a result, not an error. It heartbeats the gate
// that is being computed.
func (a *Activities) VerifyVersion(ctx context.Context, in VerifyVersionInput) (VerifyVersionResult, error) {
	beat := a.report(ctx)
	defer beat.stop()
	v, err := a.Versions.Version(ctx, in.Version)
	if err != nil {
		return VerifyVersionResult{}, err
	}
	// Read before the gates: if another version is promoted while they run, the
	// promotion fails with a conflict.
	live, err := a.Versions.Live(ctx)
	if err != nil && !errors.Is(err, recsys.ErrNoLiveVersion) {
		return VerifyVersionResult{}, err
	}
	gates, err := a.Gates.Check(ctx, in.Version, in.Accept, func(gate string) { beat.set(Note{Detail: "gate " + gate}) })
	if err != nil {
		return VerifyVersionResult{}, err
	}
	result := VerifyVersionResult{
		Gates:        gates,
		Refused:      slices.ContainsFunc(gates, recsys.GateResult.Refuses),
		To:           v.Coverage.To,
		LiveRevision: live.Revision,
		LiveVersion:  live.Version.ID,
		LiveTo:       live.Version.Coverage.To,
	}
	mark := a.Versions.MarkReady
	if result.Refused {
		mark = a.Versions.MarkRefused
	}
	return result, mark(ctx, in.Version, gates)
}
