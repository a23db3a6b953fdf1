package apiclient

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// A token is "rf_", a public key that identifies it and a secret, both in
// URL-safe base64.
const (
	tokenPrefix = "rf_"
	keyBytes    = 9
	secretBytes = 32
)

// MintToken generates a token: its text, to be shown once, its key, and the
// digest of its secret. Only the key and the digest are stored.
func MintToken() (text, key string, digest [sha256.Size]byte) {
	var random [keyBytes + secretBytes]byte
	rand.Read(random[:])
	key = base64.RawURLEncoding.EncodeToString(random[:keyBytes])
	secret := base64.RawURLEncoding.EncodeToString(random[keyBytes:])
	return tokenPrefix + key + secret, key, sha256.Sum256([]byte(secret))
}

// SplitToken splits a token into key and secret; ok is false if it is
// malformed.
func SplitToken(text string) (key string, digest [sha256.Size]byte, ok bool) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	keyLength, length := base64.RawURLEncoding.EncodedLen(keyBytes), base64.RawURLEncoding.EncodedLen(keyBytes)+base64.RawURLEncoding.EncodedLen(secretBytes)
	if !ok || len(rest) != length {
		return "", digest, false
	}
	for _, part := range []string{rest[:keyLength], rest[keyLength:]} {
		if _, err := base64.RawURLEncoding.DecodeString(part); err != nil {
			return "", digest, false
		}
	}
	return rest[:keyLength], sha256.Sum256([]byte(rest[keyLength:])), true
}

// Fingerprint returns the public part of a token: its key and the digest of its
// secret. It is enough to admit the token, and cannot be used as a token.
func Fingerprint(key string, digest [sha256.Size]byte) string {
	return key + "." + base64.RawURLEncoding.EncodeToString(digest[:])
}

// SplitFingerprint splits a fingerprint; ok is false if it is malformed.
func SplitFingerprint(text string) (key string, digest [sha256.Size]byte, ok bool) {
	key, rest, _ := strings.Cut(text, ".")
	raw, err := base64.RawURLEncoding.DecodeString(key)
	sum, sumErr := base64.RawURLEncoding.DecodeString(rest)
	if err != nil || sumErr != nil || len(raw) != keyBytes || len(sum) != sha256.Size {
		return "", digest, false
	}
	return key, [sha256.Size]byte(sum), true
}
