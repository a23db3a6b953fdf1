-- What is said of an item beside the versions, and holds in all of them. A
-- column that is null leaves to the version what it says.

ALTER TABLE recflow.item_state
    ALTER COLUMN available DROP NOT NULL,
    ADD COLUMN title    text,
    ADD COLUMN category text,
    ADD COLUMN tags     text[];

CREATE INDEX item_state_category ON recflow.item_state (category) WHERE category IS NOT NULL;
CREATE INDEX item_state_tags ON recflow.item_state USING gin (tags) WHERE tags IS NOT NULL;

-- Grows with every change of item_state, and with it in one transaction: who
-- keeps a list of items sees from it whether the list still holds.
CREATE TABLE recflow.item_changes (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision bigint  NOT NULL DEFAULT 1
);

INSERT INTO recflow.item_changes DEFAULT VALUES;

CREATE FUNCTION recflow.count_item_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE recflow.item_changes SET revision = revision + 1;
    RETURN NULL;
END $$;

CREATE TRIGGER item_state_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON recflow.item_state
    FOR EACH STATEMENT EXECUTE FUNCTION recflow.count_item_change();
