package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// liveChangesShown is the maximum number of changes of the live version in a response.
const liveChangesShown = 20

func (s *server) versionRoutes() {
	tags := []string{"Versions"}
	const matched = " Send the ETag of the GET response as If-Match. The response is 428 without it, and 412 if the version or the live version has changed since."
	rest.Register(s.api, huma.Operation{OperationID: "list-versions", Method: http.MethodGet, Path: "/versions", Tags: tags,
		Summary: "List versions, newest first"}, rest.Access{Scope: apiclient.ScopeRead}, s.listVersions)
	rest.Register(s.api, huma.Operation{OperationID: "get-version", Method: http.MethodGet, Path: "/versions/{version}", Tags: tags,
		Summary: "Show a version with its inputs, gates and metrics"}, rest.Access{Scope: apiclient.ScopeRead}, s.getVersion)
	rest.Register(s.api, huma.Operation{OperationID: "diff-versions", Method: http.MethodGet, Path: "/versions/{version}/diff/{other}", Tags: tags,
		Summary:     "Compare the lists of two versions",
		Description: "For a sample of users in both versions: the mean overlap of their lists, rank-biased overlap (Webber et al. 2010), and the share of the catalog in the lists."},
		rest.Access{Scope: apiclient.ScopeRead, Timeout: heavyTimeout, Slots: s.heavy}, s.diffVersions)
	rest.Register(s.api, huma.Operation{OperationID: "sample-version-users", Method: http.MethodGet, Path: "/versions/{version}/users", Tags: tags,
		Summary:     "Sample users of a version",
		Description: "Users with a vector in the version, in pseudorandom order: the same request returns the same users."},
		rest.Access{Scope: apiclient.ScopeRead, Timeout: heavyTimeout, Slots: s.heavy}, s.sampleUsers)
	rest.Register(s.api, huma.Operation{OperationID: "get-live", Method: http.MethodGet, Path: "/live", Tags: tags,
		Summary: "Show the live version"}, rest.Access{Scope: apiclient.ScopeRead}, s.getLive)
	rest.Register(s.api, huma.Operation{OperationID: "promote-version", Method: http.MethodPost, Path: "/versions/{version}/promote", Tags: tags,
		Summary: "Promote a version", Description: "The change is atomic: readers see either the old or the new live version. Processes that search in memory load the version first, " +
			"for which the request waits at most five seconds." + matched},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "version.promote", Timeout: prepareFor + rest.DefaultTimeout}, s.promoteVersion)
	rest.Register(s.api, huma.Operation{OperationID: "rollback", Method: http.MethodPost, Path: "/live/rollback", Tags: tags,
		Summary: "Roll back to the previous live version", Description: "Repeating the request goes further back." + matched},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "version.rollback"}, s.rollback)
	rest.Register(s.api, huma.Operation{OperationID: "pin-version", Method: http.MethodPut, Path: "/versions/{version}/pin", Tags: tags,
		Summary: "Pin or unpin a version", Description: "A pinned version is never pruned." + matched},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "version.pin"}, s.pinVersion)
	rest.Register(s.api, huma.Operation{OperationID: "delete-version", Method: http.MethodDelete, Path: "/versions/{version}", Tags: tags,
		Summary: "Delete a version",
		Description: "The metadata of the version is kept. Its data is removed by the next cleanup, which waits for current readers. The live version and pinned or loading versions " +
			"cannot be deleted. The version that a rollback would return to can only be deleted with rollback_target." + matched},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "version.delete"}, s.deleteVersion)
}

type listVersionsOutput struct{ Body apiclient.Versions }

func (s *server) listVersions(ctx context.Context, in *struct{ rest.Page }) (*listVersionsOutput, error) {
	before, err := in.Before()
	if err != nil {
		return nil, err
	}
	versions, err := s.versions.VersionsBefore(ctx, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listVersionsOutput{}
	out.Body.Items, out.Body.Next = rest.PageOf(versions, in.Limit, func(v recsys.Version) int64 { return v.ID })
	return out, nil
}

type versionInput struct {
	Version int64 `path:"version" minimum:"1"`
}

type versionReportOutput struct {
	ETag string `header:"ETag"`
	Body apiclient.VersionReport
}

func (s *server) getVersion(ctx context.Context, in *versionInput) (*versionReportOutput, error) {
	v, revision, err := versionAndRevision(ctx, s.versions, in.Version)
	if err != nil {
		return nil, err
	}
	m, err := s.reader.Manifest(ctx, v)
	if err != nil {
		return nil, err
	}
	gates, err := s.versions.Gates(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	changes, err := s.versions.LiveChangesTo(ctx, v.ID, liveChangesShown)
	if err != nil {
		return nil, err
	}
	input := m.Input
	if input.EventTypeShares == nil {
		input.EventTypeShares = map[string]float64{}
	}
	out := &versionReportOutput{ETag: versionTag(v, revision), Body: apiclient.VersionReport{
		Version: v, Parameters: m.Parameters, Defaults: m.Defaults, Libraries: m.Libraries, Interest: m.Interest, Input: input, Checks: orEmpty(m.Checks), Gates: orEmpty(gates), Metrics: withMaps(m.Metrics), Similar: similarOf(m),
		Changes: rest.MapEach(changes, liveChangeOf),
	}}
	if out.Body.LiveMetrics, err = s.otherLiveMetrics(ctx, v); err != nil {
		return nil, err
	}
	return out, nil
}

// otherLiveMetrics returns the metrics of the live version, or nil if none is live or
// it is v.
func (s *server) otherLiveMetrics(ctx context.Context, v recsys.Version) (*recsys.Metrics, error) {
	live, err := liveOf(ctx, s.versions)
	if errors.Is(err, recsys.ErrNoLiveVersion) || err == nil && live.Version.ID == v.ID {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := s.reader.Manifest(ctx, live.Version)
	if err != nil {
		return nil, err
	}
	metrics := withMaps(m.Metrics)
	return &metrics, nil
}

// liveOf returns the live version without its manifest, which may have megabytes.
func liveOf(ctx context.Context, store *versions.Store) (recsys.Live, error) {
	at, err := store.LivePointer(ctx)
	if err != nil {
		return recsys.Live{}, err
	}
	if at.Version == 0 {
		return recsys.Live{}, recsys.ErrNoLiveVersion
	}
	v, err := store.Version(ctx, at.Version)
	return recsys.Live{Version: v, Revision: at.Revision}, err
}

// withMaps replaces nil maps by empty ones, as the OpenAPI document requires.
func withMaps(m recsys.Metrics) recsys.Metrics {
	if m.Candidate == nil {
		m.Candidate = map[string]recsys.Metric{}
	}
	if m.Popularity == nil {
		m.Popularity = map[string]recsys.Metric{}
	}
	return m
}

// similarOf returns a copy of the manifest's comparison with an array for its grid, as
// the OpenAPI document requires, or nil without one.
func similarOf(m *recsys.Manifest) *recsys.Similar {
	if m.Similar == nil {
		return nil
	}
	s := *m.Similar
	s.Grid = orEmpty(s.Grid)
	return &s
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// versionAndRevision returns a version and the revision of the live pointer.
func versionAndRevision(ctx context.Context, store *versions.Store, id int64) (recsys.Version, int64, error) {
	v, err := store.Version(ctx, id)
	if err != nil {
		return v, 0, err
	}
	live, err := store.LivePointer(ctx)
	if live.Version == 0 {
		return v, 0, err
	}
	return v, live.Revision, err
}

// versionTag returns the ETag of a version. It changes with the state of the version
// and with the live version.
func versionTag(v recsys.Version, revision int64) string {
	return fmt.Sprintf(`"%d-%s-%t-%d"`, v.ID, v.State, v.Pinned, revision)
}

func liveTag(revision int64) string { return fmt.Sprintf(`"live-%d"`, revision) }

type sampleUsersInput struct {
	Version int64 `path:"version" minimum:"1"`
	Limit   int   `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"Maximum number of users to return."`
}
type sampleUsersOutput struct{ Body apiclient.UserSample }

// sampleSeed determines the order of the sample. It must not change.
const sampleSeed = "demo"

func (s *server) sampleUsers(ctx context.Context, in *sampleUsersInput) (*sampleUsersOutput, error) {
	v, err := s.versions.Version(ctx, in.Version)
	if err != nil {
		return nil, err
	}
	if v.State != recsys.Ready && v.State != recsys.Refused {
		return nil, fmt.Errorf("version %d is %s and has no data to read: %w", v.ID, v.State, recsys.ErrNotFound)
	}
	users, err := s.embeddings.SampleUsers(ctx, v, in.Limit, sampleSeed)
	if err != nil {
		return nil, err
	}
	return &sampleUsersOutput{apiclient.UserSample{Items: rest.MapEach(users, func(u recsys.User) apiclient.SampledUser {
		return apiclient.SampledUser{UserID: u.ID, Items: len(u.History.Items), LastEventAt: u.History.Reference}
	})}}, nil
}

type diffInput struct {
	Version int64 `path:"version" minimum:"1"`
	Other   int64 `path:"other" minimum:"1"`
	K       int   `query:"k" minimum:"1" maximum:"100" default:"20" doc:"Length of the lists."`
	Users   int   `query:"users" minimum:"1" maximum:"1000" default:"200" doc:"Maximum number of users to compare."`
}
type diffOutput struct{ Body apiclient.Diff }

func (s *server) diffVersions(ctx context.Context, in *diffInput) (*diffOutput, error) {
	d, err := s.reader.Diff(ctx, in.Version, in.Other, in.K, in.Users)
	if err != nil {
		return nil, err
	}
	return &diffOutput{diffOf(d)}, nil
}

// diffOf maps a comparison of two versions to its public form.
func diffOf(d recommend.Diff) apiclient.Diff {
	return apiclient.Diff{
		A: d.A, B: d.B, K: d.K, Users: d.Users, Overlap: d.Overlap, RBO: d.RBO, Same: d.Same,
		Items: apiclient.DiffItems{A: d.Items.A, B: d.Items.B, New: d.Items.New, Lost: d.Items.Lost,
			CoverageA: d.Items.CoverageA, CoverageB: d.Items.CoverageB},
		Metrics: rest.MapEach(d.Metrics, func(m recommend.DiffMetric) apiclient.DiffMetric {
			return apiclient.DiffMetric{Name: m.Name, A: m.A, B: m.B, Delta: m.Delta}
		}),
		SameHoldout: d.SameHoldout,
	}
}

type liveOutput struct {
	ETag string `header:"ETag"`
	Body apiclient.Live
}

func (s *server) getLive(ctx context.Context, _ *struct{}) (*liveOutput, error) {
	live, err := liveOf(ctx, s.versions)
	if err != nil {
		return nil, err
	}
	return describeLive(ctx, s.versions, live)
}

func describeLive(ctx context.Context, store *versions.Store, live recsys.Live) (*liveOutput, error) {
	changes, err := store.LiveChanges(ctx, liveChangesShown)
	if err != nil {
		return nil, err
	}
	return &liveOutput{ETag: liveTag(live.Revision), Body: apiclient.Live{Version: live.Version, Revision: live.Revision, Changes: rest.MapEach(changes, liveChangeOf)}}, nil
}

// liveChangeOf maps a change of the live version to its public form.
func liveChangeOf(f versions.LiveChange) apiclient.LiveChange {
	return apiclient.LiveChange{Revision: f.Revision, Version: f.Version, FromVersion: f.FromVersion, Kind: f.Kind, Actor: f.Actor, Reason: f.Reason, At: f.At}
}

// changeVersion applies a change if the version still matches ifMatch. It locks the
// live pointer first, so that no concurrent change can intervene.
func (s *server) changeVersion(ctx context.Context, id int64, ifMatch string, change func(tx *versions.Store) error) error {
	return s.api.Change(ctx, idText(id), func(db *postgres.DB) error {
		tx := versions.New(db)
		held, err := tx.LockVersion(ctx, id)
		if err != nil {
			return err
		}
		if err := rest.RequireMatch(ifMatch, versionTag(held.Version, held.Revision)); err != nil {
			return err
		}
		return change(tx)
	})
}

type promoteInput struct {
	Version int64  `path:"version" minimum:"1"`
	IfMatch string `header:"If-Match" maxLength:"200"`
	Body    apiclient.NewLiveChange
}

// prepareFor is how long a promotion waits for the processes that load the version
// into memory. A process that takes longer searches in Postgres until it has loaded it.
const prepareFor = 5 * time.Second

func (s *server) promoteVersion(ctx context.Context, in *promoteInput) (out *liveOutput, err error) {
	if err := s.prepareReaders(ctx, in.Version, in.IfMatch); err != nil {
		return nil, err
	}
	err = s.changeVersion(ctx, in.Version, in.IfMatch, func(tx *versions.Store) error {
		live, err := tx.Promote(ctx, versions.Promotion{
			Version: in.Version, Actor: rest.PrincipalOf(ctx).Actor(), Reason: in.Body.Reason, Evaluation: in.Body.Evaluation,
		})
		if err != nil {
			return postgres.TranslateLock(err) // translated here only: the worker retries the original error
		}
		out, err = describeLive(ctx, tx, live)
		return err
	})
	if err == nil {
		s.reader.Readers.Reset()
	}
	return out, err
}

// prepareReaders announces a promotion unless it will be refused.
func (s *server) prepareReaders(ctx context.Context, id int64, ifMatch string) error {
	v, revision, err := versionAndRevision(ctx, s.versions, id)
	if err != nil || rest.RequireMatch(ifMatch, versionTag(v, revision)) != nil {
		return nil //nolint:nilerr // the promotion reports it
	}
	late, err := s.versions.PrepareReaders(ctx, id, prepareFor)
	if late > 0 {
		s.log.InfoContext(ctx, "promoting a version that some processes have not loaded", "version", id, "processes", late)
	}
	return err
}

type rollbackInput struct {
	IfMatch string `header:"If-Match" maxLength:"200"`
	Body    apiclient.NewLiveChange
}

func (s *server) rollback(ctx context.Context, in *rollbackInput) (out *liveOutput, err error) {
	err = s.api.Change(ctx, "live", func(db *postgres.DB) error {
		tx := versions.New(db)
		held, err := tx.LockLiveVersion(ctx)
		if err != nil {
			return err
		}
		if err := rest.RequireMatch(in.IfMatch, liveTag(held.Revision)); err != nil {
			return err
		}
		live, err := tx.Rollback(ctx, rest.PrincipalOf(ctx).Actor(), in.Body.Reason)
		if err != nil {
			return err
		}
		out, err = describeLive(ctx, tx, live)
		return err
	})
	if err == nil {
		s.reader.Readers.Reset()
	}
	return out, err
}

type pinInput struct {
	Version int64  `path:"version" minimum:"1"`
	IfMatch string `header:"If-Match" maxLength:"200"`
	Body    apiclient.Pin
}

type alteredOutput struct {
	ETag string `header:"ETag"`
	Body recsys.Version
}

func (s *server) pinVersion(ctx context.Context, in *pinInput) (*alteredOutput, error) {
	return s.alterVersion(ctx, in.Version, in.IfMatch, func(tx *versions.Store) error { return tx.Pin(ctx, in.Version, in.Body.Pinned) })
}

type deleteVersionInput struct {
	Version        int64  `path:"version" minimum:"1"`
	RollbackTarget bool   `query:"rollback_target" doc:"Allow the version that a rollback would return to."`
	IfMatch        string `header:"If-Match" maxLength:"200"`
}

func (s *server) deleteVersion(ctx context.Context, in *deleteVersionInput) (*alteredOutput, error) {
	return s.alterVersion(ctx, in.Version, in.IfMatch, func(tx *versions.Store) error {
		return tx.Delete(ctx, versions.Deletion{Version: in.Version, RollbackTarget: in.RollbackTarget})
	})
}

// alterVersion changes a version and returns its new state.
func (s *server) alterVersion(ctx context.Context, id int64, ifMatch string, change func(tx *versions.Store) error) (*alteredOutput, error) {
	out := &alteredOutput{}
	err := s.changeVersion(ctx, id, ifMatch, func(tx *versions.Store) error {
		if err := change(tx); err != nil {
			return err
		}
		v, revision, err := versionAndRevision(ctx, tx, id)
		out.ETag, out.Body = versionTag(v, revision), v
		return err
	})
	return out, err
}
