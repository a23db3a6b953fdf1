package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

// mostBundle is more than RDS's bundle of all regions has, in bytes.
const mostBundle = 4 << 20

// readBundle reads and checks the certificate bundle of RDS. It becomes part of
// every package, so what is not a certificate is refused, a key above all.
func readBundle(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the RDS certificate bundle: %w", err)
	}
	if err := checkBundle(data, time.Now()); err != nil {
		return nil, fmt.Errorf("the RDS certificate bundle %s: %w; AWS's page \"Using SSL/TLS to encrypt a connection to a DB instance\" has global-bundle.pem", path, err)
	}
	return data, nil
}

// checkBundle wants certificates alone, and one at least of an authority that is
// valid now.
func checkBundle(data []byte, now time.Time) error {
	if len(data) > mostBundle {
		return fmt.Errorf("it has %d bytes; that is no bundle", len(data))
	}
	var authorities, valid int
	var last time.Time // on which one ended
	for n := 1; ; n++ {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("block %d is a %s; only certificates may be packed", n, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("certificate %d: %w", n, err)
		}
		switch {
		case !c.IsCA:
		case now.Before(c.NotBefore) || now.After(c.NotAfter):
			authorities++
			last = later(last, c.NotAfter)
		default:
			authorities++
			valid++
		}
	}
	switch {
	case authorities == 0:
		return fmt.Errorf("it holds no certificate of an authority in PEM")
	case valid == 0:
		return fmt.Errorf("none of its %d authorities is valid now; the last ends %s", authorities, last.Format(time.DateOnly))
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
