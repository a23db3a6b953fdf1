package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore/vectorstoretest"
)

func TestVersionsCommand(t *testing.T) {
	s := newSystem(t)
	withVersions(t, s)
	withAPI(t, noTemporal)

	t.Run("it lists versions", func(t *testing.T) {
		r := recflow(t.Context(), "", "versions", "list")
		require.Equal(t, 0, r.code, r.err)
		golden(t, "versions_list", r.out)
		var versions []recsys.Version
		require.NoError(t, json.Unmarshal([]byte(recflow(t.Context(), "", "versions", "list", "-o", "json").out), &versions))
		assert.Len(t, versions, 2)
	})
	t.Run("it shows the live version with its gates and metrics", func(t *testing.T) {
		r := recflow(t.Context(), "", "versions", "show")
		require.Equal(t, 0, r.code, r.err)
		golden(t, "versions_show", r.out)
	})
	t.Run("it shows why a version was refused", func(t *testing.T) {
		r := recflow(t.Context(), "", "versions", "show", "2")
		require.Equal(t, 0, r.code, r.err)
		assert.Contains(t, r.out, "✗ refused")
		assert.Contains(t, r.out, "mean recall@100 is 0.91; raise m")
		var report versionReport
		require.NoError(t, json.Unmarshal([]byte(recflow(t.Context(), "", "versions", "show", "2", "-o", "json").out), &report))
		assert.Equal(t, recsys.Refused, report.State)
		assert.Equal(t, 0.98, report.Gates[0].Threshold)
	})
	t.Run("it refuses to promote what a gate refused", func(t *testing.T) {
		r := recflow(t.Context(), "", "versions", "promote", "2")
		assert.Equal(t, exitRefused, r.code)
		assert.Contains(t, r.err, "recall")
		assert.Contains(t, r.err, "recflow versions show 2")
	})
	t.Run("it promotes, rolls back and keeps the audit", func(t *testing.T) {
		third := vectorstoretest.Build(t, s, vectorstoretest.Fixture{RunID: "run-c"})
		require.EqualValues(t, 3, third.ID)
		r := recflow(t.Context(), "", "versions", "promote", "3", "--reason", "newer", "-o", "json")
		require.Equal(t, 0, r.code, r.err)
		assert.Contains(t, recflow(t.Context(), "", "recommend", "u00001").out, "version 3")

		r = recflow(t.Context(), "", "versions", "rollback", "--reason", "odd lists")
		require.Equal(t, 0, r.code, r.err)
		assert.Contains(t, r.out, "run-a")
		show := recflow(t.Context(), "", "versions", "show").out
		assert.Contains(t, show, "odd lists")
		assert.Contains(t, show, "rollback")
		flips, err := s.Flips(t.Context(), 10)
		require.NoError(t, err)
		assert.Equal(t, "newer", flips[1].Reason)
		assert.Equal(t, "local", flips[1].Actor)
	})
	t.Run("it pins and unpins", func(t *testing.T) {
		require.Equal(t, 0, recflow(t.Context(), "", "versions", "pin", "3").code)
		v, err := s.Version(t.Context(), 3)
		require.NoError(t, err)
		assert.True(t, v.Pinned)
		require.Equal(t, 0, recflow(t.Context(), "", "versions", "unpin", "3").code)
		v, err = s.Version(t.Context(), 3)
		require.NoError(t, err)
		assert.False(t, v.Pinned)
	})
	t.Run("it compares versions", func(t *testing.T) {
		r := recflow(t.Context(), "", "versions", "diff", "1", "3", "-k", "10")
		require.Equal(t, 0, r.code, r.err)
		assert.Contains(t, r.out, "overlap@10")
		assert.Contains(t, r.out, "rank-biased overlap")
	})
	t.Run("it deletes what nobody needs", func(t *testing.T) {
		r := recflow(t.Context(), "", "versions", "delete", "1")
		assert.Equal(t, exitConflict, r.code)
		assert.Contains(t, r.err, "it is live")
		r = recflow(t.Context(), "", "versions", "delete", "3")
		require.Equal(t, 0, r.code, r.err)
		v, err := s.Version(t.Context(), 3)
		require.NoError(t, err)
		assert.Equal(t, recsys.Dropped, v.State)
	})
	t.Run("it says when there is no such version", func(t *testing.T) {
		for _, args := range [][]string{{"versions", "show", "99"}, {"versions", "promote", "99"}, {"versions", "pin", "99"}, {"recommend", "u00001", "--version", "99"}, {"similar", "i00001", "--version", "99"}} {
			r := recflow(t.Context(), "", args...)
			assert.Equal(t, exitNotFound, r.code, args)
			assert.Equal(t, "error: there is no version 99; see `recflow versions list`\n", r.err)
		}
		assert.Equal(t, 2, recflow(t.Context(), "", "versions", "show", "newest").code)
	})
}
