-- One study, one file; any SQLite tool opens it. Format history: user_version 1, 2026-11.
-- Two programs may create it at the same moment: hence IF NOT EXISTS.
-- Raw values are kept for every trial; whatever a report shows is worked out from these rows.
CREATE TABLE IF NOT EXISTS machine (
    fingerprint TEXT PRIMARY KEY,
    description TEXT NOT NULL          -- JSON: processor, cores, memory, system
);
CREATE TABLE IF NOT EXISTS study (
    digest TEXT PRIMARY KEY,           -- SHA-256 of the study's settings, fixed before the first trial
    name TEXT NOT NULL,
    system TEXT NOT NULL,
    settings TEXT NOT NULL,            -- JSON, as validated
    data TEXT NOT NULL,                -- JSON: data set, sizes, provenance
    machine TEXT NOT NULL REFERENCES machine (fingerprint),
    begun TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS trial (
    id TEXT PRIMARY KEY,               -- "survey.torch.seed0", "survey.torch.seed0.repeat1"
    position INTEGER NOT NULL UNIQUE,  -- the order in which they run: libraries interleaved
    network TEXT NOT NULL,
    library TEXT NOT NULL,
    seed INTEGER NOT NULL,
    repeat INTEGER NOT NULL DEFAULT 0, -- 1: the same trial once more, to see whether its bits repeat
    threads INTEGER NOT NULL,
    precision TEXT NOT NULL,
    device TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS run (
    trial TEXT PRIMARY KEY REFERENCES trial (id),
    status TEXT NOT NULL CHECK (status IN ('ok', 'environment', 'unsupported', 'timeout', 'memory', 'diverged', 'crash')),
    reason TEXT,                       -- of a failure
    log_tail TEXT,
    ended TEXT NOT NULL,
    load_before REAL,                  -- share of the processor that others used just before, 0 to 1
    versions TEXT,                     -- JSON
    weights_sha256 TEXT                -- of the final weights
);
CREATE TABLE IF NOT EXISTS metric (
    trial TEXT NOT NULL REFERENCES trial (id),
    name TEXT NOT NULL,
    value REAL,                        -- NULL: could not be measured
    source TEXT,                       -- for energy: measured:rapl or unavailable
    PRIMARY KEY (trial, name)
);
CREATE TABLE IF NOT EXISTS series (
    trial TEXT NOT NULL REFERENCES trial (id),
    name TEXT NOT NULL,                -- "validation_accuracy", "loss"
    step INTEGER NOT NULL,
    train_s REAL,                      -- seconds of training until then
    value REAL,
    PRIMARY KEY (trial, name, step)
);
CREATE TABLE IF NOT EXISTS parity (
    network TEXT NOT NULL,
    library TEXT NOT NULL,
    precision TEXT NOT NULL,
    passed INTEGER NOT NULL,
    max_relative_difference REAL,
    steps INTEGER NOT NULL,
    tolerance REAL,
    first_failure TEXT,
    version TEXT,
    PRIMARY KEY (network, library, precision)
);
CREATE TABLE IF NOT EXISTS sweep (
    network TEXT NOT NULL,
    library TEXT NOT NULL,
    threads INTEGER NOT NULL,
    training_images_per_s REAL,           -- NULL: it failed
    reason TEXT,
    PRIMARY KEY (network, library, threads)
);
CREATE VIEW IF NOT EXISTS result AS                  -- one row per trial, for a quick look
    SELECT t.id, t.network, t.library, t.seed, r.status, r.reason,
        max(CASE m.name WHEN 'accuracy' THEN m.value END) AS accuracy,
        max(CASE m.name WHEN 'training_images_per_s' THEN m.value END) AS training_images_per_s,
        max(CASE m.name WHEN 'latency_p50_ms' THEN m.value END) AS latency_p50_ms,
        max(CASE m.name WHEN 'peak_mib' THEN m.value END) AS peak_mib
    FROM trial t LEFT JOIN run r ON r.trial = t.id LEFT JOIN metric m ON m.trial = t.id
    GROUP BY t.id ORDER BY t.position;
