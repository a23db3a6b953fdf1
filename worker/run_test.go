package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/temporaltest"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

// job replaces the training: it writes a prepared run under the run id that it
// is given. Files in its folder make it wait or fail.
const job = `
import json, os, sys, time, urllib.request

args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
control, run = os.environ["TEST_CONTROL"], "embeddings/run=%s/" % args["--run_id"]

def put(key, body):
    url = "%s/%s/%s" % (os.environ["TEST_S3"], args["--bucket"], key)
    urllib.request.urlopen(urllib.request.Request(url, data=body, method="PUT")).read()

put(run + "_progress.json", json.dumps({"stage": "train", "done": 3, "total": 12}).encode())
while os.path.exists(control + "/hold") or os.path.exists(control + "/hold-" + args["--to"][:10]):
    time.sleep(0.05)
for fail in (control + "/fail", control + "/fail-" + args["--to"][:10]):
    if os.path.exists(fail):
        print("RECFLOW_ERROR " + open(fail).read(), file=sys.stderr, flush=True)
        sys.exit(1)
prepared = open(control + "/prepared").read()
manifest = json.load(open(prepared + "/manifest.json"))
for f in manifest["files"]:
    with open(prepared + "/" + f["key"], "rb") as data:
        f["key"] = run + f["key"]
        put(f["key"], data.read())
manifest["run_id"] = args["--run_id"]
manifest["coverage"] = {"from": args["--from"], "to": args["--to"], "stored_to": args["--stored_to"]}
put(run + "manifest.json", json.dumps(manifest).encode())
`

// preparedRun is a folder with the files of a training run that passes every
// gate. Keys in its manifest begin with the kind of file.
type preparedRun struct {
	users, items, files int
	dimension           int // default: the fixture's
	holdout             float64
}

// The runs of the tests: small is quick, many takes long enough to load to be
// interrupted, large builds a graph, in so few dimensions that its recall is
// always 1.
var (
	small = preparedRun{users: 400, items: 200, files: 2, holdout: 0.4}
	many  = preparedRun{users: 4000, items: 500, files: 40, holdout: 0.05}
	large = preparedRun{users: 400, items: 12_000, files: 1, dimension: 8, holdout: 0.4}
)

var (
	preparedMu sync.Mutex
	prepared   = map[preparedRun]string{}
)

// folder generates the run once per test binary.
func (p preparedRun) folder(t *testing.T) string {
	t.Helper()
	preparedMu.Lock()
	defer preparedMu.Unlock()
	if dir, ok := prepared[p]; ok {
		return dir
	}
	base, err := temporaltest.Scratch()
	require.NoError(t, err)
	dir, err := os.MkdirTemp(base, "run-")
	require.NoError(t, err)
	m, data := postgrestest.Generate(t, postgrestest.Fixture{Users: p.users, Items: p.items, Dimension: p.dimension, HoldoutShare: p.holdout})
	m.Files = nil
	addFiles(t, dir, m, recsys.ItemsFile, items(data), 1)
	addFiles(t, dir, m, recsys.UsersFile, users(data), p.files)
	addFiles(t, dir, m, recsys.HoldoutFile, holdout(data), 1)
	writeManifest(t, dir, m)
	prepared[p] = dir
	return dir
}

// addFiles writes rows as n files of a kind and adds them to the manifest.
func addFiles[T any](t *testing.T, dir string, m *recsys.Manifest, kind string, rows []T, n int) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, kind), 0o700))
	for i := range n {
		content, f := trainingruntest.File(t, kind, rows[i*len(rows)/n:(i+1)*len(rows)/n])
		f.Key = fmt.Sprintf("%s/part-%05d.parquet", kind, i)
		require.NoError(t, os.WriteFile(filepath.Join(dir, f.Key), content, 0o600))
		m.Files = append(m.Files, f)
	}
}

func writeManifest(t *testing.T, dir string, m *recsys.Manifest) {
	t.Helper()
	content, err := json.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "manifest.json"), content, 0o600))
}

// changed returns a copy of the run whose manifest was modified by change.
func (p preparedRun) changed(t *testing.T, change func(*recsys.Manifest)) string {
	t.Helper()
	from, dir := p.folder(t), t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(from)))
	content, err := os.ReadFile(filepath.Join(from, "manifest.json"))
	require.NoError(t, err)
	var m recsys.Manifest
	require.NoError(t, json.Unmarshal(content, &m))
	change(&m)
	writeManifest(t, dir, &m)
	return dir
}

func items(d *postgrestest.Data) (rows []trainingruntest.Item) {
	for _, i := range d.Items {
		rows = append(rows, trainingruntest.Item{
			ItemID: i.ItemID, Embedding: i.Vector, Title: i.Title, Category: i.Category, Tags: i.Tags,
			Available: &i.Available, Popularity: &i.Popularity,
		})
	}
	return rows
}

func users(d *postgrestest.Data) (rows []trainingruntest.User) {
	for _, u := range d.Users {
		rows = append(rows, trainingruntest.User{
			UserID: u.ID, Embedding: u.Vector, HistoryItems: u.History.Items, HistoryWeights: u.History.Weights,
			ReferenceTime: u.History.Reference, SeenItems: u.History.Seen,
		})
	}
	return rows
}

func holdout(d *postgrestest.Data) (rows []trainingruntest.Event) {
	for _, h := range d.Holdout {
		rows = append(rows, trainingruntest.Event{
			UserID: h.UserID, EventID: h.EventID, ItemID: h.ItemID, EventType: h.EventType, Value: h.Value,
			OccurredAt: h.OccurredAt.Truncate(time.Microsecond), Answer: &h.Answer,
		})
	}
	return rows
}
