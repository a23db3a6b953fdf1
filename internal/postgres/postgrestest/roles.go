package postgrestest

import (
	"net/url"
	"sync"
	"testing"

	"github.com/recflow/recflow/internal/postgres"
)

const password = "for-tests-only" // password of the component users

// granting serializes tests that create roles: the databases of a server share
// them.
var granting sync.Mutex

// Grant creates the component users in the database at address, with a password
// each, and grants their privileges.
func Grant(t testing.TB, address string) {
	t.Helper()
	granting.Lock()
	defer granting.Unlock()
	o := postgres.Options{URL: address}
	if err := postgres.MigrateAndGrant(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for _, role := range postgres.Roles() {
		if err := postgres.SetPassword(t.Context(), o, role, password); err != nil {
			t.Fatal(err)
		}
	}
}

// URLAs returns the address of a database after Grant, for one of its users.
func URLAs(t testing.TB, address, role string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, password)
	return u.String()
}
