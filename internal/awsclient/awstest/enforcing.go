package awstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
)

// Account is the emulator's account ID.
const Account = "000000000000"

// region is the region of the emulator's clients.
const region = "us-east-1"

// Root are credentials with full access on an emulator that enforces IAM. The
// emulator reads them from its own environment.
var Root = aws.Credentials{AccessKeyID: "root-of-the-emulator", SecretAccessKey: "secret-of-the-emulator"}

// Enforcing starts an emulator for this test that checks the signature and the
// permissions of each call (decision 0023). It returns the endpoint.
func Enforcing(t testing.TB) string {
	t.Helper()
	toolchaintest.SkipShort(t)
	endpoint, lifeline, err := startEmulator("AUTH=true",
		"AWS_ACCESS_KEY_ID="+Root.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+Root.SecretAccessKey)
	if err != nil {
		t.Fatalf("start the emulator: %v", err)
	}
	t.Cleanup(func() { lifeline.Close() })
	return endpoint
}

// RoleARN returns the ARN of a role in the emulator's account.
func RoleARN(name string) string { return "arn:aws:iam::" + Account + ":role/" + name }

// AssumeRole returns the credentials of a role. The emulator lets root assume a
// role that trusts a service, which AWS does not allow. A test can therefore act as
// Lambda or Glue with the role exactly as Terraform created it.
func AssumeRole(ctx context.Context, endpoint string, root aws.Credentials, roleARN string) (aws.Credentials, error) {
	var out struct {
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
		} `xml:"AssumeRoleResult>Credentials"`
	}
	data, err := Query(ctx, endpoint, root, "sts", url.Values{
		"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {roleARN}, "RoleSessionName": {"test"},
	})
	if err == nil {
		err = xml.Unmarshal(data, &out)
	}
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("assume %s: %w", roleARN, err)
	}
	c := out.Credentials
	return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, nil
}

// CredentialEnv returns the environment variables that pass credentials to a
// process.
func CredentialEnv(c aws.Credentials) map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID":     c.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": c.SecretAccessKey,
		"AWS_SESSION_TOKEN":     c.SessionToken,
	}
}

// SignIn is AssumeRole for a role whose trust policy has conditions besides the
// service, such as a source account. It first changes the trust policy to trust
// root; the role's permissions are unchanged.
func SignIn(ctx context.Context, endpoint string, root aws.Credentials, roleARN string) (aws.Credentials, error) {
	_, name, _ := strings.Cut(roleARN, ":role/")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + Account + `:root"},"Action":"sts:AssumeRole"}]}`
	if _, err := Query(ctx, endpoint, root, "iam", url.Values{
		"Action": {"UpdateAssumeRolePolicy"}, "Version": {"2010-05-08"}, "RoleName": {name}, "PolicyDocument": {trust},
	}); err != nil {
		return aws.Credentials{}, fmt.Errorf("have role %s trust root: %w", name, err)
	}
	return AssumeRole(ctx, endpoint, root, roleARN)
}

// Query makes one call of the Query protocol, which IAM, STS and SNS use. Tests
// need three operations of two services, too few to justify two more SDK clients.
func Query(ctx context.Context, endpoint string, c aws.Credentials, service string, form url.Values) ([]byte, error) {
	body := []byte(form.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, c, req, hex.EncodeToString(sum[:]), service, region, time.Now()); err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", form.Get("Action"), resp.Status, data)
	}
	return data, err
}

// MakeRole creates a role with one policy that a service may assume.
func MakeRole(ctx context.Context, endpoint string, root aws.Credentials, name, service, policy string) error {
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`
	for _, form := range []url.Values{
		{"Action": {"CreateRole"}, "RoleName": {name}, "AssumeRolePolicyDocument": {trust}},
		{"Action": {"PutRolePolicy"}, "RoleName": {name}, "PolicyName": {name}, "PolicyDocument": {policy}},
	} {
		form.Set("Version", "2010-05-08")
		if _, err := Query(ctx, endpoint, root, "iam", form); err != nil {
			return fmt.Errorf("make role %s: %w", name, err)
		}
	}
	return nil
}
