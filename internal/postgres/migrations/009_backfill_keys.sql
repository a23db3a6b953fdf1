-- A backfill has an idempotency key only when its caller gave one. Without one the
-- same request finds the backfill that is at work, and no other.
ALTER TABLE recflow.backfills DROP CONSTRAINT backfills_idempotency_key_key;
ALTER TABLE recflow.backfills ALTER COLUMN idempotency_key DROP NOT NULL;
UPDATE recflow.backfills SET idempotency_key = NULL WHERE idempotency_key LIKE 'digest:%';

CREATE UNIQUE INDEX backfills_idempotency_key ON recflow.backfills (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX backfills_request_active ON recflow.backfills (request_digest)
    WHERE idempotency_key IS NULL AND state IN ('pending', 'running', 'cancelling');
