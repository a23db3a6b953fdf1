package postgres_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
)

// components are the binaries that sign in with a role of their own.
var components = map[string]string{
	postgres.RoleLoader: "worker",
	postgres.RoleStream: "lambda",
	postgres.RoleAPI:    "api",
}

func TestRoles_allow_every_method_that_a_component_calls(t *testing.T) {
	t.Parallel()
	for role, dir := range components {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			b := newRoles(t)
			called := methodsCalledBy(t, dir)
			require.NotEmpty(t, called)
			s := postgrestest.Open(t, postgrestest.URLAs(t, b.url, role))
			for _, method := range called {
				call, known := methods[method]
				require.True(t, known, "%s calls Store.%s: add it to methods, and its privileges to roles.sql", dir, method)
				require.NoError(t, call(t, b, s), "Store.%s as %s", method, role)
			}
			t.Logf("%s: %d methods", role, len(called))
		})
	}
}

// methodsCalledBy lists the store methods that a binary and its packages call.
// It matches by name, so it may list too many, but not too few.
func methodsCalledBy(t *testing.T, dir string) []string {
	t.Helper()
	called := map[string]bool{}
	for _, file := range filesOf(t, dir) {
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if method, ok := call.Fun.(*ast.SelectorExpr); ok && !isPackage(file, method.X) {
					called[method.Sel.Name] = isStoreMethod(method.Sel.Name)
				}
			}
			return true
		})
	}
	var names []string
	for name, known := range called {
		if known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// isStoreMethod reports whether a store has a method of that name, or a
// database has one that needs privileges.
func isStoreMethod(name string) bool {
	for _, store := range []reflect.Type{
		reflect.TypeFor[*versions.Store](), reflect.TypeFor[*embeddings.Store](), reflect.TypeFor[*events.Store](), reflect.TypeFor[*ledger.Store](),
	} {
		if _, known := store.MethodByName(name); known {
			return true
		}
	}
	return slices.Contains([]string{"CheckSchema", "Exclusive", "Health", "RoleStates"}, name)
}

// isPackage reports whether an expression is the name of an imported package.
func isPackage(file *ast.File, x ast.Expr) bool {
	ident, ok := x.(*ast.Ident)
	return ok && slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
		path, _ := strconv.Unquote(i.Path.Value)
		return ident.Name == path[strings.LastIndex(path, "/")+1:]
	})
}

// filesOf parses the Go files of a package and of its imports in this module,
// without the stores themselves.
func filesOf(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	const module, root = "github.com/recflow/recflow/", "../.."
	// The client uses workflows only by name; the worker runs them.
	seen := map[string]bool{"internal/postgres": true, "internal/postgres/versions": true, "internal/postgres/embeddings": true, "internal/postgres/events": true, "internal/postgres/ledger": true,
		"workflows": true, "activities": dir != "worker"}
	for todo := []string{dir}; len(todo) > 0; todo = todo[1:] {
		if seen[todo[0]] {
			continue
		}
		seen[todo[0]] = true
		entries, err := os.ReadDir(filepath.Join(root, todo[0]))
		require.NoError(t, err)
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, todo[0], e.Name()), nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, file)
			for _, i := range file.Imports {
				path, err := strconv.Unquote(i.Path.Value)
				require.NoError(t, err)
				if inside, ok := strings.CutPrefix(path, module); ok {
					todo = append(todo, inside)
				}
			}
		}
	}
	return files
}
