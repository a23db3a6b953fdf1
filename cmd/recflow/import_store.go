package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/importer"
)

// maxImportRecord bounds the small JSON objects that an import reads, in bytes.
const maxImportRecord = 1 << 20

// openBucket returns the bucket of the running system.
func (a *app) openBucket(ctx context.Context) (*awsclient.S3, error) {
	c, aws, err := openAWS(ctx, func(c config.Client) string { return c.Storage.Bucket }, "RECFLOW_BUCKET")
	if err != nil {
		return nil, err
	}
	return awsclient.NewS3(aws, c.Storage.Bucket), nil
}

// importStore is the bucket of an import. A dry run does without one: it then
// cannot know when a file was imported first.
func (a *app) importStore(ctx context.Context, dryRun bool) (importer.Store, error) {
	if c, err := clientConfig(); dryRun && (err != nil || c.Storage.Bucket == "") {
		return nil, err
	}
	b, err := a.openBucket(ctx)
	if err != nil {
		return nil, err
	}
	return importBucket{b}, nil
}

// importBucket is a bucket as the importer wants it.
type importBucket struct{ *awsclient.S3 }

func (b importBucket) Get(ctx context.Context, key string) ([]byte, error) {
	return b.S3.Get(ctx, key, maxImportRecord)
}

// Stat takes the MD5 from the ETag, where the ETag is one: that of an encrypted
// object may look like it, and then the object is sent again.
func (b importBucket) Stat(ctx context.Context, key string) (importer.Object, error) {
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

func (b importBucket) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	return b.S3.PutIfAbsent(ctx, key, bytes.NewReader(body))
}

func (b importBucket) Put(ctx context.Context, key string, body []byte) error {
	return b.S3.Put(ctx, key, bytes.NewReader(body))
}

func (b importBucket) List(ctx context.Context, prefix string, each func(string) error) error {
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

var _ importer.Store = importBucket{}
