package gates

import (
	"context"

	"github.com/recflow/recflow/internal/recsys"
)

// shrinkage is the minimum number of rows as a share of the live version's.
const shrinkage = 0.5

// checkRows refuses a version whose tables differ from its manifest, or that
// has less than half of the live version's rows, which indicates a training on
// partial data.
func checkRows(ctx context.Context, s *subject) (recsys.GateResult, error) {
	items, users, holdout, err := s.embeddings.CountRows(ctx, s.version)
	if err != nil {
		return recsys.GateResult{}, err
	}
	for _, table := range []struct {
		kind string
		rows int64
	}{{recsys.ItemsFile, items}, {recsys.UsersFile, users}, {recsys.HoldoutFile, holdout}} {
		if want := s.manifest.Rows(table.kind); table.rows != want {
			return refused(float64(table.rows), float64(want),
				"table %s has %d rows and the manifest says %d; load the run again, or train again if its files were changed",
				table.kind, table.rows, want), nil
		}
	}
	if s.live == nil {
		return passed(float64(items), float64(s.manifest.Rows(recsys.ItemsFile)),
			"%d items, %d users and %d hold-out events as the manifest says; no live version to compare with", items, users, holdout), nil
	}
	for _, table := range []struct {
		kind      string
		rows, was int64
	}{{recsys.ItemsFile, items, s.live.Version.Items}, {recsys.UsersFile, users, s.live.Version.Users}} {
		if least := shrinkage * float64(table.was); float64(table.rows) < least {
			return refused(float64(table.rows), least,
				"%d %s are under half of the %d that live version %d has; check the range and the input of the training",
				table.rows, table.kind, table.was, s.live.Version.ID), nil
		}
	}
	return passed(float64(items), shrinkage*float64(s.live.Version.Items),
		"%d items, %d users and %d hold-out events as the manifest says; live version %d has %d and %d",
		items, users, holdout, s.live.Version.ID, s.live.Version.Items, s.live.Version.Users), nil
}
