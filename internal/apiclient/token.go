package apiclient

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// A token is "rf_", a key that finds it and a secret that proves it, both in
// URL-safe base64.
const (
	tokenPrefix = "rf_"
	keyBytes    = 9
	secretBytes = 32
)

// MintToken makes a token: its text, to be shown once, its key, and the digest
// of its secret, which is all that is kept.
func MintToken() (text, key string, digest [sha256.Size]byte) {
	var random [keyBytes + secretBytes]byte
	rand.Read(random[:])
	key = base64.RawURLEncoding.EncodeToString(random[:keyBytes])
	secret := base64.RawURLEncoding.EncodeToString(random[keyBytes:])
	return tokenPrefix + key + secret, key, sha256.Sum256([]byte(secret))
}

// SplitToken takes a token apart; ok is false for what cannot be one.
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

// Fingerprint is what may be known of a token: its key and the digest of its
// secret. Whoever has it can let the token in, and cannot use it.
func Fingerprint(key string, digest [sha256.Size]byte) string {
	return key + "." + base64.RawURLEncoding.EncodeToString(digest[:])
}

// SplitFingerprint takes a fingerprint apart; ok is false for what cannot be one.
func SplitFingerprint(text string) (key string, digest [sha256.Size]byte, ok bool) {
	key, rest, _ := strings.Cut(text, ".")
	raw, err := base64.RawURLEncoding.DecodeString(key)
	sum, sumErr := base64.RawURLEncoding.DecodeString(rest)
	if err != nil || sumErr != nil || len(raw) != keyBytes || len(sum) != sha256.Size {
		return "", digest, false
	}
	return key, [sha256.Size]byte(sum), true
}
