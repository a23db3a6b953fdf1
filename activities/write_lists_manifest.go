package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/recsys"
)

// WriteListsManifest writes the manifest of a lists backfill if all its windows have
// succeeded. It deletes objects of the run that the ledger does not name, and returns
// recsys.ErrConflict if one that it names is missing or has another size. The
// manifest depends only on the ledger, so a retry writes the same bytes.
func (a *Activities) WriteListsManifest(ctx context.Context, in BackfillRound) error {
	b, err := a.Ledger.Backfill(ctx, in.ID)
	if err != nil || b.Count.Succeeded < b.Count.Total {
		return err
	}
	var settings backfill.ListSettings
	if err := json.Unmarshal(b.Request, &settings); err != nil {
		return fmt.Errorf("settings of backfill %s: %w", b.ID, err)
	}
	m := backfill.NewListsManifest(b, settings)
	key := backfill.ListsManifestKey(m.RunID)
	if err := a.checkLists(ctx, m, key); err != nil {
		return err
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return notWritten(ctx, a.S3.Put(ctx, key, bytes.NewReader(data)))
}

// checkLists compares the objects of a run with its manifest.
func (a *Activities) checkLists(ctx context.Context, m backfill.ListsManifest, manifestKey string) error {
	missing := map[string]int64{}
	for _, f := range m.Files {
		missing[f.Key] = f.Bytes
	}
	var others []string
	for o, err := range a.S3.List(ctx, backfill.ListsRunPrefix(m.RunID)) {
		if err != nil {
			return notWritten(ctx, err)
		}
		size, named := missing[o.Key]
		switch {
		case named && size != o.Size:
			return fmt.Errorf("%w: %s has %d bytes, not %d; start the backfill again", recsys.ErrConflict, o.Key, o.Size, size)
		case named:
			delete(missing, o.Key)
		case o.Key != manifestKey:
			others = append(others, o.Key)
		}
	}
	for _, f := range m.Files {
		if _, is := missing[f.Key]; is {
			return fmt.Errorf("%w: %s is not in the bucket; start the backfill again", recsys.ErrConflict, f.Key)
		}
	}
	return notWritten(ctx, a.S3.DeleteObjects(ctx, others...))
}
