package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The roles that the components sign in with. RoleOwner owns the schema recflow
// and is used for migrations only; the others own nothing there.
const (
	RoleOwner   = "recflow_owner"
	RoleLoader  = "recflow_loader"  // the worker
	RoleStream  = "recflow_stream"  // the function behind the stream
	RoleAPI     = "recflow_api"     // the API
	RoleAuditor = "recflow_auditor" // operators who read the audit
)

// Roles lists the roles of the components.
func Roles() []string { return []string{RoleLoader, RoleStream, RoleAPI, RoleAuditor} }

//go:embed roles.sql
var grants string

// MigrateAndGrant migrates, creates missing component users, and grants their
// privileges. It is idempotent. The caller must own the schema recflow, or be a
// superuser; then the ownership passes to recflow_owner. The users have no
// password; if the role rds_iam exists they sign in with tokens.
func MigrateAndGrant(ctx context.Context, o Options) error {
	return migrateThen(ctx, o, func(ctx context.Context, conn *pgx.Conn) error {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return grantAll(ctx, tx) })
		for try := 1; try < grantTries && HasCode(err, LockNotAvailable, DeadlockDetected, concurrentUpdate); try++ {
			err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return grantAll(ctx, tx) })
		}
		if err != nil {
			return fmt.Errorf("grant privileges to the component users: %w", err)
		}
		if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return grantTokens(ctx, tx) }); err != nil {
			return fmt.Errorf("enable sign-in with tokens: %w", err)
		}
		return nil
	})
}

// A running system may change the same catalog entries, for example with a
// vacuum.
const (
	grantTries       = 5
	concurrentUpdate = "XX000" // "tuple concurrently updated"
)

// SetPassword sets the password of a component user, for databases without
// tokens.
func SetPassword(ctx context.Context, o Options, user, password string) error {
	conn, err := connect(ctx, o)
	if err != nil {
		return fmt.Errorf("set the password of %s: %w", user, redact(err))
	}
	defer conn.Close(context.WithoutCancel(ctx))
	quoted, err := conn.PgConn().EscapeString(password)
	if err != nil {
		return fmt.Errorf("set the password of %s: %w", user, err)
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", pgx.Identifier{user}.Sanitize(), quoted)); err != nil {
		return fmt.Errorf("set the password of %s: %w", user, err)
	}
	return nil
}

// RoleState is the state of a component user.
type RoleState struct {
	Role     string `json:"user"`
	Exists   bool   `json:"exists"`
	Admitted bool   `json:"admitted"` // granted access to the schema of this database
	Tokens   bool   `json:"tokens"`   // signs in to RDS with tokens instead of a password
}

// RoleStates returns the state of every component user.
func (db *DB) RoleStates(ctx context.Context) ([]RoleState, error) {
	rows, err := db.Query(ctx, `
		SELECT
			wanted,
			r.oid IS NOT NULL,
			coalesce(has_schema_privilege(r.oid, 'recflow', 'USAGE'), false),
			EXISTS (SELECT FROM pg_roles t WHERE t.rolname = 'rds_iam' AND pg_has_role(r.oid, t.oid, 'MEMBER'))
		FROM unnest($1::text[]) WITH ORDINALITY AS w (wanted, n)
		LEFT JOIN pg_roles r ON r.rolname = wanted
		ORDER BY w.n`, Roles())
	if err != nil {
		return nil, fmt.Errorf("read the component users: %w", err)
	}
	states, err := pgx.CollectRows(rows, pgx.RowToStructByPos[RoleState])
	if err != nil {
		return nil, fmt.Errorf("read the component users: %w", err)
	}
	return states, nil
}

// granter is one run of MigrateAndGrant.
type granter struct {
	tx        pgx.Tx
	me        string // current user
	superuser bool
	tokens    bool // the role rds_iam exists
}

func newGranter(ctx context.Context, tx pgx.Tx) (g granter, err error) {
	g.tx = tx
	err = tx.QueryRow(ctx, `
		SELECT
			rolname,
			rolsuper,
			EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam')
		FROM pg_roles
		WHERE rolname = current_user`).Scan(&g.me, &g.superuser, &g.tokens)
	return g, err
}

func grantAll(ctx context.Context, tx pgx.Tx) error {
	if err := SetLockTimeout(ctx, tx); err != nil {
		return err
	}
	g, err := newGranter(ctx, tx)
	if err != nil {
		return err
	}
	if g.superuser {
		if err := g.transferSchemaToOwner(ctx); err != nil {
			return fmt.Errorf("transfer the schema to %s: %w", RoleOwner, err)
		}
	}
	done, err := g.makeUsers(ctx)
	if err != nil {
		return fmt.Errorf("create the component users: %w", err)
	}
	if _, err := tx.Exec(ctx, grants); err != nil {
		return err
	}
	if err := g.transferVersionsToLoader(ctx); err != nil {
		return fmt.Errorf("transfer the versions to %s: %w", RoleLoader, err)
	}
	if err := done(); err != nil {
		return err
	}
	return g.check(ctx)
}

// missing returns the component users that do not exist.
func (g granter) missing(ctx context.Context, users ...string) ([]string, error) {
	rows, err := g.tx.Query(ctx, `
		SELECT wanted
		FROM unnest($1::text[]) AS wanted
		WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)
		ORDER BY wanted`, users)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// run executes statements in order.
func (g granter) run(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := g.tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// makeUsers creates the missing users. The creator of a role becomes a member
// of it, and a member of rds_iam, even indirectly, cannot sign in with a
// password: on RDS the owner would lock itself out. So a temporary role creates
// them; done removes it at the end of the transaction.
func (g granter) makeUsers(ctx context.Context) (done func() error, err error) {
	done = func() error { return nil }
	missing, err := g.missing(ctx, Roles()...)
	if err != nil || len(missing) == 0 {
		return done, err
	}
	me := pgx.Identifier{g.me}.Sanitize()
	helped := g.tokens && !g.superuser
	if helped {
		if err := g.run(ctx, "CREATE ROLE recflow_maker CREATEROLE", "GRANT recflow_maker TO "+me, "SET LOCAL ROLE recflow_maker"); err != nil {
			return done, err
		}
	}
	for _, user := range missing {
		if err := g.run(ctx, "CREATE ROLE "+user+" LOGIN"); err != nil {
			return done, err
		}
	}
	if !helped {
		return done, nil
	}
	made := strings.Join(missing, ", ")
	// Until then the owner may grant its privileges to them.
	err = g.run(ctx, "GRANT "+made+" TO "+me, "SET LOCAL ROLE NONE")
	return func() error {
		return g.run(ctx, "SET LOCAL ROLE recflow_maker", "REVOKE "+made+" FROM "+me, "SET LOCAL ROLE NONE", "DROP ROLE recflow_maker")
	}, err
}

// check returns an error for privileges that could not be granted: Postgres
// only warns.
func (g granter) check(ctx context.Context) error {
	var may bool
	err := g.tx.QueryRow(ctx, "SELECT has_database_privilege($1::name, current_database(), 'CREATE')", RoleLoader).Scan(&may)
	if err == nil && !may {
		err = fmt.Errorf("%s does not own the database and cannot let %s create versions in it: "+
			"let the owner of the database run GRANT CREATE, CONNECT ON DATABASE … TO %s", g.me, RoleLoader, g.me+" WITH GRANT OPTION")
	}
	return err
}

// grantTokens lets the users sign in with tokens, on RDS.
func grantTokens(ctx context.Context, tx pgx.Tx) error {
	g, err := newGranter(ctx, tx)
	if err != nil || !g.tokens {
		return err
	}
	for _, user := range Roles() {
		var has, locksOut bool
		err := tx.QueryRow(ctx, `
			SELECT
				pg_has_role($1::name, 'rds_iam', 'MEMBER'),
				pg_has_role(current_user, $1::name, 'MEMBER') AND NOT pg_has_role(current_user, 'rds_iam', 'MEMBER')`, user).Scan(&has, &locksOut)
		if err != nil {
			return err
		}
		switch {
		case has:
			continue
		case locksOut && !g.superuser:
			return fmt.Errorf("%[1]s is a member of %[2]s and could no longer sign in with a password once %[2]s signs in with tokens; "+
				"run DROP OWNED BY %[2]s; DROP ROLE %[2]s, and migrate again", g.me, user)
		}
		if err := g.run(ctx, "GRANT rds_iam TO "+user); err != nil {
			return errors.Join(fmt.Errorf("%s may not grant rds_iam to %s; run the migration as the master user of the database", g.me, user), err)
		}
	}
	return nil
}
