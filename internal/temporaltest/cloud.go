package temporaltest

import (
	"net/http"
	"strings"
)

// Cloud returns a handler in front of a server that accepts the requests that Temporal
// Cloud accepts with an API key: those that name a namespace in the header
// temporal-namespace, as the SDK does for requests with a namespace, and the one by
// which a client connects. Search attributes are managed with tcld, so the operator
// service is refused.
func Cloud(key string, server http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, method, _ := strings.Cut(r.URL.Path, "/temporal.api.")
		switch {
		case r.Header.Get("Authorization") != "Bearer "+key:
			refuse(w, "16") // UNAUTHENTICATED
		case strings.HasPrefix(method, "operatorservice."),
			r.Header.Get("Temporal-Namespace") == "" && !strings.HasSuffix(method, ".WorkflowService/GetSystemInfo"):
			refuse(w, "7") // PERMISSION_DENIED
		default:
			server.ServeHTTP(w, r)
		}
	})
}

func refuse(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Grpc-Status", code)
	w.Header().Set("Grpc-Message", "Request unauthorized.")
}
