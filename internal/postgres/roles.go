package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The roles that sign in to a database, one for each component. RoleOwner owns
// the schema recflow and is for migrations only; the others own nothing there.
const (
	RoleOwner   = "recflow_owner"
	RoleLoader  = "recflow_loader"  // the worker
	RoleStream  = "recflow_stream"  // the function behind the stream
	RoleAPI     = "recflow_api"     // the API
	RoleAuditor = "recflow_auditor" // people who look at what was asked for
)

// Roles lists the roles of the components.
func Roles() []string { return []string{RoleLoader, RoleStream, RoleAPI, RoleAuditor} }

//go:embed roles.sql
var grants string

// MigrateAndGrant migrates, makes the users of the components where they are
// missing, and gives each its rights. It may run any number of times. Whoever
// runs it owns the schema recflow, or is a superuser, and then recflow_owner will
// own it. The users have no password; where the role rds_iam exists they sign in
// with tokens.
func MigrateAndGrant(ctx context.Context, o Options) error {
	return migrateThen(ctx, o, func(ctx context.Context, conn *pgx.Conn) error {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return grantAll(ctx, tx) })
		for try := 1; try < grantTries && HasCode(err, LockNotAvailable, DeadlockDetected, concurrentUpdate); try++ {
			err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return grantAll(ctx, tx) })
		}
		if err != nil {
			return fmt.Errorf("grant the users their rights: %w", err)
		}
		if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return grantTokens(ctx, tx) }); err != nil {
			return fmt.Errorf("let the users sign in with tokens: %w", err)
		}
		return nil
	})
}

// A system that is at work changes the same entries of the catalogue now and
// then, a vacuum for example.
const (
	grantTries       = 5
	concurrentUpdate = "XX000" // "tuple concurrently updated"
)

// SetPassword gives a user of a component a password, where users have one.
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

// RoleState says how the user of a component is.
type RoleState struct {
	Role     string `json:"user"`
	Exists   bool   `json:"exists"`
	Admitted bool   `json:"admitted"` // to the schema of this database
	Tokens   bool   `json:"tokens"`   // it signs in to RDS with those, and not with a password
}

// RoleStates says of each user of a component how it is.
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
		return nil, fmt.Errorf("look at the users: %w", err)
	}
	states, err := pgx.CollectRows(rows, pgx.RowToStructByPos[RoleState])
	if err != nil {
		return nil, fmt.Errorf("look at the users: %w", err)
	}
	return states, nil
}

// granter is one run of MigrateAndGrant.
type granter struct {
	tx        pgx.Tx
	me        string // who runs it
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
		if err := g.giveSchemaToOwner(ctx); err != nil {
			return fmt.Errorf("give the schema to %s: %w", RoleOwner, err)
		}
	}
	done, err := g.makeUsers(ctx)
	if err != nil {
		return fmt.Errorf("make the users: %w", err)
	}
	if _, err := tx.Exec(ctx, grants); err != nil {
		return err
	}
	if err := g.giveVersionsToLoader(ctx); err != nil {
		return fmt.Errorf("give the versions to %s: %w", RoleLoader, err)
	}
	if err := done(); err != nil {
		return err
	}
	return g.check(ctx)
}

// missing lists those of the users that are not there.
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

// run executes statements, one after the other.
func (g granter) run(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := g.tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// makeUsers makes the users that are missing. Who makes a role is a member of it
// from then on, and who is a member of rds_iam, even through other roles, cannot
// sign in with a password: on RDS the owner would lock itself out. So a role that
// lasts as long as this transaction makes them there. done removes it.
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
	// Meanwhile the owner may give them what it has.
	err = g.run(ctx, "GRANT "+made+" TO "+me, "SET LOCAL ROLE NONE")
	return func() error {
		return g.run(ctx, "SET LOCAL ROLE recflow_maker", "REVOKE "+made+" FROM "+me, "SET LOCAL ROLE NONE", "DROP ROLE recflow_maker")
	}, err
}

// check says what could not be granted: Postgres only warns of it.
func (g granter) check(ctx context.Context) error {
	var may bool
	err := g.tx.QueryRow(ctx, "SELECT has_database_privilege($1::name, current_database(), 'CREATE')", RoleLoader).Scan(&may)
	if err == nil && !may {
		err = fmt.Errorf("%s does not own the database, and so cannot let %s make versions in it: "+
			"have somebody who owns it run GRANT CREATE, CONNECT ON DATABASE … TO %s", g.me, RoleLoader, g.me+" WITH GRANT OPTION")
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
			return fmt.Errorf("%[1]s is a member of %[2]s: it could not sign in with a password any more once %[2]s signs in with tokens; "+
				"run DROP OWNED BY %[2]s; DROP ROLE %[2]s, and migrate again", g.me, user)
		}
		if err := g.run(ctx, "GRANT rds_iam TO "+user); err != nil {
			return errors.Join(fmt.Errorf("%s may not grant rds_iam to %s; have the master user of the database do it", g.me, user), err)
		}
	}
	return nil
}
