// Package tlsproxy emulates the internet hosts of the deployment guide: a registry,
// a load balancer, Temporal Cloud, AWS downloads. It is an HTTPS proxy
// (HTTPS_PROXY) with its own certificate authority (SSL_CERT_FILE): a host with a
// handler is served by it, with a certificate of that name; connections to other
// hosts are passed through.
//
// Clients are unmodified: they connect through the proxy, verify the certificate,
// and use HTTP/1.1, HTTP/2 or gRPC.
package tlsproxy
