package postgrestest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
)

// RoundTrips is a proxy between a client and Postgres that counts how often the
// client waits for a response: a Sync, or a simple query. It does not count the
// check of a pooled connection that was idle for a second.
type RoundTrips struct {
	atomic.Int64
	URL string // of the database, through the proxy
}

// CountRoundTrips counts the round trips to the database at address.
func CountRoundTrips(t testing.TB, address string) *RoundTrips {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	u.Host = l.Addr().String()
	r := &RoundTrips{URL: u.String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(client, server)
		}
	}()
	return r
}

func (r *RoundTrips) serve(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(client, server) //nolint:errcheck // the client is gone
		client.Close()
	}()
	head := make([]byte, 5)
	for started := false; ; started = true {
		at := 1 // the first message has no type
		if !started {
			at = 0
		}
		if _, err := io.ReadFull(client, head[:at+4]); err != nil {
			return
		}
		body := make([]byte, int64(binary.BigEndian.Uint32(head[at:at+4]))-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		ping := bytes.HasPrefix(body, []byte("-- ping"))
		if started && (head[0] == 'S' || head[0] == 'Q' && !ping) {
			r.Add(1)
		}
		if _, err := server.Write(append(head[:at+4:at+4], body...)); err != nil {
			return
		}
	}
}
