// Package apiclient holds what the API and those who call it have in common:
// the bodies of requests and answers, the problem that a refused request is
// answered with, and a client. What a resource does belongs in api/.
package apiclient
