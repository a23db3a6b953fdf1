// Package s3store is the bucket of imports on S3.
package s3store

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/importer"
)

// maxRecord limits the records of imports, in bytes.
const maxRecord = 1 << 20

// New returns the store of the imports in a bucket.
func New(b *awsclient.S3) importer.Store { return bucket{b} }

// bucket adapts a bucket to the importer.
type bucket struct{ *awsclient.S3 }

func (b bucket) Get(ctx context.Context, key string) ([]byte, error) {
	return b.S3.Get(ctx, key, maxRecord)
}

// Stat reads the MD5 from the ETag, if the ETag is one: the ETag of an encrypted
// object may have the same form, and the object is then sent again.
func (b bucket) Stat(ctx context.Context, key string) (importer.Object, error) {
	o, err := b.S3.Stat(ctx, key)
	if err != nil {
		return importer.Object{}, err
	}
	sum := strings.Trim(o.ETag, `"`)
	if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 16 {
		sum = ""
	}
	return importer.Object{Bytes: o.Size, MD5: sum}, nil
}

func (b bucket) Put(ctx context.Context, key string, body []byte) error {
	return b.S3.Put(ctx, key, bytes.NewReader(body))
}

func (b bucket) List(ctx context.Context, prefix string, each func(string) error) error {
	for o, err := range b.S3.List(ctx, prefix) {
		if err == nil {
			err = each(o.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
