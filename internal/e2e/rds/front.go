package rds

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/recflow/recflow/internal/e2e/tlsproxy"
)

// Constants of Postgres's protocol, version 3: the TLS request, and the maximum
// length of a startup message and of a password, in bytes.
const (
	wantTLS    = 80877103
	maxMessage = 16 << 10
)

// signInTimeout limits the time until a connection is authenticated.
const signInTimeout = 10 * time.Second

// tokenLife is how long RDS accepts a token.
const tokenLife = 15 * time.Minute

// Options configures a Front. All fields are required.
type Options struct {
	Certificate tls.Certificate
	Postgres    string // host:port behind the front
	// Tokens reports whether a user authenticates with tokens.
	Tokens func(user string) bool
	// Allowed reports whether an access key may authenticate as the user.
	Allowed func(accessKey, user string) bool
	Log     *slog.Logger
}

// Front is a listener. Use New.
type Front struct {
	Address string // host:port on loopback
	options Options
	l       net.Listener

	mu   sync.Mutex
	open map[net.Conn]bool
}

// New listens on a free port of the loopback address until Close.
func New(o Options) (*Front, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &Front{Address: l.Addr().String(), options: o, l: l, open: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.open[conn] = true
			f.mu.Unlock()
			go f.serve(conn)
		}
	}()
	return f, nil
}

// Close closes the listener and every connection.
func (f *Front) Close() {
	f.l.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.open {
		conn.Close()
	}
}

func (f *Front) serve(conn net.Conn) {
	defer func() {
		f.mu.Lock()
		delete(f.open, conn)
		f.mu.Unlock()
		conn.Close()
	}()
	_ = conn.SetDeadline(time.Now().Add(signInTimeout))
	client, startup, err := f.letIn(conn)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			f.options.Log.Warn("connection refused", "error", err)
		}
		return
	}
	onward, err := net.Dial("tcp", f.options.Postgres)
	if err != nil {
		refuse(client, "57P03", "the database is unavailable")
		return
	}
	if _, err := onward.Write(startup); err != nil {
		onward.Close()
		return
	}
	_ = conn.SetDeadline(time.Time{})
	tlsproxy.Join(client, onward)
}

// letIn starts TLS, and requests a token if the user needs one. It returns the
// connection and the startup message.
func (f *Front) letIn(conn net.Conn) (net.Conn, []byte, error) {
	first, err := message(conn, 0)
	if err != nil {
		return nil, nil, err
	}
	if len(first) != 8 || binary.BigEndian.Uint32(first[4:]) != wantTLS {
		refuse(conn, "28000", "no pg_hba.conf entry for this host, no encryption")
		return nil, nil, errors.New("it came without TLS")
	}
	if _, err := conn.Write([]byte("S")); err != nil {
		return nil, nil, err
	}
	client := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{f.options.Certificate}, MinVersion: tls.VersionTLS12})
	startup, err := message(client, 0)
	if err != nil {
		return nil, nil, err
	}
	user := parameter(startup, "user")
	if !f.options.Tokens(user) {
		return client, startup, nil
	}
	if _, err := client.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3}); err != nil { // AuthenticationCleartextPassword
		return nil, nil, err
	}
	answer, err := message(client, 'p')
	if err != nil {
		return nil, nil, err
	}
	if err := f.check(strings.TrimRight(string(answer[5:]), "\x00"), user, time.Now()); err != nil {
		refuse(client, "28P01", fmt.Sprintf("PAM authentication failed for user %q", user))
		return nil, nil, fmt.Errorf("the token of %s: %w", user, err)
	}
	return client, startup, nil
}

// check validates a token, the query of a presigned request for rds-db:connect
// without its scheme.
func (f *Front) check(token, user string, now time.Time) error {
	u, err := url.Parse("https://" + token)
	if err != nil {
		return errors.New("it is not a request")
	}
	q := u.Query()
	made, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	key, _, _ := strings.Cut(q.Get("X-Amz-Credential"), "/")
	switch {
	case u.Host != f.Address:
		return fmt.Errorf("it is for %s", u.Host)
	case q.Get("Action") != "connect" || q.Get("DBUser") != user:
		return errors.New("it is for another user")
	case err != nil || now.Sub(made) > tokenLife || made.Sub(now) > tokenLife:
		return errors.New("it is not valid at this time")
	case q.Get("X-Amz-Signature") == "":
		return errors.New("it is not signed")
	case !f.options.Allowed(key, user):
		return errors.New("its access key may not connect as this user")
	}
	return nil
}

// message reads one message of a kind or, with kind 0, one of those before
// authentication, which have none.
func message(r io.Reader, kind byte) ([]byte, error) {
	head := make([]byte, 4)
	if kind != 0 {
		head = make([]byte, 5)
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	if kind != 0 && head[0] != kind {
		return nil, fmt.Errorf("message %q instead of %q", head[0], kind)
	}
	n := int(binary.BigEndian.Uint32(head[len(head)-4:]))
	if n < 4 || n > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	out := append(head, make([]byte, n-4)...)
	_, err := io.ReadFull(r, out[len(head):])
	return out, err
}

// parameter returns a parameter of a startup message.
func parameter(startup []byte, name string) string {
	if len(startup) < 8 {
		return ""
	}
	parts := strings.Split(string(startup[8:]), "\x00")
	for i := 0; i+1 < len(parts); i += 2 {
		if parts[i] == name {
			return parts[i+1]
		}
	}
	return ""
}

// refuse sends the client an error in Postgres's format.
func refuse(w io.Writer, code, text string) {
	body := "SFATAL\x00VFATAL\x00C" + code + "\x00M" + text + "\x00\x00"
	head := binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(body)+4))
	_, _ = w.Write(append(head, body...))
}
