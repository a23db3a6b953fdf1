package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/recsys"
)

// Limits of what is kept about callers, and of callers that are nobody.
const (
	tokenFor       = 5 * time.Second // so long a revoked token may go on working
	mostTokens     = 10_000
	mostLimiters   = 10_000
	anonymousRate  = 10
	anonymousBurst = 50
)

// guard knows who calls and how often. It is safe for concurrent use.
type guard struct {
	config config.API
	log    *slog.Logger
	tokens tokenStore
	now    func() time.Time

	anonymousRate  float64 // a second, for each address
	anonymousBurst int

	mu       sync.Mutex
	known    map[string]knownToken // by key
	limiters map[string]*rate.Limiter
}

type tokenStore interface {
	TokenByKey(ctx context.Context, key string) (ledger.Token, []byte, error)
}

type knownToken struct {
	token  ledger.Token
	digest []byte
	read   time.Time
}

func newGuard(c config.API, log *slog.Logger, tokens tokenStore) *guard {
	return &guard{config: c, log: log, tokens: tokens, now: time.Now, anonymousRate: anonymousRate, anonymousBurst: anonymousBurst, known: map[string]knownToken{}, limiters: map[string]*rate.Limiter{}}
}

// identify says who calls by the Authorization header, and whether they may go
// on: they may not with a bad token, or too often.
func (g *guard) identify(ctx context.Context, authorization, remote string) (principal, limits, *apiclient.Problem) {
	if g.config.Auth == config.AuthNone {
		p := principal{all: true}
		l, refused := g.limit("local", g.config.Rate, g.config.Burst)
		return p, l, refused
	}
	p, refused := g.authenticate(ctx, authorization)
	if refused != nil {
		// Before its problem is told, lest somebody tries tokens by the thousand.
		host, _, _ := net.SplitHostPort(remote)
		if l, often := g.limit("address "+host, g.anonymousRate, g.anonymousBurst); often != nil {
			return principal{}, l, often
		}
		return principal{}, limits{}, refused
	}
	l, often := g.limit("token "+p.name, g.config.Rate, g.config.Burst)
	return p, l, often
}

func (g *guard) authenticate(ctx context.Context, authorization string) (principal, *apiclient.Problem) {
	scheme, text, _ := strings.Cut(authorization, " ")
	if authorization == "" || !strings.EqualFold(scheme, "Bearer") {
		return principal{}, fail(http.StatusUnauthorized, "no_token", "the request carries no token", "send Authorization: Bearer rf_…; see recflow tokens create")
	}
	key, sum, ok := apiclient.SplitToken(strings.TrimSpace(text))
	bad := fail(http.StatusUnauthorized, "bad_token", "the token is unknown, revoked or expired", "create another one with recflow tokens create")
	if !ok {
		return principal{}, bad
	}
	t, digest, err := g.token(ctx, key)
	if errors.Is(err, recsys.ErrNotFound) {
		return principal{}, bad
	}
	if err != nil {
		return principal{}, classify(ctx, g.log, err)
	}
	if subtle.ConstantTimeCompare(sum[:], digest) != 1 || !t.Valid(g.now()) {
		return principal{}, bad
	}
	return principal{name: t.Name, scopes: t.Scopes}, nil
}

// token reads a token, or remembers it for a moment.
func (g *guard) token(ctx context.Context, key string) (ledger.Token, []byte, error) {
	g.mu.Lock()
	k, ok := g.known[key]
	g.mu.Unlock()
	if ok && g.now().Sub(k.read) < tokenFor {
		return k.token, k.digest, nil
	}
	t, digest, err := g.tokens.TokenByKey(ctx, key)
	if err != nil {
		return ledger.Token{}, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.known) >= mostTokens {
		clear(g.known)
	}
	g.known[key] = knownToken{t, digest, g.now()}
	return t, digest, nil
}

// limits are what a caller has left, for the RateLimit headers
// (draft-ietf-httpapi-ratelimit-headers-06, which names them separately).
type limits struct{ limit, remaining, reset int }

func (l limits) write(set func(name, value string)) {
	if l.limit == 0 {
		return
	}
	set("RateLimit-Limit", strconv.Itoa(l.limit))
	set("RateLimit-Remaining", strconv.Itoa(l.remaining))
	set("RateLimit-Reset", strconv.Itoa(l.reset))
}

// limit takes one request out of a caller's bucket, or says when to come again.
func (g *guard) limit(caller string, perSecond float64, burst int) (limits, *apiclient.Problem) {
	g.mu.Lock()
	b := g.limiters[caller]
	if b == nil {
		if len(g.limiters) >= mostLimiters {
			clear(g.limiters)
		}
		b = rate.NewLimiter(rate.Limit(perSecond), burst)
		g.limiters[caller] = b
	}
	g.mu.Unlock()
	now := g.now()
	allowed := b.AllowN(now, 1)
	left := math.Max(0, b.TokensAt(now))
	l := limits{burst, int(left), int(math.Ceil((float64(burst) - left) / perSecond))}
	if allowed {
		return l, nil
	}
	wait := time.Duration((1 - left) / perSecond * float64(time.Second))
	return l, failAfter(http.StatusTooManyRequests, "too_many_requests", "more requests than this caller may make", "wait for Retry-After, then go on more slowly", wait)
}
