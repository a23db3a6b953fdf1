-- Privileges in this database. The script can be run any number of times, by
-- the owner of the schema, after roles.go has created the roles. No role owns
-- anything in the schema recflow or may create tables in it, and what is not
-- granted is denied.

-- The database is used by recflow only.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO recflow_loader, recflow_stream, recflow_api, recflow_auditor', current_database());
    EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO recflow_loader', current_database()); -- versions are schemas; catalogs are compared in temporary tables
END $$;

REVOKE ALL ON SCHEMA recflow FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA recflow FROM PUBLIC, recflow_loader, recflow_stream, recflow_api, recflow_auditor;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA recflow FROM PUBLIC, recflow_loader, recflow_stream, recflow_api, recflow_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA recflow FROM PUBLIC, recflow_loader, recflow_stream, recflow_api, recflow_auditor;

GRANT USAGE ON SCHEMA recflow TO recflow_loader, recflow_stream, recflow_api, recflow_auditor;
GRANT SELECT ON recflow.schema_version TO recflow_loader, recflow_stream, recflow_api, recflow_auditor;

-- The worker. It creates, loads, verifies and drops versions and records the
-- progress of backfills; it reads streamed events and deletes those that every
-- version covers.
GRANT SELECT ON
    recflow.versions, recflow.gates, recflow.claims, recflow.live, recflow.live_changes, recflow.horizon, recflow.item_state, recflow.item_changes, recflow.readers,
    recflow.trainings, recflow.live_events, recflow.event_verdicts, recflow.evaluations, recflow.backfills, recflow.backfill_windows, recflow.backfill_attempts
    TO recflow_loader;
GRANT INSERT ON recflow.versions TO recflow_loader;
GRANT UPDATE (state, failure, ready_at, workflow_id, workflow_run_id) ON recflow.versions TO recflow_loader;
GRANT INSERT, DELETE ON recflow.gates TO recflow_loader;
GRANT INSERT, UPDATE ON recflow.claims TO recflow_loader;
GRANT USAGE ON SEQUENCE recflow.fencing_token TO recflow_loader;
GRANT UPDATE (stored_before, occurred_before) ON recflow.horizon TO recflow_loader;
GRANT INSERT, DELETE ON recflow.trainings TO recflow_loader;
GRANT INSERT (item_id, catalog_available), UPDATE (catalog_available, updated_at) ON recflow.item_state TO recflow_loader; -- what an operator has set stays
GRANT SELECT (id, at), DELETE ON recflow.audit TO recflow_loader; -- a trigger keeps entries for 400 days
GRANT DELETE ON recflow.live_events, recflow.event_verdicts, recflow.evaluations, recflow.readers TO recflow_loader;
GRANT UPDATE (state, started_at, ended_at, owner, heartbeat_at, error, revision, changed_at) ON recflow.backfills TO recflow_loader;
GRANT UPDATE (state, reason, attempt, workflow_id, workflow_run_id, run_id, version_id, rows, metrics, lists, error, started_at, ended_at)
    ON recflow.backfill_windows TO recflow_loader;
GRANT INSERT ON recflow.backfill_attempts TO recflow_loader;
GRANT UPDATE (state, workflow_run_id, run_id, version_id, error, ended_at) ON recflow.backfill_attempts TO recflow_loader;
GRANT EXECUTE ON FUNCTION recflow.previous_live(), recflow.promote(bigint, bigint, boolean, text, text), recflow.grant_version_read(name) TO recflow_loader;

-- The stream. It inserts events and verdicts and changes neither: the
-- database's clock sets their times.
GRANT SELECT ON recflow.versions, recflow.live, recflow.item_state, recflow.item_changes, recflow.live_events, recflow.event_verdicts TO recflow_stream;
GRANT INSERT (event_id, user_id, item_id, event_type, value, session_id, recommendation_id, occurred_at, digest) ON recflow.live_events TO recflow_stream;
GRANT INSERT (event_id, digest, verdict, reason, stage, version_id, arrived_at) ON recflow.event_verdicts TO recflow_stream;
GRANT INSERT (event_id, version_id, live_stage, stale_stage, live_rank, stale_rank), SELECT (event_id) ON recflow.evaluations TO recflow_stream;

-- Both report how much they can hold in memory, and what they have prepared.
GRANT SELECT, INSERT (process, component, memory_bytes, prepared), UPDATE (memory_bytes, prepared, reported_at) ON recflow.readers TO recflow_stream, recflow_api;

-- The API. It records requests, and moves the live pointer and drops versions
-- through functions only. The audit is append-only.
GRANT SELECT ON
    recflow.versions, recflow.gates, recflow.live, recflow.live_changes, recflow.horizon, recflow.item_state, recflow.item_changes,
    recflow.live_events, recflow.event_verdicts, recflow.evaluations, recflow.backfills, recflow.backfill_windows, recflow.backfill_attempts,
    recflow.tokens, recflow.audit
    TO recflow_api;
GRANT INSERT (actor, action, target, outcome, code, detail, trace_id) ON recflow.audit TO recflow_api;
GRANT INSERT (key, name, digest, scopes, created_by, expires_at), UPDATE (used_at, revoked_at) ON recflow.tokens TO recflow_api;
GRANT SELECT, INSERT (key, records) ON recflow.replayed_batches TO recflow_api;
GRANT UPDATE (pinned) ON recflow.versions TO recflow_api;
GRANT INSERT (item_id, available, title, category, tags), UPDATE (available, title, category, tags, updated_at) ON recflow.item_state TO recflow_api;
GRANT INSERT ON recflow.backfills, recflow.backfill_windows TO recflow_api;
GRANT UPDATE (state, round, workflow_id, owner, heartbeat_at, error, ended_at, revision, changed_at) ON recflow.backfills TO recflow_api;
GRANT UPDATE (state, reason, error, ended_at) ON recflow.backfill_windows TO recflow_api;
GRANT UPDATE (state, error, ended_at) ON recflow.backfill_attempts TO recflow_api;
GRANT EXECUTE ON FUNCTION recflow.previous_live(), recflow.promote(bigint, bigint, boolean, text, text),
    recflow.roll_back(bigint, text, text), recflow.drop_version(bigint) TO recflow_api;

-- A row lock needs the privilege to update a column. These columns can only be
-- true, so this privilege allows a lock and nothing else.
GRANT UPDATE (one) ON recflow.live TO recflow_loader, recflow_api;
GRANT UPDATE (one, trusted_before) ON recflow.horizon TO recflow_api;

-- A candidate is loaded, not served.
GRANT UPDATE (candidate) ON recflow.live TO recflow_loader, recflow_api;

-- The auditor. It reads requests and their outcomes, and no user data.
GRANT SELECT ON recflow.audit, recflow.live_changes, recflow.backfills, recflow.backfill_windows, recflow.backfill_attempts TO recflow_auditor;
