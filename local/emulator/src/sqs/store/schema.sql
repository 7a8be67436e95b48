-- The store of the SQS stand-in.
--
-- A message's state is apart from its content: state changes with every receive and is counted and
-- sorted by its indexes; content is written once, and may be 1 MiB.

CREATE TABLE IF NOT EXISTS queues (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: receipt handles name it
    name       TEXT    NOT NULL UNIQUE,
    created_s  INTEGER NOT NULL,
    modified_s INTEGER NOT NULL,
    attributes TEXT    NOT NULL                   -- JSON object, as the API has them
);

CREATE TABLE IF NOT EXISTS messages (
    id            INTEGER PRIMARY KEY,
    queue         INTEGER NOT NULL,
    -- Visible from then on. Later than now, the message is in flight (received before) or delayed
    -- (never received).
    visible_ms    INTEGER NOT NULL,
    receive_count INTEGER NOT NULL DEFAULT 0,
    sent_ms       INTEGER NOT NULL,
    message_id    TEXT    NOT NULL,
    token         INTEGER,                        -- of the latest receive from this queue
    received_ms   INTEGER,                        -- the latest receive from this queue
    first_received_ms INTEGER,
    hidden_by     INTEGER NOT NULL DEFAULT 0,     -- 1: by being received, 2: by ChangeMessageVisibility
    source        TEXT,                           -- the queue whose redrive policy brought it here
    group_id      TEXT                            -- the tenant, in a fair queue
);

-- Receives read it in this order; counts need nothing but the index.
CREATE INDEX IF NOT EXISTS messages_by_visibility ON messages (queue, visible_ms, receive_count);
-- And in this one where a tenant is noisy.
CREATE INDEX IF NOT EXISTS messages_by_group ON messages (queue, group_id, visible_ms, receive_count);
CREATE INDEX IF NOT EXISTS messages_by_age ON messages (queue, sent_ms);

CREATE TABLE IF NOT EXISTS contents (
    id           INTEGER PRIMARY KEY,             -- messages.id
    body         TEXT NOT NULL,
    body_md5     TEXT NOT NULL,
    attributes   TEXT,                            -- JSON object
    trace_header TEXT
);

CREATE TABLE IF NOT EXISTS move_tasks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    source      TEXT    NOT NULL,                 -- queue name
    destination TEXT,                             -- queue name; without it, back to where each came from
    rate        INTEGER,                          -- messages a second
    status      TEXT    NOT NULL,
    moved       INTEGER NOT NULL DEFAULT 0,
    to_move     INTEGER NOT NULL,
    failure     TEXT,
    started_ms  INTEGER NOT NULL
);

CREATE INDEX IF NOT EXISTS move_tasks_by_source ON move_tasks (source, id);
