package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/importer/s3store"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/quarantine"
	"github.com/recflow/recflow/internal/recommend"
)

// hardIDs are ids that change if a path is encoded or decoded incorrectly:
// every printable ASCII character, alone and next to a plus and a slash, and
// path segments.
func hardIDs() []string {
	ids := []string{
		".", "..", "...", "a/../b", "../..", "./a", "a/.", "a/", "/a", "a//b", "//", "/similar", "a/similar", "explain", "a/explain", "cancel",
		"%2F", "a%2Fb", "a%2Fb/c", "%2B/", "%zz/a", "%25/%", "%2E%2E", ":id", "*any", "?k=1", "#top", "+QPPG/tWHhieel0c", "/O85Y/W+TnjakcLb",
		"é/+", "日本語", "ü+ü/ü ü", "🛒/+", "e\u0301+", "\u00a0/", "\u2028+", "\ufeffa/",
	}
	for c := ' '; c <= '~'; c++ {
		ids = append(ids, string(c), fmt.Sprintf("q+5/a%cb", c))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// encodings are the ways in which a client may write an id into a path.
var encodings = map[string]func(id string) string{
	"minimal": func(id string) string { return url.PathEscape(id) },
	"full": func(id string) string {
		var out strings.Builder
		for _, b := range []byte(id) {
			fmt.Fprintf(&out, "%%%02X", b)
		}
		return out.String()
	},
	"unescaped where a parser allows it": func(id string) string {
		return strings.NewReplacer("%", "%25", "/", "%2F", "?", "%3F", "#", "%23", " ", "%20").Replace(id)
	},
}

// TestPathIDs holds for any text: an id in a path, in any encoding, reaches the
// handler as it is, next to any other id.
func TestPathIDs(t *testing.T) {
	t.Parallel()
	engine := newServer(config.API{}, slog.New(slog.DiscardHandler), nil, nil).api.Router
	var got []string
	engine.GET("/ids/:a/and/:b", func(c *gin.Context) { got = []string{c.Param("a"), c.Param("b"), c.FullPath()} })
	check := func(t interface {
		require.TestingT
		Helper()
	}, a, b string) {
		t.Helper()
		for name, encode := range encodings {
			got = nil
			engine.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/ids/"+encode(a)+"/and/"+encode(b), nil))
			require.Equal(t, []string{a, b, "/ids/:a/and/:b"}, got, name)
		}
	}
	for _, id := range hardIDs() {
		check(t, id, "x")
		check(t, "q+5/ab", id)
	}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringOfN(rapid.Rune().Filter(func(r rune) bool { return !unicode.IsControl(r) }), 1, 64, -1)
		check(t, id.Draw(t, "a"), id.Draw(t, "b"))
	})
}

// withHardIDs gives the API a live version whose first items and users have the
// ids of hardIDs.
func (h *harness) withHardIDs(t *testing.T) []string {
	t.Helper()
	ids := hardIDs()
	v := postgrestest.Build(t, h.Store, postgrestest.Fixture{Change: func(d *postgrestest.Data) {
		renamed := map[string]string{}
		for n, id := range ids {
			renamed[d.Items[n].ItemID] = id
			d.Items[n].ItemID, d.Items[n].Available = id, true
			d.Users[n].ID = id
		}
		for _, u := range d.Users {
			for _, items := range [][]string{u.History.Items, u.History.Seen} {
				for i, item := range items {
					if id, ok := renamed[item]; ok {
						items[i] = id
					}
				}
			}
		}
		d.Holdout = nil
	}})
	_, err := h.Store.Promote(t.Context(), versions.Promotion{Version: v.ID, Actor: "test"})
	require.NoError(t, err)
	return ids
}

// callerIDRoutes are the routes whose ids are assigned by the caller: each requests id
// at path and compares the response with the result of the library.
func (h *harness) callerIDRoutes() map[string]func(t *testing.T, id, path string) {
	plain := recommend.Recommender{Versions: h.Store.VersionStore, Embeddings: h.Store.EmbeddingStore}
	return map[string]func(t *testing.T, id, path string){
		"GET /items/:id": func(t *testing.T, id, path string) {
			var got apiclient.CurrentItem
			h.ask(t, "GET", path, nil, &got)
			require.Equal(t, id, got.ItemID)
			require.True(t, got.Known)
		},
		"PUT /items/:id": func(t *testing.T, id, path string) {
			var got apiclient.CurrentItem
			h.ask(t, "PUT", path, map[string]any{"title": "T " + id}, &got)
			require.Equal(t, id, got.ItemID)
			overrides, err := h.Store.ItemState(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, "T "+id, *overrides.Title)
		},
		"GET /items/:id/similar": func(t *testing.T, id, path string) {
			want, err := plain.Similar(t.Context(), id, recommend.Request{K: 3})
			require.NoError(t, err)
			var got recommend.List
			h.ask(t, "GET", path+"?k=3", nil, &got)
			require.Equal(t, want, got)
		},
		"GET /recommendations/:user": func(t *testing.T, id, path string) {
			q := url.Values{"k": {"3"}, "recent": {id}, "exclude": {id, "q+5/a,b"}}
			want, err := plain.Recommend(t.Context(), recommend.Request{UserID: id, K: 3, Recent: q["recent"], Exclude: q["exclude"]})
			require.NoError(t, err)
			var got recommend.List
			h.ask(t, "GET", path+"?"+q.Encode(), nil, &got)
			require.Equal(t, want, got)
			require.Equal(t, id, got.UserID)
		},
		"GET /recommendations/:user/explain": func(t *testing.T, id, path string) {
			want, err := plain.Explain(t.Context(), recommend.Request{UserID: id, K: 10}, id)
			require.NoError(t, err)
			var got recommend.Explanation
			h.ask(t, "GET", path+"?item="+url.QueryEscape(id), nil, &got)
			require.Equal(t, want, got)
			require.Equal(t, []string{id, id}, []string{got.UserID, got.Item.ItemID})
		},
		"GET /events/:id": func(t *testing.T, id, path string) {
			var got apiclient.EventOutcome
			h.ask(t, "GET", path, nil, &got)
			require.Equal(t, id, got.EventID)
		},
	}
}

// generatedIDRoutes are the routes whose ids recflow generates, with the code that the
// handler returns for an unknown id.
var generatedIDRoutes = map[string]string{
	"GET /backfill/:id": "not_found", "POST /backfill/:id/cancel": "not_found", "POST /backfill/:id/retry": "not_found",
	"DELETE /tokens/:id": "not_found", "GET /versions/:version": "not_found", "DELETE /versions/:version": "not_found",
	"POST /versions/:version/promote": "not_found", "PUT /versions/:version/pin": "not_found", "GET /versions/:version/diff/:other": "not_found",
	"GET /versions/:version/users": "not_found", "GET /quarantine/:id": "not_found",
	"GET /imports/:id": "not_found", "DELETE /imports/:id": "not_found",
}

// TestIDsOnEveryRoute requests each hard id on every route with an id in its path.
func TestIDsOnEveryRoute(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	bucket := awstest.S3(t)
	h.quarantine, h.imports = &quarantine.Reader{Bucket: bucket}, s3store.New(bucket)
	ids, texts := h.withHardIDs(t), h.callerIDRoutes()
	for _, r := range h.api.Router.Routes() {
		name := r.Method + " " + r.Path
		if !strings.Contains(r.Path, ":") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if code, ok := generatedIDRoutes[name]; ok {
				path := strings.NewReplacer(":version", "%39%39", ":other", "%39%38", ":id", "%39%39").Replace(r.Path)
				var body any
				if r.Method == "POST" || r.Method == "PUT" {
					body = map[string]any{}
				}
				if strings.HasSuffix(path, "/pin") {
					body = map[string]any{"pinned": true}
				}
				require.Equal(t, code, h.Do(r.Method, path, body, "If-Match: *").Problem(t).Code)
				return
			}
			check := texts[name]
			require.NotNil(t, check, "a route with an id in its path needs a row in this test")
			for _, id := range ids {
				for encoding, encode := range encodings {
					path := strings.NewReplacer(":user", encode(id), ":id", encode(id)).Replace(r.Path)
					t.Run(encoding+" "+path, func(t *testing.T) { check(t, id, path) })
				}
			}
		})
	}
}

// ask sends a request directly to the router, without a client that changes its
// path, and decodes the response.
func (h *harness) ask(t *testing.T, method, target string, body, answered any) {
	t.Helper()
	data, err := json.Marshal(body)
	require.NoError(t, err)
	if body == nil {
		data = nil
	}
	req := httptest.NewRequest(method, target, bytes.NewReader(data)).WithContext(t.Context())
	req.Header.Set("Authorization", "Bearer "+h.Token)
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.Handler.ServeHTTP(w, req)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	apitest.Answer{Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()}.Into(t, answered)
}

// TestClientIDs sends each hard id through the client to the real router and back.
func TestClientIDs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	api := h.Client(h.Token)
	for _, id := range h.withHardIDs(t) {
		title := "T " + id
		item, err := api.SetItem(t.Context(), id, apiclient.ItemChange{Title: &title})
		require.NoError(t, err, id)
		require.Equal(t, id, item.ItemID)
		item, err = api.Item(t.Context(), id)
		require.NoError(t, err, id)
		require.Equal(t, []string{id, title}, []string{item.ItemID, item.Title})
		similar, err := api.Similar(t.Context(), id, apiclient.ListRequest{K: 1})
		require.NoError(t, err, id)
		require.Equal(t, id, similar.Item.ItemID)
		list, err := api.Recommend(t.Context(), apiclient.ListRequest{UserID: id, K: 1})
		require.NoError(t, err, id)
		require.Equal(t, id, list.UserID)
		e, err := api.Explain(t.Context(), apiclient.ListRequest{UserID: id}, id)
		require.NoError(t, err, id)
		require.Equal(t, []string{id, id}, []string{e.UserID, e.Item.ItemID})
		event, err := api.Event(t.Context(), id)
		require.NoError(t, err, id)
		require.Equal(t, id, event.EventID)
	}
}

// TestClientEscapesDotSegments: what lies between a client and the API may remove
// the dot segments of a path (RFC 3986, section 5.2.4).
func TestClientEscapesDotSegments(t *testing.T) {
	t.Parallel()
	var targets []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { targets = append(targets, r.RequestURI) }))
	t.Cleanup(server.Close)
	api := apiclient.New(apiclient.Options{URL: server.URL})
	for _, id := range []string{".", "..", "a..", "q+5/ab"} {
		_, err := api.Item(t.Context(), id)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"/items/%2E", "/items/%2E%2E", "/items/a..", "/items/q+5%2Fab"}, targets)
}
