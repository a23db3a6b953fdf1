package apiclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/recflow/recflow/internal/apiclient"
)

// A client needs the URL of the API and a token with the scope recommend. A
// refused request returns a *Problem, whose code is stable between releases.
func ExampleClient() {
	// Instead of a running API: user 42 has a list, version 99 does not exist.
	mux := http.NewServeMux()
	mux.HandleFunc("GET /recommendations/42", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("version") == "99" {
			w.Header().Set("Content-Type", apiclient.ProblemType)
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"status": 404, "code": "not_found", "detail": "version 99: not found"}`)
			return
		}
		io.WriteString(w, `{"version": 7, "stage": "session", "items": [
			{"rank": 1, "item_id": "espresso", "available": true, "score": 0.91},
			{"rank": 2, "item_id": "green tea", "available": true, "score": 0.34}]}`)
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	ctx := context.Background()
	client := apiclient.New(apiclient.Options{URL: server.URL, Token: "rf_example"})

	list, err := client.Recommend(ctx, apiclient.ListRequest{UserID: "42", K: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, item := range list.Items {
		fmt.Printf("%d. %s (%.2f)\n", item.Rank, item.ItemID, item.Score)
	}

	_, err = client.Recommend(ctx, apiclient.ListRequest{UserID: "42", K: 2, Version: 99})
	var problem *apiclient.Problem
	if errors.As(err, &problem) {
		fmt.Printf("%d %s\n", problem.Status, problem.Code)
	}
	// Output:
	// 1. espresso (0.91)
	// 2. green tea (0.34)
	// 404 not_found
}
