package callrecorder

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/recflow/recflow/internal/e2e/iam"
)

// s3Plain are query parameters that do not change the operation.
var s3Plain = []string{
	"x-id", "list-type", "prefix", "delimiter", "max-keys", "marker", "start-after", "continuation-token",
	"encoding-type", "fetch-owner", "partNumber", "max-uploads", "key-marker", "upload-id-marker",
}

// s3Operations are actions by method and the query parameter that selects the
// operation, empty for none.
var (
	s3OnObject = map[string]string{
		"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject",
		"GET versionId": "GetObjectVersion", "HEAD versionId": "GetObjectVersion", "DELETE versionId": "DeleteObjectVersion",
		"POST uploads": "PutObject", "PUT uploadId": "PutObject", "POST uploadId": "PutObject",
		"GET uploadId": "ListMultipartUploadParts", "DELETE uploadId": "AbortMultipartUpload",
		"GET tagging": "GetObjectTagging", "PUT tagging": "PutObjectTagging",
	}
	s3OnBucket = map[string]string{
		"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket",
		"GET location": "GetBucketLocation", "GET uploads": "ListBucketMultipartUploads", "GET versions": "ListBucketVersions",
		"POST delete": "DeleteObject", // of each key in the body
	}
)

func (c *call) classifyS3() error {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(c.path, "/"), "/")
	if bucket == "" {
		return errors.New("the call names no bucket in its path")
	}
	operation := c.method
	for _, name := range sortedKeys(c.query) {
		if !slices.Contains(s3Plain, name) {
			operation += " " + name
		}
	}
	table := s3OnBucket
	if key != "" {
		table = s3OnObject
	}
	action, ok := table[operation]
	if !ok {
		return fmt.Errorf("unknown S3 operation %q", operation)
	}
	arn := "arn:aws:s3:::" + bucket
	if key == "" {
		return c.onBucket(operation, "s3:"+action, arn)
	}
	c.onObject("s3:"+action, arn, key)
	return nil
}

func (c *call) onBucket(operation, action, arn string) error {
	if operation == "POST delete" {
		var in struct {
			Objects []struct{ Key string } `xml:"Object"`
		}
		if err := xml.Unmarshal(c.body, &in); err != nil {
			return fmt.Errorf("read the keys to delete: %w", err)
		}
		for _, o := range in.Objects {
			c.need(action, arn+"/"+o.Key)
		}
		return nil
	}
	r := iam.Request{Action: action, Resource: arn}
	if operation == http.MethodGet {
		for _, key := range []string{"prefix", "delimiter"} {
			if c.query.Has(key) {
				if r.Context == nil {
					r.Context = map[string]string{}
				}
				r.Context["s3:"+key] = c.query.Get(key)
			}
		}
	}
	c.requests = append(c.requests, r)
	return nil
}

func (c *call) onObject(action, bucket, key string) {
	c.need(action, bucket+"/"+key)
	if action == "s3:GetObject" {
		c.missing = &iam.Request{Action: "s3:ListBucket", Resource: bucket}
	}
	if action != "s3:PutObject" {
		return
	}
	if c.header.Get("X-Amz-Tagging") != "" {
		c.need("s3:PutObjectTagging", bucket+"/"+key)
	}
	if c.header.Get("X-Amz-Acl") != "" {
		c.need("s3:PutObjectAcl", bucket+"/"+key)
	}
	if source := c.header.Get("X-Amz-Copy-Source"); source != "" {
		if plain, err := url.PathUnescape(source); err == nil {
			source = plain
		}
		source, _, _ = strings.Cut(strings.TrimPrefix(source, "/"), "?")
		c.need("s3:GetObject", "arn:aws:s3:::"+source)
	}
}

func sortedKeys(v url.Values) []string {
	keys := make([]string, 0, len(v))
	for k := range v {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
