package demo_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/cli/demo"
)

func TestMain(m *testing.M) { os.Exit(clitest.Main(m)) }

func TestSubjects(t *testing.T) {
	s := clitest.NewSystem(t)
	clitest.StartAPI(t, clitest.NoTemporal)
	a := &app.App{}
	_, _, _, err := demo.Subjects(t.Context(), a)
	require.ErrorContains(t, err, "no version is live; train one with")

	clitest.WithVersions(t, s)
	users, items, last, err := demo.Subjects(t.Context(), a)
	require.NoError(t, err)
	assert.Len(t, users, 3)
	list := func(user string, k string) (ids []string) {
		r := clitest.Run(t.Context(), "", "recommend", user, "-k", k, "-o", "json")
		require.Equal(t, 0, r.Code, r.Err)
		var lists []apiclient.List
		require.NoError(t, json.Unmarshal([]byte(r.Out), &lists))
		for _, it := range lists[0].Items {
			ids = append(ids, it.ItemID)
		}
		return ids
	}
	assert.Equal(t, list("stranger", "2"), items, "the popular ones")
	known, err := s.Version(t.Context(), 1)
	require.NoError(t, err)
	found, err := s.Users(t.Context(), known, users[:1])
	require.NoError(t, err)
	assert.True(t, found[0].History.Reference.Equal(last), "the time of the first user's last event")

	own, err := demo.FirstOf(t.Context(), a, users[0], 2)
	require.NoError(t, err)
	assert.Equal(t, list(users[0], "2"), own)
}
