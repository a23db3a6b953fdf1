package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/activity"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/recsys"
)

// ReadManifestInput names the training run.
type ReadManifestInput struct {
	RunID string `json:"run_id"`
}

// ReadManifestResult is the part of the manifest that the workflow needs.
type ReadManifestResult struct {
	Files     int   `json:"files"`
	Rows      int64 `json:"rows"`
	Dimension int   `json:"dimension"`
}

// ReadManifest reads and checks the manifest of a run. It only reads.
func (a *Activities) ReadManifest(ctx context.Context, in ReadManifestInput) (ReadManifestResult, error) {
	m, err := a.manifest(ctx, in.RunID)
	if err != nil {
		return ReadManifestResult{}, err
	}
	result := ReadManifestResult{Files: len(m.Files), Dimension: m.Dimension}
	for _, f := range m.Files {
		result.Rows += f.Rows
	}
	return result, nil
}

// manifest reads and checks the manifest of a run from the bucket.
func (a *Activities) manifest(ctx context.Context, runID string) (*recsys.Manifest, error) {
	data, err := a.S3.Get(ctx, recsys.ManifestKey(runID), recsys.MaxManifestBytes)
	switch {
	case errors.Is(err, recsys.ErrNotFound):
		// S3 is strongly consistent: an object that a run wrote before it
		// succeeded is visible.
		return nil, fmt.Errorf("%w: run %s has ended without a manifest: %w", recsys.ErrManifestInvalid, runID, err)
	case awsclient.Forbidden(err):
		return nil, forbidden(activity.GetInfo(ctx).Attempt, recsys.ManifestKey(runID), err)
	case errors.Is(err, awsclient.ErrTooLarge):
		return nil, fmt.Errorf("%w: %w", recsys.ErrManifestInvalid, err)
	case err != nil:
		return nil, err
	}
	return recsys.ParseManifest(runID, data)
}
