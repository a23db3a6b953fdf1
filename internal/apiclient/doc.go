// Package apiclient has what the API and its clients share: the bodies of
// requests and responses, the problem of a refused request, and a client. The
// behavior of a resource belongs in api/.
package apiclient
