package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/e2e/ecs"
	"github.com/recflow/recflow/internal/e2e/rds"
	"github.com/recflow/recflow/internal/e2e/tlsproxy"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/localport"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/temporaltest"
)

// External names in docs/deploy.md.
const (
	temporalHost = "recflow.abc12.tmprl.cloud"
	temporalName = "recflow.abc12" // namespace
	apiHost      = "recommendations.example.com"
	temporalKey  = "the-key-of-temporal-cloud"
)

// account is an empty AWS account and its environment: an emulator that enforces
// IAM; emulators that run tasks, deliveries, training and the function in it, with
// the settings that Terraform applied; a Postgres that requires TLS and tokens like
// RDS; and the hosts named in the deployment guide.
type account struct {
	t        *testing.T // cancels everything
	emulator string     // URL
	url      string     // of the emulator with ECS in front
	proxy    string     // URL
	trusted  string     // file of CA certificates
	dir      string
	log      *harnesstest.Buffer

	tasks     *ecs.Host
	authority *tlsproxy.Authority
	postgres  *pgserver.Server
	front     *rds.Front
	password  string // of the database's owner
	glue      string // URL; empty before startServices
	temporal  http.Handler
	stop      func() // what startServices has started

	mu    sync.Mutex
	users map[string]string // database user by the access key that may authenticate as it
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{t: t, emulator: awstest.Enforcing(t), dir: t.TempDir(), log: &harnesstest.Buffer{}, users: map[string]string{}, stop: func() {}}
	var err error
	a.authority, err = tlsproxy.NewAuthority()
	require.NoError(t, err)

	tasks := filepath.Join(a.dir, "tasks")
	require.NoError(t, os.Mkdir(tasks, 0o700))
	a.tasks, err = ecs.New(ecs.Options{
		Upstream: a.emulator, Region: "us-east-1", Root: awstest.Root,
		SignIn: a.signIn, Pull: a.pull, Place: a.place, Dir: tasks, Log: slog.New(slog.NewTextHandler(a.log, nil)),
	})
	require.NoError(t, err)
	t.Cleanup(a.tasks.Close)
	s := httptest.NewServer(quotas(a.tasks))
	t.Cleanup(s.Close)
	a.url = s.URL

	a.temporal = http.NotFoundHandler()
	proxy := tlsproxy.New(a.authority, map[string]http.Handler{
		"truststore.pki.rds.amazonaws.com": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(a.authority.PEM) }),
		"rds.amazonaws.com":                a.tasks, // where version 1 of the AWS CLI looks for RDS
		registryHost:                       a.to(func() string { return a.emulator }, nil),
		apiHost:                            a.to(a.api, nil),
		temporalHost:                       http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.temporal.ServeHTTP(w, r) }),
	})
	t.Cleanup(proxy.Close)
	p := httptest.NewServer(proxy)
	t.Cleanup(p.Close)
	a.proxy = p.URL

	a.trusted = filepath.Join(a.dir, "authorities.pem")
	system, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt") // of names that are passed through
	require.NoError(t, os.WriteFile(a.trusted, append(bytes.Clone(a.authority.PEM), system...), 0o600))
	t.Cleanup(func() { a.stop() })
	return a
}

// quotas answers Service Quotas, which the emulator does not have, with the limits of
// an account that has been in use.
func quotas(others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "ServiceQuotasV20190624.")
		if !ok || operation != "GetServiceQuota" && operation != "GetAWSDefaultServiceQuota" {
			others.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprint(w, `{"Quota": {"QuotaArn": "arn:aws:servicequotas:us-east-1:`+awstest.Account+`:lambda/L-B99A9384", "ServiceCode": "lambda", "QuotaCode": "L-B99A9384", "QuotaName": "Concurrent executions", "Value": 1000, "Unit": "None", "Adjustable": true, "GlobalQuota": false}}`)
	})
}

const registryHost = awstest.Account + ".dkr.ecr.us-east-1.amazonaws.com"

// to forwards requests to the current value of url.
func (a *account) to(target func() string, transport http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{Transport: transport, ErrorLog: log.New(a.log, "", log.LstdFlags), Rewrite: func(r *httputil.ProxyRequest) {
		if u, err := url.Parse(target()); err == nil {
			r.SetURL(u)
		}
		r.Out.Header.Set("X-Forwarded-Proto", "https")
	}}
}

// api returns where the load balancer finds the API, or nothing while none runs.
func (a *account) api() string {
	if vars := a.tasks.Vars("recflow-api"); vars != nil {
		return "http://" + vars["RECFLOW_API_ADDRESS"]
	}
	return "http://127.0.0.1:1"
}

// network returns the variables by which local programs reach the account and the
// hosts.
func (a *account) network() map[string]string {
	return map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": a.url, "AWS_EC2_METADATA_DISABLED": "true",
		"HTTPS_PROXY": a.proxy, "NO_PROXY": "127.0.0.1,localhost", "SSL_CERT_FILE": a.trusted, "CURL_CA_BUNDLE": a.trusted, "AWS_CA_BUNDLE": a.trusted,
	}
}

// signIn returns a role's credentials, as an AWS service gets them.
func (a *account) signIn(ctx context.Context, roleARN string) (aws.Credentials, error) {
	c, err := awstest.SignIn(ctx, a.emulator, awstest.Root, roleARN)
	if user := map[string]string{"worker": "recflow_loader", "api": "recflow_api", "stream": "recflow_stream"}[roleARN[strings.LastIndex(roleARN, "-")+1:]]; user != "" {
		a.mu.Lock()
		a.users[c.AccessKeyID] = user
		a.mu.Unlock()
	}
	return c, err
}

// pull downloads an image from the emulator's registry, which does not check the
// password passed to the packager.
func (a *account) pull(ctx context.Context, image string) (v1.Image, error) {
	ref, err := name.ParseReference(strings.Replace(image, registryHost, strings.TrimPrefix(a.emulator, "http://"), 1), name.Insecure)
	if err != nil {
		return nil, err
	}
	return remote.Image(ref, remote.WithContext(ctx))
}

// place changes a task's variables so that it works as a local process.
func (a *account) place(container, root string, vars map[string]string) error {
	maps.Copy(vars, a.network())
	vars["AWS_ENDPOINT_URL_GLUE"] = a.glue
	vars["RECFLOW_DATABASE_URL"] = a.databaseURL(vars["RECFLOW_DATABASE_URL"], root)
	for _, name := range map[string][]string{"worker": {"RECFLOW_WORKER_HEALTH_ADDRESS"}, "api": {"RECFLOW_API_ADDRESS", "RECFLOW_API_METRICS_ADDRESS"}}[container] {
		port, err := localport.Reserve()
		if err != nil {
			return err
		}
		vars[name] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	return nil
}

// databaseURL returns a database address that works on this machine: the host is
// the front, and the certificates are below root.
func (a *account) databaseURL(deployed, root string) string {
	u, err := url.Parse(deployed)
	if err != nil {
		return deployed
	}
	u.Host = a.front.Address
	q := u.Query()
	q.Set("sslrootcert", filepath.Join(root, q.Get("sslrootcert")))
	u.RawQuery = q.Encode()
	return u.String()
}

// makeDatabase does what RDS does for a new instance: a server, an owner without
// superuser, its password in Secrets Manager, and the group of users that
// authenticate with tokens. RDS lets the owner create the extension; Postgres does
// not.
func (a *account) makeDatabase(t *testing.T) {
	t.Helper()
	a.postgres = pgservertest.Server(a.t)
	a.password = rand.Text()
	conn, err := pgx.Connect(t.Context(), a.postgres.URL("postgres"))
	require.NoError(t, err)
	for _, statement := range []string{
		"CREATE ROLE rds_iam",
		"CREATE ROLE recflow_owner LOGIN CREATEROLE CREATEDB PASSWORD '" + a.password + "'",
		"GRANT rds_iam TO recflow_owner WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
		"CREATE DATABASE recflow OWNER recflow_owner",
	} {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	hba := filepath.Join(a.postgres.Data, "pg_hba.conf")
	rules, err := os.ReadFile(hba)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(hba, append([]byte("host all recflow_loader,recflow_stream,recflow_api,recflow_auditor 127.0.0.1/32 trust\n"), rules...), 0o600))
	_, err = conn.Exec(t.Context(), "SELECT pg_reload_conf()")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	conn, err = pgx.Connect(t.Context(), a.postgres.URL("recflow"))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE EXTENSION vector")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))

	certificate, err := a.authority.Issue("127.0.0.1")
	require.NoError(t, err)
	a.front, err = rds.New(rds.Options{
		Certificate: *certificate, Postgres: fmt.Sprintf("127.0.0.1:%d", a.postgres.Port),
		Tokens: func(user string) bool { return user != "recflow_owner" },
		Allowed: func(key, user string) bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.users[key] == user
		},
		Log: slog.New(slog.NewTextHandler(a.log, nil)),
	})
	require.NoError(t, err)
	a.t.Cleanup(a.front.Close)

	secrets := secretsmanager.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &a.emulator, Credentials: credentials.StaticCredentialsProvider{Value: awstest.Root},
	})
	value, err := json.Marshal(map[string]string{"username": "recflow_owner", "password": a.password})
	require.NoError(t, err)
	_, err = secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("recflow-master"), SecretString: aws.String(string(value))})
	require.NoError(t, err)
}

// startServices starts the services of AWS and Temporal Cloud: the function with
// its mapping, the delivery streams, the training job, and a namespace.
func (a *account) startServices(t *testing.T, d *deployment) {
	t.Helper()
	local, err := config.ReadLocal()
	require.NoError(t, err)
	bin := clitest.Programs(t)
	home := filepath.Join(a.dir, ".recflow")
	ports, err := stack.ReservePorts()
	require.NoError(t, err)
	settings := stack.NewSettings(ports)
	writeSettings(t, home, settings)
	s := newServices(a.t, home)
	parts := map[string]map[string]string{}
	for part, role := range map[string]string{"stream": "lambda", "glue": "glue", "firehose": "firehose"} {
		c, err := a.signIn(t.Context(), d.outputOf("roles", role))
		require.NoError(t, err)
		parts[part] = d.part(settings, s, part, awstest.CredentialEnv(c), map[string]string{
			"AWS_ENDPOINT_URL_S3": a.url, "AWS_ENDPOINT_URL_KINESIS": a.url, "AWS_ENDPOINT_URL_SNS": a.url,
		})
	}
	spark := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.tasks.ServeHTTP(unencrypted{w}, r) }))
	a.t.Cleanup(spark.Close)
	parts["glue"]["AWS_ENDPOINT_URL_S3"] = spark.URL
	deliveries := httptest.NewServer(a.to(func() string { return s.firehose }, nil)) // which gets its address when it is started
	a.t.Cleanup(deliveries.Close)
	maps.Copy(parts["stream"], map[string]string{
		"AWS_ENDPOINT_URL_FIREHOSE": deliveries.URL,
		"RECFLOW_DATABASE_AUTH":     "iam", "RECFLOW_DATABASE_URL": a.databaseURL("postgres://recflow_stream@rds:5432/recflow?sslmode=verify-full&sslrootcert=authorities.pem", a.dir),
	})
	a.stop = sync.OnceFunc(func() {
		s.stop()
		stopStack(a.t, bin, local.Cache, home)
	})
	d.start(t, s, bin, parts)
	a.glue = s.glue
	up := exec.CommandContext(t.Context(), filepath.Join(bin, "recflow"), "up", "--without", "postgres,worker,api,"+elsewhere)
	up.Env = append(os.Environ(), "RECFLOW_HOME="+home)
	out, err := up.CombinedOutput()
	require.NoError(t, err, string(out))

	address := fmt.Sprintf("127.0.0.1:%d", ports.Temporal)
	c, err := client.NewNamespaceClient(client.Options{HostPort: address, Logger: temporaltest.Quiet})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Register(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: temporalName, WorkflowExecutionRetentionPeriod: durationpb.New(72 * time.Hour),
	}))
	a.addSearchAttributes(t, address)
	onward := a.to(func() string { return "http://" + address }, &http.Transport{Protocols: unencryptedHTTP2()})
	a.temporal = temporaltest.Cloud(temporalKey, onward)
}

// addSearchAttributes adds the search attributes that the reader has added with tcld.
func (a *account) addSearchAttributes(t *testing.T, address string) {
	t.Helper()
	typed, err := os.ReadFile(filepath.Join(a.dir, "tcld"))
	require.NoError(t, err, "the page adds the search attributes")
	require.Contains(t, string(typed), "namespace\nsearch-attributes\nadd\n--namespace\n"+temporalName+"\n")
	added := map[string]enumspb.IndexedValueType{}
	for _, found := range regexp.MustCompile(`(?m)^--search-attribute\n(\w+)=(\w+)$`).FindAllStringSubmatch(string(typed), -1) {
		added[found[1]], err = enumspb.IndexedValueTypeFromString(found[2])
		require.NoError(t, err)
	}
	c, err := client.Dial(client.Options{HostPort: address, Namespace: temporalName, Logger: temporaltest.Quiet})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{Namespace: temporalName, SearchAttributes: added})
	require.NoError(t, err)
}

func unencryptedHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// runs waits until tasks of these definitions have replaced the earlier ones.
func (a *account) runs(t *testing.T, definitions ...string) {
	t.Helper()
	for _, d := range definitions {
		line := regexp.MustCompile(`msg="task running" service=\S+ definition=\S+/` + d + ` `)
		require.Eventually(t, func() bool { return line.MatchString(a.log.String()) }, time.Minute, 100*time.Millisecond, d)
	}
}

// logs returns the account's logs for a failed step.
func (a *account) logs() string {
	var b strings.Builder
	b.WriteString("\n-- the account:\n" + lastLines(a.log.String(), 30))
	logs, _ := filepath.Glob(filepath.Join(a.dir, "tasks", "*.log"))
	more, _ := filepath.Glob(filepath.Join(a.dir, ".recflow", "logs", "*.log"))
	for _, path := range append(logs, more...) {
		data, _ := os.ReadFile(path)
		b.WriteString("-- " + filepath.Base(path) + ":\n" + lastLines(string(data), 15))
	}
	return b.String()
}
