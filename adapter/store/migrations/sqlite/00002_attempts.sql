-- +goose Up
CREATE TABLE IF NOT EXISTS controller (
  id              TEXT    NOT NULL,
  epoch           INTEGER NOT NULL,
  heartbeat_at    TEXT    NOT NULL,
  registered_at   TEXT    NOT NULL,
  PRIMARY KEY (id)
) STRICT;

-- live is 1 while the attempt is claimed or placed, else NULL: a contact cannot have two live attempts.
CREATE TABLE IF NOT EXISTS attempt (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  task_id         BLOB    NOT NULL,
  contact_id      BLOB    NOT NULL,
  person_id       BLOB    NOT NULL,
  number_id       BLOB    NULL,
  try             INTEGER NOT NULL,
  state           TEXT    NOT NULL,
  live            INTEGER NULL,
  owner           TEXT    NOT NULL,
  epoch           INTEGER NOT NULL,
  due_at          TEXT    NOT NULL,
  born_at         TEXT    NOT NULL,
  placed_at       TEXT    NULL,
  ended_at        TEXT    NULL,
  pbx             TEXT    NOT NULL,
  trunk           TEXT    NOT NULL,
  caller_id       BLOB    NULL,
  script_version  TEXT    NOT NULL,
  permit          BLOB    NULL,
  reason          TEXT    NOT NULL,
  outcome         TEXT    NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS attempt_id ON attempt (id);
CREATE UNIQUE INDEX IF NOT EXISTS attempt_live ON attempt (tenant_id, contact_id, live);
CREATE INDEX IF NOT EXISTS attempt_owner ON attempt (state, owner, epoch);

CREATE TABLE IF NOT EXISTS leg (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  attempt_id      BLOB    NOT NULL,
  role            TEXT    NOT NULL,
  pbx             TEXT    NOT NULL,
  created_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX IF NOT EXISTS leg_attempt ON leg (tenant_id, attempt_id);

CREATE TABLE IF NOT EXISTS call_event (
  tenant_id       TEXT    NOT NULL,
  attempt_id      BLOB    NOT NULL,
  seq             INTEGER NOT NULL,
  at_ns           INTEGER NOT NULL,
  kind            TEXT    NOT NULL,
  input           BLOB    NOT NULL,
  PRIMARY KEY (tenant_id, attempt_id, seq)
) STRICT;

CREATE TABLE IF NOT EXISTS cdr (
  tenant_id       TEXT    NOT NULL,
  attempt_id      BLOB    NOT NULL,
  task_id         BLOB    NOT NULL,
  contact_id      BLOB    NOT NULL,
  person_id       BLOB    NOT NULL,
  number_id       BLOB    NULL,
  try             INTEGER NOT NULL,
  script_id       TEXT    NOT NULL,
  script_version  TEXT    NOT NULL,
  purpose         TEXT    NOT NULL,
  pbx             TEXT    NOT NULL,
  trunk           TEXT    NOT NULL,
  placed_at       TEXT    NOT NULL,
  started_at      TEXT    NULL,
  ringing_at      TEXT    NULL,
  answered_at     TEXT    NULL,
  ended_at        TEXT    NOT NULL,
  talk_ms         INTEGER NOT NULL,
  disposition     TEXT    NOT NULL,
  reason          TEXT    NOT NULL,
  sip             INTEGER NOT NULL,
  q850            INTEGER NOT NULL,
  reason_q850     INTEGER NOT NULL,
  ended_by        TEXT    NOT NULL,
  raw             TEXT    NOT NULL,
  amd             TEXT    NOT NULL,
  grade           TEXT    NOT NULL,
  disclosed       INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, attempt_id)
) STRICT;
CREATE INDEX IF NOT EXISTS cdr_ended ON cdr (tenant_id, ended_at);
CREATE INDEX IF NOT EXISTS cdr_task ON cdr (tenant_id, task_id, ended_at);
CREATE INDEX IF NOT EXISTS cdr_contact ON cdr (tenant_id, contact_id);

CREATE TABLE IF NOT EXISTS turn (
  tenant_id       TEXT    NOT NULL,
  attempt_id      BLOB    NOT NULL,
  seq             INTEGER NOT NULL,
  side            TEXT    NOT NULL,
  said            TEXT    NOT NULL,
  planned         TEXT    NOT NULL,
  start_ms        INTEGER NOT NULL,
  end_ms          INTEGER NOT NULL,
  node            TEXT    NOT NULL,
  intent          TEXT    NOT NULL,
  confidence      REAL    NOT NULL,
  interrupted     INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, attempt_id, seq)
) STRICT;

CREATE TABLE IF NOT EXISTS disclosure (
  tenant_id       TEXT    NOT NULL,
  attempt_id      BLOB    NOT NULL,
  script_id       TEXT    NOT NULL,
  version         TEXT    NOT NULL,
  line            TEXT    NOT NULL,
  said            TEXT    NOT NULL,
  played_at       TEXT    NULL,
  start_ms        INTEGER NOT NULL,
  end_ms          INTEGER NOT NULL,
  complete        INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, attempt_id)
) STRICT;

CREATE TABLE IF NOT EXISTS recording (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  attempt_id      BLOB    NOT NULL,
  path            TEXT    NOT NULL,
  sha256          TEXT    NOT NULL,
  bytes           INTEGER NOT NULL,
  duration_ns     INTEGER NOT NULL,
  rate            INTEGER NOT NULL,
  channels        INTEGER NOT NULL,
  incomplete      TEXT    NOT NULL,
  tier            TEXT    NOT NULL DEFAULT 'hot',
  legal_hold      INTEGER NOT NULL DEFAULT 0,
  keep_until      TEXT    NULL,
  created_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX IF NOT EXISTS recording_attempt ON recording (tenant_id, attempt_id);
CREATE INDEX IF NOT EXISTS recording_tier ON recording (tier, created_at);

CREATE TABLE IF NOT EXISTS ticket (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  attempt_id      BLOB    NOT NULL,
  person_id       BLOB    NOT NULL,
  kind            TEXT    NOT NULL,
  words           TEXT    NOT NULL,
  state           TEXT    NOT NULL,
  created_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX IF NOT EXISTS ticket_state ON ticket (tenant_id, state, created_at);

-- One row a person, locked by whoever counts and consumes; the entries are what was consumed.
CREATE TABLE IF NOT EXISTS budget (
  tenant_id       TEXT    NOT NULL,
  person_id       BLOB    NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, person_id)
) STRICT;

CREATE TABLE IF NOT EXISTS budget_entry (
  tenant_id       TEXT    NOT NULL,
  person_id       BLOB    NOT NULL,
  ref_id          BLOB    NOT NULL,
  channel         TEXT    NOT NULL,
  at              TEXT    NOT NULL,
  returned_at     TEXT    NULL,
  PRIMARY KEY (tenant_id, person_id, ref_id)
) STRICT;
CREATE INDEX IF NOT EXISTS budget_window ON budget_entry (tenant_id, person_id, at);

-- +goose Down
DROP TABLE IF EXISTS budget_entry;
DROP TABLE IF EXISTS budget;
DROP TABLE IF EXISTS ticket;
DROP TABLE IF EXISTS recording;
DROP TABLE IF EXISTS disclosure;
DROP TABLE IF EXISTS turn;
DROP TABLE IF EXISTS cdr;
DROP TABLE IF EXISTS call_event;
DROP TABLE IF EXISTS leg;
DROP TABLE IF EXISTS attempt;
DROP TABLE IF EXISTS controller;
