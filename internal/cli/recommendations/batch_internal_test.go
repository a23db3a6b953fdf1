package recommendations

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
)

// reply is the API's response to a batch: a problem, or the lists of a version.
type reply struct {
	version int64
	problem *apiclient.Problem
}

// scripted is an API with one reply per request. It returns a client and the
// requests so far.
func scripted(t *testing.T, replies ...reply) (*apiclient.Client, *[]apiclient.BatchRequest) {
	t.Helper()
	var requests []apiclient.BatchRequest
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req apiclient.BatchRequest
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&req))
		reply := replies[len(requests)]
		requests = append(requests, req)
		if reply.problem != nil {
			w.Header().Set("Content-Type", apiclient.ProblemType)
			w.WriteHeader(reply.problem.Status)
			assert.NoError(t, json.NewEncoder(w).Encode(reply.problem))
			return
		}
		var lists apiclient.BatchLists
		for _, id := range req.Users {
			lists.Items = append(lists.Items, apiclient.UserList{UserID: id, List: &apiclient.List{UserID: id, Version: reply.version}})
		}
		assert.NoError(t, json.NewEncoder(w).Encode(lists))
	}))
	t.Cleanup(server.Close)
	return apiclient.New(apiclient.Options{URL: server.URL}), &requests
}

func TestEachList(t *testing.T) {
	t.Parallel()
	users := make([]string, 250)
	for i := range users {
		users[i] = fmt.Sprintf("u%d", i)
	}
	gone := &apiclient.Problem{Status: http.StatusNotFound, Code: "not_found"}
	busy := &apiclient.Problem{Status: http.StatusTooManyRequests, Code: "too_many_requests"}
	for name, c := range map[string]struct {
		asked    int64 // the requested version
		replies  []reply
		requests []int64 // the version of each request
		versions []int64 // of the lists of the first, the 101st and the 201st user
		code     string  // code of the problem that ends it
	}{
		"all lists come from the version of the first": {
			replies: []reply{{version: 7}, {version: 7}, {version: 7}}, requests: []int64{0, 7, 7}, versions: []int64{7, 7, 7},
		},
		"it continues with the live version when the first is dropped": {
			replies: []reply{{version: 7}, {problem: gone}, {version: 8}, {version: 8}}, requests: []int64{0, 7, 0, 8}, versions: []int64{7, 8, 8},
		},
		"it ends when the requested version is dropped": {
			asked: 7, replies: []reply{{version: 7}, {problem: gone}}, requests: []int64{7, 7}, code: "not_found",
		},
		"it ends when no version has data": {
			replies: []reply{{problem: gone}}, requests: []int64{0}, code: "not_found",
		},
		"it waits when it exceeds the rate limit": {
			replies: []reply{{problem: busy}, {version: 7}, {version: 7}, {version: 7}}, requests: []int64{0, 0, 7, 7}, versions: []int64{7, 7, 7},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, requests := scripted(t, c.replies...)
			var ids []string
			var versions []int64
			err := eachList(t.Context(), api, apiclient.ListRequest{K: 3, Version: c.asked}, slices.Values(users), func(u apiclient.UserList) error {
				if len(ids)%apiclient.MaxBatch == 0 {
					versions = append(versions, u.List.Version)
				}
				ids = append(ids, u.UserID)
				return nil
			})
			var asked []int64
			for _, r := range *requests {
				assert.Equal(t, 3, r.K)
				asked = append(asked, r.Version)
			}
			assert.Equal(t, c.requests, asked)
			if c.code != "" {
				var p *apiclient.Problem
				require.ErrorAs(t, err, &p)
				assert.Equal(t, c.code, p.Code)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, users, ids, "in their order")
			assert.Equal(t, c.versions, versions)
		})
	}
}
