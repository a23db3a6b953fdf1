package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// NewToken is a request for a token.
type NewToken struct {
	Name      string    `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._@-]*$" doc:"Name of the token in the audit. It can be reused once the token is revoked." example:"shop-frontend"`
	Scopes    []string  `json:"scopes" minItems:"1" maxItems:"6" enum:"recommend,events,items,read,operate,admin" doc:"Scopes of the token."`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"When the token expires. By default it does not expire."`
}

// Token is a token without its secret.
type Token struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Scopes    []string  `json:"scopes"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
	UsedAt    time.Time `json:"used_at,omitzero"`    // with a precision of a minute; zero: never
	RevokedAt time.Time `json:"revoked_at,omitzero"` // zero: not revoked
}

// Valid reports whether the token may be used at a time.
func (t Token) Valid(at time.Time) bool {
	return t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || at.Before(t.ExpiresAt))
}

// CreatedToken is a new token, the only response that contains its text.
type CreatedToken struct {
	Token
	Secret string `json:"token" doc:"The token. Send it as Authorization: Bearer. It is not stored and cannot be shown again." example:"rf_…"`
}

// Tokens is a page of tokens, newest first.
type Tokens struct {
	Items []Token `json:"items"`
	Next  string  `json:"next,omitempty" doc:"Cursor of the next page. Absent on the last page."`
}

// CreateToken creates a token.
func (c *Client) CreateToken(ctx context.Context, n NewToken) (t CreatedToken, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/tokens", nil, nil, n, &t)
	return t, err
}

// Tokens returns a page of tokens.
func (c *Client) Tokens(ctx context.Context, cursor string, limit int) (t Tokens, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/tokens", page(cursor, limit), nil, nil, &t)
	return t, err
}

// RevokeToken revokes a token.
func (c *Client) RevokeToken(ctx context.Context, id int64) (t Token, err error) {
	_, err = c.Do(ctx, http.MethodDelete, "/tokens/"+number(id), nil, nil, nil, &t)
	return t, err
}

// page returns the query of a page of at most limit entries; an empty cursor
// means the first page.
func page(cursor string, limit int) url.Values {
	q := url.Values{}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return q
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
