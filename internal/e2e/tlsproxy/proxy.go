package tlsproxy

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// dialTimeout limits connecting to a name that is passed through.
const dialTimeout = 10 * time.Second

// Proxy handles CONNECT. Use New.
type Proxy struct {
	authority *Authority
	hosts     map[string]http.Handler
	conns     conns
	server    *http.Server

	mu           sync.Mutex
	certificates map[string]*tls.Certificate
}

// New returns a proxy that serves the given names itself. Their handlers receive
// requests as the servers of these names would.
func New(a *Authority, hosts map[string]http.Handler) *Proxy {
	p := &Proxy{
		authority: a, hosts: hosts, certificates: map[string]*tls.Certificate{},
		conns: conns{accepted: make(chan net.Conn), closed: make(chan struct{})},
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	p.server = &http.Server{
		Protocols: protocols, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{GetCertificate: p.certificate, MinVersion: tls.VersionTLS12},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.hosts[r.TLS.ServerName].ServeHTTP(w, r)
		}),
	}
	go func() { _ = p.server.ServeTLS(&p.conns, "", "") }() // until Close
	return p
}

// Close closes every connection that the proxy serves itself.
func (p *Proxy) Close() { p.server.Close() }

// certificate returns the certificate of a name, issued on first use.
func (p *Proxy) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hosts[hello.ServerName] == nil {
		return nil, &net.DNSError{Name: hello.ServerName, Err: "is not served here", IsNotFound: true}
	}
	if c := p.certificates[hello.ServerName]; c != nil {
		return c, nil
	}
	c, err := p.authority.Issue(hello.ServerName)
	if err == nil {
		p.certificates[hello.ServerName] = c
	}
	return c, err
}

// ServeHTTP connects the client to a name.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "this proxy supports only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var onward net.Conn
	if p.hosts[host] == nil {
		if onward, err = net.DialTimeout("tcp", r.Host, dialTimeout); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	if n := buffered.Reader.Buffered(); n > 0 { // a client that does not wait
		conn = &begun{Conn: conn, first: io.LimitReader(buffered.Reader, int64(n))}
	}
	if onward == nil {
		p.conns.add(conn)
		return
	}
	Join(conn, onward)
}

// Join copies in both directions until either side ends, and closes both.
func Join(a, b net.Conn) {
	go func() {
		_, _ = io.Copy(a, b)
		a.Close()
	}()
	_, _ = io.Copy(b, a)
	b.Close()
}

// begun is a connection of which a part was already read.
type begun struct {
	net.Conn
	first io.Reader
}

func (c *begun) Read(p []byte) (int, error) {
	if n, err := c.first.Read(p); n > 0 || err == nil {
		return n, nil
	}
	return c.Conn.Read(p)
}

// conns is a listener of connections that were accepted elsewhere.
type conns struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func (c *conns) add(conn net.Conn) {
	select {
	case c.accepted <- conn:
	case <-c.closed:
		conn.Close()
	}
}

// Accept returns the next connection.
func (c *conns) Accept() (net.Conn, error) {
	select {
	case conn := <-c.accepted:
		return conn, nil
	case <-c.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (c *conns) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// Addr is unused.
func (c *conns) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
