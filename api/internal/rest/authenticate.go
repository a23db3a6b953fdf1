package rest

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

// Limits of the caches of callers, and rate limits of unauthenticated callers.
const (
	tokenCacheTTL  = 5 * time.Second // longest time that a revoked token is still accepted
	maxTokens      = 10_000
	maxLimiters    = 10_000
	anonymousRate  = 10 // requests per second, per address
	anonymousBurst = 50
)

// authenticator authenticates callers and limits their rate. It is safe for
// concurrent use.
type authenticator struct {
	config config.API
	log    *slog.Logger
	tokens *ledger.Store
	now    func() time.Time

	mu       sync.Mutex
	known    map[string]cachedToken // by key
	limiters map[string]*rate.Limiter
}

type cachedToken struct {
	token  ledger.Token
	digest []byte
	read   time.Time
}

func newAuthenticator(c config.API, log *slog.Logger, tokens *ledger.Store) *authenticator {
	return &authenticator{config: c, log: log, tokens: tokens, now: time.Now, known: map[string]cachedToken{}, limiters: map[string]*rate.Limiter{}}
}

// identify returns the caller for an Authorization header, or a problem if the token
// is invalid or the rate limit is exceeded.
func (a *authenticator) identify(ctx context.Context, authorization, remote string) (Principal, limits, *apiclient.Problem) {
	if a.config.Auth == config.AuthNone {
		p := Principal{all: true}
		l, refused := a.limit("local", a.config.Rate, a.config.Burst)
		return p, l, refused
	}
	p, refused := a.authenticate(ctx, authorization)
	if refused != nil {
		// The limit is checked first, to slow down guessing of tokens.
		host, _, _ := net.SplitHostPort(remote)
		if l, often := a.limit("address "+host, anonymousRate, anonymousBurst); often != nil {
			return Principal{}, l, often
		}
		return Principal{}, limits{}, refused
	}
	l, often := a.limit("token "+p.name, a.config.Rate, a.config.Burst)
	return p, l, often
}

func (a *authenticator) authenticate(ctx context.Context, authorization string) (Principal, *apiclient.Problem) {
	scheme, text, _ := strings.Cut(authorization, " ")
	if authorization == "" || !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, Fail(http.StatusUnauthorized, "no_token", "the request has no token", "send Authorization: Bearer rf_…; see recflow tokens create")
	}
	key, sum, ok := apiclient.SplitToken(strings.TrimSpace(text))
	bad := Fail(http.StatusUnauthorized, "bad_token", "the token is unknown, revoked or expired", "create a token with recflow tokens create")
	if !ok {
		return Principal{}, bad
	}
	t, digest, err := a.token(ctx, key)
	if errors.Is(err, recsys.ErrNotFound) {
		return Principal{}, bad
	}
	if err != nil {
		return Principal{}, classify(ctx, a.log, err)
	}
	if subtle.ConstantTimeCompare(sum[:], digest) != 1 || !t.Valid(a.now()) {
		return Principal{}, bad
	}
	return Principal{name: t.Name, scopes: t.Scopes}, nil
}

// token returns a token from the cache or the database.
func (a *authenticator) token(ctx context.Context, key string) (ledger.Token, []byte, error) {
	a.mu.Lock()
	k, ok := a.known[key]
	a.mu.Unlock()
	if ok && a.now().Sub(k.read) < tokenCacheTTL {
		return k.token, k.digest, nil
	}
	t, digest, err := a.tokens.TokenByKey(ctx, key)
	if err != nil {
		return ledger.Token{}, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxTokens {
		clear(a.known)
	}
	a.known[key] = cachedToken{t, digest, a.now()}
	return t, digest, nil
}

// limits are the values of the RateLimit headers
// (draft-ietf-httpapi-ratelimit-headers-06, which has separate ones).
type limits struct{ limit, remaining, reset int }

func (l limits) write(set func(name, value string)) {
	if l.limit == 0 {
		return
	}
	set("RateLimit-Limit", strconv.Itoa(l.limit))
	set("RateLimit-Remaining", strconv.Itoa(l.remaining))
	set("RateLimit-Reset", strconv.Itoa(l.reset))
}

// limit takes one token from a caller's bucket, or returns a problem with the time
// to retry.
func (a *authenticator) limit(caller string, perSecond float64, burst int) (limits, *apiclient.Problem) {
	a.mu.Lock()
	b := a.limiters[caller]
	if b == nil {
		if len(a.limiters) >= maxLimiters {
			clear(a.limiters)
		}
		b = rate.NewLimiter(rate.Limit(perSecond), burst)
		a.limiters[caller] = b
	}
	a.mu.Unlock()
	now := a.now()
	allowed := b.AllowN(now, 1)
	left := math.Max(0, b.TokensAt(now))
	l := limits{burst, int(left), int(math.Ceil((float64(burst) - left) / perSecond))}
	if allowed {
		return l, nil
	}
	wait := time.Duration((1 - left) / perSecond * float64(time.Second))
	return l, FailAfter(http.StatusTooManyRequests, "too_many_requests", "rate limit exceeded", "wait for Retry-After, then send requests more slowly", wait)
}
