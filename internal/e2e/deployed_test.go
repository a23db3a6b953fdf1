package e2e_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/e2e/iam"
	"github.com/recflow/recflow/internal/e2e/terraform"
)

var deploy = flag.Bool("deploy", false, "type the deployment guide")

// TestDeployed types docs/deploy.md into a shell, from a clean clone to an account
// that is empty again: an emulator that enforces IAM. Once everything is applied,
// it checks the resources, and walks through docs/guide.md with the stream, the
// bucket and the roles that Terraform created.
func TestDeployed(t *testing.T) {
	if !*deploy {
		t.Skip("takes 12 minutes: run it with `make test-deploy`")
	}
	t.Parallel()
	t.Cleanup(func() {
		if t.Skipped() {
			t.Error("the deployment guide was not typed") // .ci/deploy.sum must not record a run
		}
	})
	g := newDeployGuide(t)
	part := func(name string, run func(*testing.T)) {
		if !t.Run(name, run) {
			t.FailNow() // later steps depend on it
		}
	}
	part("the guide applies", func(t *testing.T) { g.until(t, "export RECFLOW_REGISTRY_PASSWORD") })
	d := g.deployment(t)
	t.Run("drift is known", d.drift)
	t.Run("policies name their actions and resources", d.policies)
	t.Run("nothing is public or unencrypted", d.closed)
	t.Run("permissions are what calls need", d.permissions)
	t.Run("the other guide walks through it", d.walk)
	part("the guide reaches the first recommendation", func(t *testing.T) { g.through(t, "The first backfill") })
	t.Run("no secret is exposed", g.keepsSecrets)
	part("the guide upgrades", func(t *testing.T) {
		g.through(t, "Upgrade")
		g.account.runs(t, "recflow-worker:2", "recflow-api:2")
	})
	part("the guide destroys", func(t *testing.T) { g.through(t, "Destroy") })
	require.Empty(t, strings.TrimSpace(d.tf.Must("state", "list")), "destroy removes everything")
}

// deployment is an installation in an emulator.
type deployment struct {
	endpoint string
	tf       *terraform.Runner
	outputs  map[string]any
	show     string // terraform show -json
}

// deployment is what the guide has applied.
func (g *deployGuide) deployment(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{endpoint: g.account.emulator, tf: terraform.New(t, g.example(), g.vars...)}
	d.show = d.tf.Must("show", "-json")
	var outputs map[string]struct{ Value any }
	require.NoError(t, json.Unmarshal([]byte(d.tf.Must("output", "-json")), &outputs))
	d.outputs = map[string]any{}
	for name, o := range outputs {
		d.outputs[name] = o.Value
	}
	return d
}

func (d *deployment) output(name string) string { return d.outputs[name].(string) }

func (d *deployment) outputOf(name, key string) string {
	return d.outputs[name].(map[string]any)[key].(string)
}

// drift plans right after the apply and compares the result with the list of
// attributes that the emulator does not return.
func (d *deployment) drift(t *testing.T) {
	d.tf.Must("plan", "-input=false", "-no-color", "-out=drift.plan", "-parallelism=20", "-var", "running=false")
	var plan struct {
		Changes []struct {
			Type   string
			Change struct {
				Actions       []string
				Before, After map[string]any
				Unknown       map[string]any `json:"after_unknown"`
			}
		} `json:"resource_changes"`
	}
	require.NoError(t, json.Unmarshal([]byte(d.tf.Must("show", "-json", "drift.plan")), &plan))
	found := map[string]map[string]bool{}
	for _, r := range plan.Changes {
		actions := strings.Join(r.Change.Actions, ",")
		if actions == "no-op" || actions == "read" {
			continue
		}
		key := r.Type + " " + actions
		if found[key] == nil {
			found[key] = map[string]bool{}
		}
		differences("", r.Change.Before, r.Change.After, r.Change.Unknown, found[key])
	}
	var lines []string
	for key, attributes := range found {
		lines = append(lines, key+" "+strings.Join(slices.Sorted(maps.Keys(attributes)), " "))
	}
	slices.Sort(lines)
	text, err := os.ReadFile("../../terraform/tests/emulator/drift.txt")
	require.NoError(t, err)
	var known []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			known = append(known, line)
		}
	}
	slices.Sort(known)
	require.Equal(t, known, lines)
}

// differences returns the names of the attributes that a plan changes.
func differences(path string, before, after, unknown any, into map[string]bool) {
	if unknown == true {
		into[path] = true
		return
	}
	switch a := after.(type) {
	case map[string]any:
		b, _ := before.(map[string]any)
		u, _ := unknown.(map[string]any)
		names := map[string]bool{}
		for _, m := range []map[string]any{a, b, u} {
			for name := range m {
				names[name] = true
			}
		}
		for name := range names {
			differences(strings.TrimPrefix(path+"."+name, "."), b[name], a[name], u[name], into)
		}
	case []any:
		b, _ := before.([]any)
		u, _ := unknown.([]any)
		if len(a) != len(b) {
			into[path] = true
			return
		}
		for i := range a {
			var ui any
			if i < len(u) {
				ui = u[i]
			}
			differences(path, b[i], a[i], ui, into)
		}
	default:
		if fmt.Sprint(before) != fmt.Sprint(after) {
			into[path] = true
		}
	}
}

// noResourceLevel are the actions without resource-level permissions, the only ones
// that may be allowed on *.
var noResourceLevel = regexp.MustCompile(`^(ec2:(CreateNetworkInterface|DescribeNetworkInterfaces|DescribeSubnets|DescribeSecurityGroups|DescribeVpcs|DeleteNetworkInterface|(Una|A)ssignPrivateIpAddresses)|ecr:GetAuthorizationToken|cloudwatch:PutMetricData)$`)

// policies checks the roles' policies.
func (d *deployment) policies(t *testing.T) {
	roles, err := iam.RolePolicies([]byte(d.show))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(roles), 7)
	for role, policies := range roles {
		for _, p := range policies {
			for _, s := range p.Statements {
				for _, action := range s.Actions {
					require.NotContains(t, action, "*", "%s %s: an action", role, s.Sid)
					require.NotEqual(t, "iam:PassRole", action, role)
				}
				if !s.Deny && slices.Contains(s.Resources, "*") {
					require.True(t, strings.HasPrefix(s.Sid, "NoResourceLevel"), "%s: the statement %q is for every resource", role, s.Sid)
					for _, action := range s.Actions {
						require.Regexp(t, noResourceLevel, action, role)
					}
				}
			}
		}
	}
}

// closed checks the applied resources for public access and missing encryption.
func (d *deployment) closed(t *testing.T) {
	looked := map[string]int{}
	for _, r := range d.resources(t) {
		looked[r.Type]++
		v := r.Values
		switch r.Type {
		case "aws_vpc_security_group_ingress_rule":
			require.NotEqual(t, "0.0.0.0/0", v["cidr_ipv4"], r.Address)
			require.NotEqual(t, "::/0", v["cidr_ipv6"], r.Address)
		case "aws_security_group", "aws_default_security_group":
			require.NotContains(t, fmt.Sprint(v["ingress"]), "0.0.0.0/0", r.Address)
		case "aws_db_instance":
			require.Equal(t, []any{false, true, true}, []any{v["publicly_accessible"], v["storage_encrypted"], v["iam_database_authentication_enabled"]}, r.Address)
		case "aws_kinesis_stream":
			require.Equal(t, "KMS", v["encryption_type"], r.Address)
		case "aws_cloudwatch_log_group":
			require.NotEmpty(t, v["kms_key_id"], r.Address)
		case "aws_sns_topic":
			require.NotEmpty(t, v["kms_master_key_id"], r.Address)
		case "aws_s3_bucket_policy":
			require.Regexp(t, `(?s)"Deny".*"aws:SecureTransport" *: *"false"|"aws:SecureTransport" *: *"false".*"Deny"`, v["policy"], r.Address)
		case "aws_lb_listener":
			require.Equal(t, "HTTPS", v["protocol"], r.Address)
		case "aws_lambda_event_source_mapping":
			require.Equal(t, []any{"ReportBatchItemFailures"}, v["function_response_types"])
			require.Equal(t, true, v["bisect_batch_on_function_error"])
			require.Positive(t, v["maximum_retry_attempts"])
			require.Positive(t, v["maximum_record_age_in_seconds"])
			require.Contains(t, fmt.Sprint(v["destination_config"]), "arn:aws:s3:::")
		}
	}
	for _, kind := range []string{
		"aws_vpc_security_group_ingress_rule", "aws_security_group", "aws_default_security_group", "aws_db_instance", "aws_kinesis_stream", "aws_cloudwatch_log_group",
		"aws_sns_topic", "aws_s3_bucket_policy", "aws_lb_listener", "aws_lambda_event_source_mapping",
	} {
		require.Positive(t, looked[kind], kind)
	}
}

// resource is a resource in the state.
type resource struct {
	Type, Address string
	Values        map[string]any
}

// resources returns all resources in the state.
func (d *deployment) resources(t *testing.T) (all []resource) {
	type module struct {
		Resources []resource
		Children  []module `json:"child_modules"`
	}
	var state struct {
		Values struct {
			Root module `json:"root_module"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(d.show), &state))
	for modules := []module{state.Values.Root}; len(modules) > 0; modules = modules[1:] {
		all = append(all, modules[0].Resources...)
		modules = append(modules, modules[0].Children...)
	}
	return all
}

// permissions compares the recorded calls with the roles' permissions, in both
// directions.
func (d *deployment) permissions(t *testing.T) {
	calls, err := iam.Recorded()
	require.NoError(t, err)
	require.NoError(t, iam.Check([]byte(d.show), calls))

	unused := slices.DeleteFunc(slices.Clone(calls), func(c iam.Call) bool { return c.Action == "glue:BatchStopJobRun" })
	require.ErrorContains(t, iam.Check([]byte(d.show), unused), "glue:BatchStopJobRun", "a permission that no call needs")
	missing := slices.Clone(calls)
	i := slices.IndexFunc(missing, func(c iam.Call) bool { return c.Component == "api" })
	missing[i].Action = "kinesis:DeleteStream"
	require.ErrorContains(t, iam.Check([]byte(d.show), missing), "kinesis:DeleteStream", "a denied call")
}
