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

	lookUpTimeout = 2 * time.Second        // of one token in the database
	lookUpWait    = 100 * time.Millisecond // of a token that was never seen, for one of maxLookUps
	maxLookUps    = 8
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
		known: newCache[cachedToken](maxTokens), unknown: newCache[time.Time](maxTokens), unseen: NewSlots(maxLookUps, lookUpWait),
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
	p, l, refused := a.authenticate(ctx, authorization, address)
	// Guessing of tokens is limited. An unavailable database is no fault of the caller.
	if refused != nil && refused.Status == http.StatusUnauthorized {
		if l, often := a.addresses.take(address, a.now()); often != nil {
			return Principal{}, l, often
		}
	}
	return p, l, refused
}

func (a *authenticator) authenticate(ctx context.Context, authorization, address string) (Principal, limits, *apiclient.Problem) {
	scheme, text, _ := strings.Cut(authorization, " ")
	if authorization == "" || !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, limits{}, Fail(http.StatusUnauthorized, "no_token", "the request has no token", "send Authorization: Bearer rf_…; see recflow tokens create")
	}
	key, sum, ok := apiclient.SplitToken(strings.TrimSpace(text))
	bad := Fail(http.StatusUnauthorized, "bad_token", "the token is unknown, revoked or expired", "create a token with recflow tokens create")
	if !ok {
		return Principal{}, limits{}, bad
	}
	k, seen := a.known.Get(key)
	if !seen {
		var err error
		if k, err = a.firstSeen(ctx, key, address); errors.Is(err, recsys.ErrNotFound) {
			return Principal{}, limits{}, bad
		} else if err != nil {
			return Principal{}, limits{}, classify(ctx, a.log, err)
		}
	}
	if subtle.ConstantTimeCompare(sum[:], k.digest) != 1 || !k.token.Valid(a.now()) {
		return Principal{}, limits{}, bad // no token becomes valid again
	}
	// The rate is limited first: while the database hangs, requests wait below.
	l, often := a.callers.take(k.token.Name, a.now())
	if often != nil {
		return Principal{}, l, often
	}
	if a.now().Sub(k.read) >= tokenCacheTTL {
		var err error
		if k, err = a.lookUp(ctx, key); errors.Is(err, recsys.ErrNotFound) || err == nil && !k.token.Valid(a.now()) {
			return Principal{}, l, bad
		} else if err != nil {
			return Principal{}, l, classify(ctx, a.log, err)
		}
	}
	return Principal{name: k.token.Name, key: key, scopes: k.token.Scopes}, l, nil
}

// firstSeen looks up a token that is not in the cache. Guesses reach the database at
// the rate of their address only, and few at the same time.
func (a *authenticator) firstSeen(ctx context.Context, key, address string) (cachedToken, error) {
	if at, missing := a.unknown.Get(key); missing && a.now().Sub(at) < tokenCacheTTL {
		return cachedToken{}, recsys.ErrNotFound
	}
	if often := a.addresses.check(address, a.now()); often != nil {
		return cachedToken{}, often
	}
	release, err := a.unseen.Take(ctx)
	if err != nil {
		return cachedToken{}, err
	}
	defer release()
	return a.lookUp(ctx, key)
}

// lookUp reads a token, once for concurrent requests, and adds it to the caches.
func (a *authenticator) lookUp(ctx context.Context, key string) (cachedToken, error) {
	return a.lookUps.Read(ctx, key, lookUpTimeout, func(ctx context.Context) (cachedToken, error) {
		t, digest, err := a.tokens.TokenByKey(ctx, key)
		if errors.Is(err, recsys.ErrNotFound) {
			a.known.Remove(key)
			a.unknown.Add(key, a.now())
		}
		if err != nil {
			return cachedToken{}, err
		}
		k := cachedToken{t, digest, a.now()}
		a.known.Add(key, k)
		return k, nil
	})
}
