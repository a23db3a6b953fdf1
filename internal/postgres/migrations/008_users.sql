-- What makes users for each component possible: the two changes that a component
-- may ask for and not make by itself are functions, which run with the rights of
-- the owner and check what must hold (docs/decisions/1101-database-users.md).

-- The version that a rollback goes to, and the flip under it.
CREATE FUNCTION recflow.previous_live(OUT version_id bigint, OUT below bigint) RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE stack AS (
        SELECT f.version_id, f.below, 0 AS depth
        FROM recflow.live l
        JOIN recflow.flips f ON f.revision = l.revision
        UNION ALL
        SELECT f.version_id, f.below, stack.depth + 1
        FROM stack
        JOIN recflow.flips f ON f.revision = stack.below
    )
    SELECT stack.version_id, stack.below
    FROM stack
    JOIN recflow.versions v ON v.id = stack.version_id AND v.state = 'ready'
    WHERE stack.version_id <> (SELECT l.version_id FROM recflow.live l)
    ORDER BY stack.depth
    LIMIT 1;
END;

-- Moves the live pointer, if it is where the caller saw it and the version may go
-- live. Only the two functions below call it.
CREATE FUNCTION recflow.flip(to_version bigint, seen_revision bigint, for_evaluation boolean, kind text, below bigint, actor text, reason text)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    was recflow.live;
    v   recflow.versions;
BEGIN
    SELECT * INTO was FROM recflow.live FOR UPDATE;
    IF was.revision <> seen_revision THEN
        RAISE EXCEPTION 'the live pointer is at revision %, not %', was.revision, seen_revision USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT * INTO v FROM recflow.versions WHERE id = to_version FOR UPDATE;
    IF v.state IS DISTINCT FROM 'ready' THEN
        RAISE EXCEPTION 'version % is not ready', to_version USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF v.evaluation AND NOT for_evaluation THEN
        RAISE EXCEPTION 'version % is for evaluation', to_version USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- Shared with other flips; whoever drops events waits for them.
    PERFORM FROM recflow.horizon FOR SHARE;
    IF EXISTS (SELECT FROM recflow.horizon h WHERE h.stored_before > v.stored_to OR h.occurred_before > v.covers_to) THEN
        RAISE EXCEPTION 'version % has not counted events that are no longer kept', to_version USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO recflow.flips (revision, version_id, from_version, below, kind, actor, reason)
    VALUES (was.revision + 1, to_version, was.version_id, flip.below, flip.kind, flip.actor, flip.reason);
    -- Not now(), which is when the transaction began: it may have waited since.
    UPDATE recflow.versions
    SET left_live_at = CASE WHEN id = was.version_id THEN clock_timestamp() END
    WHERE id IN (was.version_id, to_version);
    UPDATE recflow.live SET version_id = to_version, revision = was.revision + 1;
END $$;

CREATE FUNCTION recflow.promote(to_version bigint, seen_revision bigint, for_evaluation boolean, actor text, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM recflow.flip(to_version, seen_revision, for_evaluation, 'promote', nullif(seen_revision, 0), actor, reason);
END $$;

CREATE FUNCTION recflow.roll_back(seen_revision bigint, actor text, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target record;
BEGIN
    PERFORM FROM recflow.live FOR UPDATE; -- nobody moves it meanwhile
    SELECT * INTO STRICT target FROM recflow.previous_live();
    PERFORM recflow.flip(target.version_id, seen_revision, false, 'rollback', target.below, actor, reason);
END $$;

-- Takes a version away from everybody. Its data goes with the next clean-up.
CREATE FUNCTION recflow.drop_version(version bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM recflow.live FOR UPDATE;
    UPDATE recflow.versions v
    SET state = 'dropped'
    WHERE v.id = version
    AND v.state IN ('ready', 'refused', 'dropped')
    AND NOT v.pinned
    AND NOT EXISTS (SELECT FROM recflow.live l WHERE l.version_id = v.id);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'version % is live, pinned, loading or not there', version USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END $$;

-- Lets the components that read versions read a new one, apart from its hold-out.
-- Whoever made it calls this; without such users it does nothing.
CREATE FUNCTION recflow.open_version(schema name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reader name;
BEGIN
    FOREACH reader IN ARRAY ARRAY['recflow_stream', 'recflow_api'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', schema, reader);
            EXECUTE format('GRANT SELECT ON %1$I.items, %1$I.users, %1$I.facets TO %2$I', schema, reader);
        END IF;
    END LOOP;
END $$;

-- Who may change an item need not be able to write its counter.
ALTER FUNCTION recflow.count_item_change() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- Postgres lets everybody call a new function.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA recflow FROM PUBLIC;
