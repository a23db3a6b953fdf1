package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/recsys"
)

func TestReadInterest(t *testing.T) {
	t.Parallel()
	read := func(t *testing.T, text string) (*recsys.InterestSettings, error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "interest.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return app.ReadInterest(path)
	}
	threshold, floor := 8.0, 0.0
	want := &recsys.InterestSettings{
		Weights: map[string]float64{"view": 1, "addtocart": 3, "transaction": 5.5, "no": -1}, ValueUse: map[string]string{"transaction": "log"},
		RatingThreshold: &threshold, HalfLife: "30d", Floor: &floor,
	}
	for name, text := range map[string]string{
		"YAML": "# our shop\nweights:\n  view: 1\n  addtocart: 3\n  transaction: 5.5\n  no: -1\nvalue_use: {transaction: log}\nrating_threshold: 8\nhalf_life: 30d\nfloor: 0\n",
		"JSON": `{"weights": {"view": 1, "addtocart": 3, "transaction": 5.5, "no": -1}, "value_use": {"transaction": "log"}, "rating_threshold": 8, "half_life": "30d", "floor": 0}`,
	} {
		t.Run("it reads "+name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, text)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
	t.Run("it reads a half-life of 0", func(t *testing.T) {
		t.Parallel()
		got, err := read(t, "half_life: 0\n")
		require.NoError(t, err)
		in, err := got.Interest()
		require.NoError(t, err)
		require.Zero(t, in.HalfLifeSeconds)
	})
	for name, c := range map[string]struct{ text, want string }{
		"an unknown key":           {"weightz:\n  view: 1\n", `unknown field "weightz"`},
		"the key of a version":     {"half_life_seconds: 60\n", `unknown field "half_life_seconds"`},
		"a key that occurs twice":  {"floor: 1\nfloor: 2\n", "floor"},
		"a type that occurs twice": {"weights:\n  view: 1\n  view: 2\n", "view"},
		"a weight that is a text":  {"weights:\n  view: much\n", "view: much"},
		"a list":                   {"- view\n", "mapping is expected"},
		"an empty file":            {"", "is empty"},
		"a comment":                {"# nothing\n", "is empty"},
		"two names of a type":      {"weights: {Click: 1, click: 2}\n", "are the same event type"},
		"a wrong use":              {"value_use: {purchase: sqrt}\n", "use ignore, log or value"},
		"a wrong half-life":        {"half_life: soon\n", "half_life"},
		"no positive weight":       {"weights: {view: 0}\n", "no event would count"},
		"a weight that is NaN":     {"weights: {view: .nan}\n", "NaN"},
	} {
		t.Run("it refuses "+name, func(t *testing.T) {
			t.Parallel()
			_, err := read(t, c.text)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "interest.yaml")
		})
	}
	t.Run("it refuses a file that does not exist", func(t *testing.T) {
		t.Parallel()
		_, err := app.ReadInterest(filepath.Join(t.TempDir(), "missing.yaml"))
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}
