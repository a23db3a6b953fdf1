package awsclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/recflow/recflow/internal/recsys"
)

// S3 is a client of one bucket.
type S3 struct {
	client *s3.Client
	bucket string
}

// Object describes a stored object.
type Object struct {
	Key      string
	Size     int64 // bytes
	ETag     string
	Modified time.Time
}

// NewS3 returns a client of bucket. With an endpoint override, addresses are
// path-style because a local endpoint has no host name per bucket.
func NewS3(c Config, bucket string) *S3 {
	client := s3.NewFromConfig(c.aws, func(o *s3.Options) {
		if c.options.S3Endpoint != "" {
			o.BaseEndpoint = aws.String(c.options.S3Endpoint)
		}
		o.UsePathStyle = o.BaseEndpoint != nil
		// A range read has no checksum to verify; a warning each time is noise.
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return &S3{client: client, bucket: bucket}
}

// Bucket returns the name of the bucket.
func (s *S3) Bucket() string { return s.bucket }

// EnsureBucket creates the bucket unless this account already owns it. Only the
// local stack calls it; on AWS Terraform creates the bucket.
func (s *S3) EnsureBucket(ctx context.Context) error {
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	if err == nil || !hasCode(err, notFoundCodes) {
		return translate(err, "look for bucket %s", s.bucket)
	}
	in := &s3.CreateBucketInput{Bucket: &s.bucket}
	if region := s.client.Options().Region; region != "us-east-1" { // us-east-1 must not be named
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(region),
		}
	}
	_, err = s.client.CreateBucket(ctx, in)
	var owned *types.BucketAlreadyOwnedByYou
	if errors.As(err, &owned) {
		return nil
	}
	return translate(err, "create bucket %s", s.bucket)
}

// Stat describes an object, or returns recsys.ErrNotFound.
func (s *S3) Stat(ctx context.Context, key string) (Object, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return Object{}, translate(err, "stat %s", key)
	}
	return Object{
		Key:      key,
		Size:     aws.ToInt64(out.ContentLength),
		ETag:     aws.ToString(out.ETag),
		Modified: aws.ToTime(out.LastModified),
	}, nil
}

// Get reads a whole object of at most limit bytes. It returns recsys.ErrNotFound if
// there is none and ErrTooLarge if it is larger, whatever its declared length.
func (s *S3) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	r, err := s.Open(ctx, key, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size := r.Object().Size; size > limit {
		return nil, fmt.Errorf("read %s: %w: %d bytes, at most %d accepted", key, ErrTooLarge, size, limit)
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: %w: more than %d bytes", key, ErrTooLarge, limit)
	}
	return data, nil
}

// Put writes an object, replacing an existing one.
func (s *S3) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: body})
	return translate(err, "write %s", key)
}

// PutIfAbsent writes an object only if it does not exist: of several writers one
// succeeds and the others get recsys.ErrConflict. The SDK repeats a put whose
// response was lost and then gets a conflict with its own object, so after an error
// the object is read and compared. Any other error leaves open whether it was written.
func (s *S3) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(body), IfNoneMatch: aws.String("*"),
	})
	if err == nil {
		return nil
	}
	switch stored, readErr := s.Get(ctx, key, int64(len(body))); {
	case readErr == nil && bytes.Equal(stored, body):
		return nil
	case readErr == nil, errors.Is(readErr, ErrTooLarge):
		return fmt.Errorf("write %s unless it exists: %w (%w)", key, recsys.ErrConflict, err)
	}
	return translate(err, "write %s unless it exists", key)
}

// List yields the objects whose key starts with prefix, in key order, page by page.
// It stops after the first error.
func (s *S3) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Object{}, translate(err, "list %s", prefix))
				return
			}
			for _, o := range page.Contents {
				found := Object{
					Key:      aws.ToString(o.Key),
					Size:     aws.ToInt64(o.Size),
					ETag:     aws.ToString(o.ETag),
					Modified: aws.ToTime(o.LastModified),
				}
				if !yield(found, nil) {
					return
				}
			}
		}
	}
}

// DeleteObjects deletes objects. Deleting a missing key is not an error.
func (s *S3) DeleteObjects(ctx context.Context, keys ...string) error {
	const most = 1000 // keys per DeleteObjects call
	for len(keys) > 0 {
		n := min(len(keys), most)
		ids := make([]types.ObjectIdentifier, n)
		for i := range ids {
			ids[i].Key = &keys[i]
		}
		out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: &s.bucket,
			Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return translate(err, "delete %d objects", n)
		}
		if len(out.Errors) > 0 {
			e := out.Errors[0]
			return fmt.Errorf("delete %s and %d more: %s: %s", aws.ToString(e.Key), len(out.Errors)-1, aws.ToString(e.Code), aws.ToString(e.Message))
		}
		keys = keys[n:]
	}
	return nil
}
