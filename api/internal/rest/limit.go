package rest

import (
	"math"
	"net/http"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/recflow/recflow/internal/apiclient"
)

// maxLimiters is how many callers of a kind have a rate limit at the same time. One
// that was not seen for the longest time starts again with a full burst.
const maxLimiters = 10_000

// limiter limits the rate of each caller of a kind. It is safe for concurrent use.
type limiter struct {
	perSecond float64
	burst     int
	callers   *lru.Cache[string, *rate.Limiter]
}

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{perSecond: perSecond, burst: burst, callers: newCache[*rate.Limiter](maxLimiters)}
}

// newCache returns a cache that evicts the entry that was not used for the longest
// time.
func newCache[V any](size int) *lru.Cache[string, V] {
	cache, err := lru.New[string, V](size)
	if err != nil {
		panic(err) // the size is a constant
	}
	return cache
}

func (l *limiter) of(caller string) *rate.Limiter {
	fresh := rate.NewLimiter(rate.Limit(l.perSecond), l.burst)
	if known, ok, _ := l.callers.PeekOrAdd(caller, fresh); ok {
		l.callers.Get(caller) // marks it as used
		return known
	}
	return fresh
}

// take takes one request from the caller's bucket, or returns a problem with the
// time to retry.
func (l *limiter) take(caller string, now time.Time) (limits, *apiclient.Problem) {
	b := l.of(caller)
	allowed := b.AllowN(now, 1)
	state := l.state(b, now)
	if allowed {
		return state, nil
	}
	return state, l.often(b, now)
}

// check returns the problem of a caller whose bucket is empty, and takes nothing.
func (l *limiter) check(caller string, now time.Time) *apiclient.Problem {
	if b := l.of(caller); b.TokensAt(now) < 1 {
		return l.often(b, now)
	}
	return nil
}

func (l *limiter) state(b *rate.Limiter, now time.Time) limits {
	left := math.Max(0, b.TokensAt(now))
	return limits{l.burst, int(left), int(math.Ceil((float64(l.burst) - left) / l.perSecond))}
}

func (l *limiter) often(b *rate.Limiter, now time.Time) *apiclient.Problem {
	wait := time.Duration((1 - math.Max(0, b.TokensAt(now))) / l.perSecond * float64(time.Second))
	return FailAfter(http.StatusTooManyRequests, "too_many_requests", "rate limit exceeded", "wait for Retry-After, then send requests more slowly", wait)
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
