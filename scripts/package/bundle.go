package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

// mostBundle is larger than RDS's bundle of all regions, in bytes.
const mostBundle = 4 << 20

// readBundle reads and validates the RDS certificate bundle. It is included in
// every package, so anything but certificates is rejected, keys in particular.
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

// checkBundle accepts certificates only, at least one of them of a currently valid
// authority.
func checkBundle(data []byte, now time.Time) error {
	if len(data) > mostBundle {
		return fmt.Errorf("it has %d bytes, too many for a bundle", len(data))
	}
	var authorities, valid int
	var last time.Time // on which one expired
	for n := 1; ; n++ {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("block %d is a %s; only certificates may be packaged", n, block.Type)
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
		return fmt.Errorf("it has no CA certificate in PEM format")
	case valid == 0:
		return fmt.Errorf("none of its %d authorities is currently valid; the last one expired %s", authorities, last.Format(time.DateOnly))
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
