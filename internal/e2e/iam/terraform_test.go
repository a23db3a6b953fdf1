package iam

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const allowGet = `"{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"*\"}}"`

// state is the output of terraform show -json for a state, reduced to what matters.
const state = `{"format_version":"1.0","values":{"root_module":{
 "resources":[{"address":"data.aws_iam_role.x","mode":"data","type":"aws_iam_role","values":{"name":"not-ours"}}],
 "child_modules":[
  {"resources":[
   {"address":"module.a.aws_iam_role_policy_attachment.this","mode":"managed","type":"aws_iam_role_policy_attachment","values":{"role":"worker","policy_arn":"arn:aws:iam::1:policy/shared"}},
   {"address":"module.a.aws_iam_role.this","mode":"managed","type":"aws_iam_role","values":{"name":"worker","inline_policy":[{"name":"own","policy":` + allowGet + `}]}},
   {"address":"module.a.aws_iam_role_policy.this","mode":"managed","type":"aws_iam_role_policy","values":{"name":"own","role":"worker","policy":` + allowGet + `}}]},
  {"child_modules":[{"resources":[
   {"address":"module.b.module.c.aws_iam_policy.this","mode":"managed","type":"aws_iam_policy","values":{"name":"shared","arn":"arn:aws:iam::1:policy/shared","policy":` + allowGet + `}},
   {"address":"module.b.module.c.aws_iam_role.idle","mode":"managed","type":"aws_iam_role","values":{"name":"idle"}}]}]}]}}}`

func TestRolePolicies(t *testing.T) {
	t.Parallel()
	t.Run("it finds the policies of each role, in all modules and each once", func(t *testing.T) {
		t.Parallel()
		got, err := RolePolicies([]byte(state))
		require.NoError(t, err)
		assert.Equal(t, []string{"idle", "worker"}, RoleNames(got))
		assert.Empty(t, got["idle"])
		require.Len(t, got["worker"], 2)
		assert.Equal(t, []string{"own", "shared"}, []string{got["worker"][0].Name, got["worker"][1].Name})
		assert.Equal(t, []string{"s3:GetObject"}, got["worker"][1].Statements[0].Actions)
	})
	t.Run("it reads a plan", func(t *testing.T) {
		t.Parallel()
		got, err := RolePolicies([]byte(strings.Replace(state, `"values":{"root_module"`, `"planned_values":{"root_module"`, 1)))
		require.NoError(t, err)
		assert.Len(t, got["worker"], 2)
	})
	for says, change := range map[string][2]string{
		"whose document is not in the output": {`"policy_arn":"arn:aws:iam::1:policy/shared"`, `"policy_arn":"arn:aws:iam::aws:policy/AdministratorAccess"`},
		"not known before the apply":          {`"role":"worker","policy":` + allowGet, `"role":"worker"`},
		"neither a state nor a plan":          {`"values":{"root_module"`, `"other":{"root_module"`},
		"module.b.module.c.aws_iam_po":        {`"name":"shared","arn":"arn:aws:iam::1:policy/shared","policy":` + allowGet, `"name":"shared","policy":"{}"`},
	} {
		t.Run("it reports: "+says, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(state, change[0], change[1], 1)
			require.NotEqual(t, state, changed)
			changed = strings.Replace(changed, `"inline_policy":[{"name":"own","policy":`+allowGet+`}]`, `"inline_policy":[]`, 1)
			_, err := RolePolicies([]byte(changed))
			require.ErrorContains(t, err, says)
		})
	}
}
