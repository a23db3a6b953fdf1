package toolchain

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"os"
	"unicode/utf16"
)

// trustPassword is Java's default: a trust store contains no secrets.
const trustPassword = "changeit"

// certificateBundles are the usual paths of the system's trusted CA certificates.
var certificateBundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Arch
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Red Hat
	"/etc/ssl/ca-bundle.pem",                            // SUSE
	"/etc/ssl/cert.pem",                                 // Alpine, macOS
}

// writeTrustStore creates a Java trust store with the system's CA certificates. The
// packaged Java only trusts the public ones, so behind a company's TLS proxy
// downloads would fail.
func writeTrustStore(path string) error {
	for _, bundle := range certificateBundles {
		if data, err := os.ReadFile(bundle); err == nil {
			return os.WriteFile(path, trustStore(certificates(data)), 0o644)
		}
	}
	return fmt.Errorf("no certificate bundle in the usual places")
}

func certificates(bundle []byte) (ders [][]byte) {
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			return ders
		}
		if block.Type == "CERTIFICATE" {
			ders = append(ders, block.Bytes)
		}
	}
}

// trustStore encodes certificates in the Java key store format ("JKS"), version 2:
// a header, one entry per certificate, and a keyed SHA-1 of everything.
func trustStore(ders [][]byte) []byte {
	const magic, version, trustedCertificate = 0xFEEDFEED, 2, 2
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.BigEndian, v) } // writes to a buffer cannot fail
	text := func(s string) { put(uint16(len(s))); b.WriteString(s) }

	put(uint32(magic))
	put(uint32(version))
	put(uint32(len(ders)))
	for i, der := range ders {
		put(uint32(trustedCertificate))
		text(fmt.Sprintf("system-%d", i))
		put(int64(0)) // creation time
		text("X.509")
		put(uint32(len(der)))
		b.Write(der)
	}
	h := sha1.New()
	_ = binary.Write(h, binary.BigEndian, utf16.Encode([]rune(trustPassword)))
	h.Write([]byte("Mighty Aphrodite")) // the format's fixed salt
	h.Write(b.Bytes())
	return h.Sum(b.Bytes())
}
