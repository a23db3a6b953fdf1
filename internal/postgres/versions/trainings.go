package versions

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/recsys"
)

// RunningTraining is a training whose baseline is kept, and its owner.
type RunningTraining struct {
	RunID string
	Owner Owner
}

// StartTraining records the baseline of a training and returns it. A repeated call
// returns the first one. Until EndTraining, no event is deleted that the baseline does
// not cover.
//
// The baseline is the coverage of the live version. If none is live, it is that of the
// deleted events. If an operator has accepted the events of the bucket up to a later
// time, it is that time.
func (s *Store) StartTraining(ctx context.Context, runID string, owner Owner) (b recsys.Baseline, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		h, err := readHorizon(ctx, tx, "FOR SHARE") // a deletion of events waits
		if err != nil {
			return err
		}
		live, err := readLive(ctx, tx)
		if err != nil && !errors.Is(err, recsys.ErrNoLiveVersion) {
			return err
		}
		b = chooseBaseline(live.Version, h)
		_, err = tx.Exec(ctx, `
			INSERT INTO recflow.trainings (run_id, baseline_version, baseline_to, baseline_stored_to, workflow_id, workflow_run_id)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (run_id) DO NOTHING`, runID, b.Version, b.To, b.StoredTo, owner.WorkflowID, owner.RunID)
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT baseline_version, baseline_to, baseline_stored_to FROM recflow.trainings WHERE run_id = $1", runID).
			Scan(&b.Version, &b.To, &b.StoredTo)
	})
	if err != nil {
		return recsys.Baseline{}, fmt.Errorf("start training %s: %w", runID, err)
	}
	return b, nil
}

// Baseline returns the baseline of a training that would start now.
func (s *Store) Baseline(ctx context.Context) (recsys.Baseline, error) {
	h, err := s.Horizon(ctx)
	if err != nil {
		return recsys.Baseline{}, err
	}
	live, err := s.Live(ctx)
	if err != nil && !errors.Is(err, recsys.ErrNoLiveVersion) {
		return recsys.Baseline{}, err
	}
	return chooseBaseline(live.Version, h), nil
}

func chooseBaseline(live recsys.Version, h recsys.Horizon) recsys.Baseline {
	b := recsys.Baseline{Version: live.ID, To: live.Coverage.To, StoredTo: live.Coverage.StoredTo}
	if live.ID == 0 {
		b.To, b.StoredTo = h.OccurredBefore, h.StoredBefore
	}
	if h.TrustedBefore.After(b.StoredTo) {
		b = recsys.Baseline{To: h.TrustedBefore, StoredTo: h.TrustedBefore}
	}
	return b
}

// RunningTrainings returns the trainings that have not ended.
func (s *Store) RunningTrainings(ctx context.Context) ([]RunningTraining, error) {
	rows, err := s.db.Query(ctx, "SELECT run_id, workflow_id, workflow_run_id FROM recflow.trainings ORDER BY run_id")
	if err == nil {
		var out []RunningTraining
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t RunningTraining, err error) {
			return t, row.Scan(&t.RunID, &t.Owner.WorkflowID, &t.Owner.RunID)
		})
		if err == nil {
			return out, nil
		}
	}
	return nil, fmt.Errorf("running trainings: %w", err)
}

// EndTraining releases the baseline of a training. It is idempotent.
func (s *Store) EndTraining(ctx context.Context, runID string) error {
	if _, err := s.db.Exec(ctx, "DELETE FROM recflow.trainings WHERE run_id = $1", runID); err != nil {
		return fmt.Errorf("end training %s: %w", runID, err)
	}
	return nil
}
