package awsclient

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// maxResumes limits how often one Reader resumes after a broken connection.
const maxResumes = 4

// Reader streams an object. After a broken connection it resumes at the same byte
// on condition that the object is unchanged, so a reader never returns bytes of two
// objects. It returns io.EOF only after the last byte.
type Reader struct {
	ctx     context.Context
	s3      *S3
	object  Object
	body    io.ReadCloser
	offset  int64 // of the next byte in the object
	resumes int   // since the last byte that arrived
}

// Open streams an object starting at offset, or returns recsys.ErrNotFound. The
// context bounds the whole read; close the Reader.
func (s *S3) Open(ctx context.Context, key string, offset int64) (*Reader, error) {
	r := &Reader{ctx: ctx, s3: s, object: Object{Key: key}, offset: offset}
	if err := r.request(); err != nil {
		return nil, err
	}
	return r, nil
}

// Object describes the object; Size is that of the whole object.
func (r *Reader) Object() Object { return r.object }

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for {
		n, err := r.body.Read(p)
		r.offset += int64(n)
		if n > 0 {
			r.resumes = 0
			return n, nil // a persistent failure occurs again on the next read
		}
		if err == nil {
			return 0, nil
		}
		if r.offset >= r.object.Size && err == io.EOF {
			return 0, io.EOF
		}
		if r.resumes++; r.resumes > maxResumes || r.ctx.Err() != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, fmt.Errorf("read %s at byte %d of %d: %w", r.object.Key, r.offset, r.object.Size, err)
		}
		r.body.Close()
		if err := r.request(); err != nil {
			return 0, err
		}
	}
}

// Close ends the read without reading the rest of the body.
func (r *Reader) Close() error { return r.body.Close() }

// request requests the bytes from r.offset to the end.
func (r *Reader) request() error {
	in := &s3.GetObjectInput{Bucket: &r.s3.bucket, Key: &r.object.Key}
	if r.offset > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.offset))
	}
	if r.object.ETag != "" {
		in.IfMatch = &r.object.ETag
	}
	out, err := r.s3.client.GetObject(r.ctx, in)
	if err != nil {
		return translate(err, "open %s", r.object.Key)
	}
	size := aws.ToInt64(out.ContentLength)
	if r.offset > 0 {
		if size, err = totalSize(aws.ToString(out.ContentRange)); err != nil {
			out.Body.Close()
			return fmt.Errorf("open %s at byte %d: %w", r.object.Key, r.offset, err)
		}
	}
	r.body = out.Body
	r.object.Size = size
	r.object.ETag = aws.ToString(out.ETag)
	r.object.Modified = aws.ToTime(out.LastModified)
	return nil
}

// totalSize returns the object's size from "bytes 5-9/10".
func totalSize(contentRange string) (int64, error) {
	_, total, found := strings.Cut(contentRange, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if !found || err != nil {
		return 0, fmt.Errorf("the response is not a range: %q", contentRange)
	}
	return size, nil
}
