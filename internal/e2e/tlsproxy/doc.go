// Package tlsproxy stands in for the internet between a walk through the deployment
// guide and the names in it: a registry, a load balancer, Temporal Cloud, AWS's
// own downloads. It is an HTTPS proxy (HTTPS_PROXY) with an authority of its own
// (SSL_CERT_FILE): a name that it has a handler for is answered by that, with a
// certificate of that name; every other one is passed through to where it leads.
//
// Clients are the unmodified ones: they look the name up at the proxy, check the
// certificate, and speak HTTP/1.1, HTTP/2 or gRPC.
package tlsproxy
