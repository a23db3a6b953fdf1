package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// transferSchemaToOwner transfers what a superuser created in the schema recflow to
// recflow_owner, so that functions which run with their owner's privileges have
// no more than those.
func (g granter) transferSchemaToOwner(ctx context.Context) error {
	missing, err := g.missing(ctx, RoleOwner)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		if err := g.run(ctx, "CREATE ROLE "+RoleOwner+" LOGIN"); err != nil {
			return err
		}
	}
	return g.run(ctx, `
		DO $$
		DECLARE
			of record;
		BEGIN
			EXECUTE format('GRANT ALL ON DATABASE %I TO recflow_owner', current_database());
			FOR of IN
				SELECT 'SCHEMA' AS kind, 'recflow' AS what, nspowner AS owner FROM pg_namespace WHERE nspname = 'recflow'
				UNION ALL
				SELECT 'TABLE', format('recflow.%I', relname), relowner
				FROM pg_class
				WHERE relnamespace = 'recflow'::regnamespace AND relkind IN ('r', 'p', 'v')
				UNION ALL
				SELECT 'SEQUENCE', format('recflow.%I', relname), relowner
				FROM pg_class c
				WHERE relnamespace = 'recflow'::regnamespace AND relkind = 'S'
				AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
				UNION ALL
				SELECT 'FUNCTION', oid::regprocedure::text, proowner
				FROM pg_proc
				WHERE pronamespace = 'recflow'::regnamespace
			LOOP
				IF of.owner <> 'recflow_owner'::regrole THEN
					EXECUTE format('ALTER %s %s OWNER TO recflow_owner', of.kind, of.what);
				END IF;
			END LOOP;
		END $$`)
}

// transferVersionsToLoader transfers versions that were created before the
// component users to the loader, and grants the readers access to them.
func (g granter) transferVersionsToLoader(ctx context.Context) error {
	rows, err := g.tx.Query(ctx, `
		SELECT n.nspname
		FROM pg_namespace n
		WHERE n.nspname ~ '^v[0-9]+$'
		AND n.nspowner <> 'recflow_loader'::regrole
		AND EXISTS (SELECT FROM recflow.versions v WHERE 'v' || v.id = n.nspname)
		ORDER BY n.nspname`)
	if err != nil {
		return err
	}
	versions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(versions) == 0 {
		return err
	}
	// Only a member of a role can transfer ownership to it; the membership is
	// temporary.
	me, member := pgx.Identifier{g.me}.Sanitize(), false
	err = g.tx.QueryRow(ctx, "SELECT pg_has_role(current_user, $1::name, 'USAGE')", RoleLoader).Scan(&member)
	if err != nil {
		return err
	}
	if !member {
		if err := g.run(ctx, "GRANT "+RoleLoader+" TO "+me); err != nil {
			return fmt.Errorf("%s must be a member of %s: %w", g.me, RoleLoader, err)
		}
	}
	for _, schema := range versions {
		statements := []string{fmt.Sprintf("SELECT recflow.grant_version_read('%s')", schema), fmt.Sprintf("ALTER SCHEMA %s OWNER TO %s", schema, RoleLoader)}
		for _, table := range []string{"items", "users", "holdout", "facets"} {
			statements = append(statements, fmt.Sprintf("ALTER TABLE %s.%s OWNER TO %s", schema, table, RoleLoader))
		}
		if err := g.run(ctx, statements...); err != nil {
			return err
		}
	}
	if !member {
		return g.run(ctx, "REVOKE "+RoleLoader+" FROM "+me)
	}
	return nil
}
