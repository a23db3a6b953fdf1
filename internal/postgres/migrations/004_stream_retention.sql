-- Events are dropped oldest first, some at a time: without this each time would
-- read the whole table.
CREATE INDEX live_events_stored ON recflow.live_events (stored_at);
