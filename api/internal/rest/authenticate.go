package rest

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/flight"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/recsys"
)

// Limits of the caches of tokens, and rate limits of unauthenticated callers.
const (
	tokenCacheTTL  = 5 * time.Second // longest time that a revoked token is still accepted
	maxTokens      = 10_000
	anonymousRate  = 10 // requests per second, per address
	anonymousBurst = 50

	lookUpTimeout = 2 * time.Second // of one token in the database
	maxLookUps    = 4               // of tokens that were never seen, at the same time
)

// authenticator authenticates callers and limits their rate. It is safe for
// concurrent use.
type authenticator struct {
	config config.API
	log    *slog.Logger
	tokens *ledger.Store
	now    func() time.Time

	// A token that exists stays in known, and is looked up again after
	// tokenCacheTTL. One that does not exist is remembered in unknown for the same
	// time, apart from the others, which guesses must not evict.
	known   *lru.Cache[string, cachedToken] // by key
	unknown *lru.Cache[string, time.Time]   // when it was looked up, by key
	lookUps flight.Group[cachedToken]       // by key
	unseen  *Slots                          // for keys that are not in known

	callers   *limiter // by name of the token
	addresses *limiter // of refused requests
}

type cachedToken struct {
	token  ledger.Token
	digest []byte
	read   time.Time
}

func newAuthenticator(c config.API, log *slog.Logger, tokens *ledger.Store) *authenticator {
	return &authenticator{
		config: c, log: log, tokens: tokens, now: time.Now,
		known: newCache[cachedToken](maxTokens), unknown: newCache[time.Time](maxTokens), unseen: NewSlots(maxLookUps, lookUpTimeout),
		callers: newLimiter(c.Rate, c.Burst), addresses: newLimiter(anonymousRate, anonymousBurst),
	}
}

// identify returns the caller for an Authorization header, or a problem if the token
// is invalid, the rate limit is exceeded or the database is unavailable.
func (a *authenticator) identify(ctx context.Context, authorization, remote string) (Principal, limits, *apiclient.Problem) {
	if a.config.Auth == config.AuthNone {
		l, refused := a.callers.take("", a.now())
		return Principal{all: true}, l, refused
	}
	address, _, _ := net.SplitHostPort(remote)
	p, refused := a.authenticate(ctx, authorization, address)
	if refused == nil {
		l, often := a.callers.take(p.name, a.now())
		return p, l, often
	}
	// Guessing of tokens is limited. An unavailable database is no fault of the caller.
	if refused.Status == http.StatusUnauthorized {
		if l, often := a.addresses.take(address, a.now()); often != nil {
			return Principal{}, l, often
		}
	}
	return Principal{}, limits{}, refused
}

func (a *authenticator) authenticate(ctx context.Context, authorization, address string) (Principal, *apiclient.Problem) {
	scheme, text, _ := strings.Cut(authorization, " ")
	if authorization == "" || !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, Fail(http.StatusUnauthorized, "no_token", "the request has no token", "send Authorization: Bearer rf_…; see recflow tokens create")
	}
	key, sum, ok := apiclient.SplitToken(strings.TrimSpace(text))
	bad := Fail(http.StatusUnauthorized, "bad_token", "the token is unknown, revoked or expired", "create a token with recflow tokens create")
	if !ok {
		return Principal{}, bad
	}
	k, err := a.token(ctx, key, address)
	if errors.Is(err, recsys.ErrNotFound) {
		return Principal{}, bad
	}
	if err != nil {
		return Principal{}, classify(ctx, a.log, err)
	}
	if subtle.ConstantTimeCompare(sum[:], k.digest) != 1 || !k.token.Valid(a.now()) {
		return Principal{}, bad
	}
	return Principal{name: k.token.Name, scopes: k.token.Scopes}, nil
}

// token returns a token from the cache or the database.
func (a *authenticator) token(ctx context.Context, key, address string) (cachedToken, error) {
	k, seen := a.known.Get(key)
	if seen && a.now().Sub(k.read) < tokenCacheTTL {
		return k, nil
	}
	if at, missing := a.unknown.Get(key); missing && a.now().Sub(at) < tokenCacheTTL {
		return cachedToken{}, recsys.ErrNotFound
	}
	if !seen {
		// Guesses reach the database at the rate of their address only.
		if often := a.addresses.check(address, a.now()); often != nil {
			return cachedToken{}, often
		}
		release, err := a.unseen.Take(ctx)
		if err != nil {
			return cachedToken{}, err
		}
		defer release()
	}
	return a.lookUps.Read(ctx, key, lookUpTimeout, func(ctx context.Context) (cachedToken, error) { return a.lookUp(ctx, key) })
}

// lookUp reads a token and adds it to the caches.
func (a *authenticator) lookUp(ctx context.Context, key string) (cachedToken, error) {
	t, digest, err := a.tokens.TokenByKey(ctx, key)
	switch {
	case errors.Is(err, recsys.ErrNotFound):
		a.unknown.Add(key, a.now())
		return cachedToken{}, err
	case err != nil:
		return cachedToken{}, err
	}
	k := cachedToken{t, digest, a.now()}
	a.known.Add(key, k)
	return k, nil
}
