-- +goose Up
CREATE TABLE IF NOT EXISTS number (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  hmac            BLOB    NOT NULL,
  e164            BLOB    NOT NULL,
  type            TEXT    NOT NULL,
  zone            TEXT    NOT NULL,
  region          TEXT    NOT NULL,
  created_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS number_hmac ON number (tenant_id, hmac);

CREATE TABLE IF NOT EXISTS person (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  external_id     BLOB    NOT NULL,
  name            TEXT    NOT NULL,
  number_id       BLOB    NULL,
  zone            TEXT    NOT NULL,
  language        TEXT    NOT NULL,
  vars            TEXT    NOT NULL,
  created_at      TEXT    NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS person_external ON person (tenant_id, external_id);
CREATE INDEX IF NOT EXISTS person_number ON person (tenant_id, number_id);

CREATE TABLE IF NOT EXISTS script (
  tenant_id       TEXT    NOT NULL,
  id              TEXT    NOT NULL,
  current_version TEXT    NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE TABLE IF NOT EXISTS script_version (
  tenant_id       TEXT    NOT NULL,
  script_id       TEXT    NOT NULL,
  version         TEXT    NOT NULL,
  sha256          BLOB    NOT NULL,
  source          BLOB    NOT NULL,
  created_by      TEXT    NOT NULL,
  created_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, script_id, version)
) STRICT;

CREATE TABLE IF NOT EXISTS task (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  name            TEXT    NOT NULL,
  script_id       TEXT    NOT NULL,
  standing_script TEXT    NULL,
  purpose         TEXT    NOT NULL,
  legal_basis     TEXT    NOT NULL,
  jurisdiction    TEXT    NOT NULL,
  state           TEXT    NOT NULL,
  parked          INTEGER NOT NULL DEFAULT 0,
  trunk           TEXT    NOT NULL,
  caller_id       TEXT    NOT NULL,
  pool            TEXT    NOT NULL,
  concurrency     INTEGER NOT NULL,
  cps             REAL    NOT NULL,
  retry           TEXT    NOT NULL,
  schedule        TEXT    NULL,
  pacing          TEXT    NULL,
  created_at      TEXT    NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS task_standing ON task (tenant_id, standing_script);
CREATE INDEX IF NOT EXISTS task_parked ON task (parked, state);

-- claim_rank is minus the priority, so that one ascending index serves "priority desc, due_at" on every server.
CREATE TABLE IF NOT EXISTS task_contact (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  task_id         BLOB    NOT NULL,
  person_id       BLOB    NOT NULL,
  pool            TEXT    NOT NULL,
  state           TEXT    NOT NULL,
  claim_rank      INTEGER NOT NULL,
  due_at          TEXT    NOT NULL,
  reason          TEXT    NOT NULL,
  call_time       TEXT    NOT NULL,
  call_zone       TEXT    NOT NULL,
  tries           INTEGER NOT NULL,
  ref             TEXT    NOT NULL,
  created_at      TEXT    NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX IF NOT EXISTS contact_claim ON task_contact (pool, state, claim_rank, due_at);
CREATE INDEX IF NOT EXISTS contact_due ON task_contact (state, due_at);
CREATE INDEX IF NOT EXISTS contact_task ON task_contact (tenant_id, task_id, state);
CREATE INDEX IF NOT EXISTS contact_person ON task_contact (tenant_id, person_id);

CREATE TABLE IF NOT EXISTS consent (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  person_id       BLOB    NOT NULL,
  number_hmac     BLOB    NULL,
  purpose         TEXT    NOT NULL,
  kind            TEXT    NOT NULL,
  channel         TEXT    NOT NULL,
  proof           TEXT    NOT NULL,
  obtained_at     TEXT    NOT NULL,
  expires_at      TEXT    NULL,
  withdrawn_at    TEXT    NULL,
  created_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX IF NOT EXISTS consent_person ON consent (tenant_id, person_id, purpose);

-- subject is a number's hmac (kind number) or a person's id (kind person); the system layer has tenant_id ''.
CREATE TABLE IF NOT EXISTS dnc (
  tenant_id       TEXT    NOT NULL,
  layer           TEXT    NOT NULL,
  task_id         BLOB    NOT NULL,
  kind            TEXT    NOT NULL,
  subject         BLOB    NOT NULL,
  reason          TEXT    NOT NULL,
  words           TEXT    NOT NULL,
  attempt_id      BLOB    NULL,
  expires_at      TEXT    NULL,
  created_at      TEXT    NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (subject, kind, tenant_id, layer, task_id)
) STRICT;

CREATE TABLE IF NOT EXISTS trunk (
  tenant_id       TEXT    NOT NULL,
  id              TEXT    NOT NULL,
  pbx             TEXT    NOT NULL,
  endpoint        TEXT    NOT NULL,
  lab             INTEGER NOT NULL DEFAULT 0,
  max_calls       INTEGER NOT NULL,
  cps             REAL    NOT NULL,
  state           TEXT    NOT NULL,
  created_at      TEXT    NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE TABLE IF NOT EXISTS caller_id (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  hmac            BLOB    NOT NULL,
  e164            BLOB    NOT NULL,
  trunk_id        TEXT    NOT NULL,
  voice           INTEGER NOT NULL DEFAULT 0,
  sms             INTEGER NOT NULL DEFAULT 0,
  licence         TEXT    NOT NULL,
  region          TEXT    NOT NULL,
  daily_cap       INTEGER NOT NULL,
  state           TEXT    NOT NULL,
  created_at      TEXT    NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS caller_id_hmac ON caller_id (tenant_id, trunk_id, hmac);

-- +goose Down
DROP TABLE IF EXISTS caller_id;
DROP TABLE IF EXISTS trunk;
DROP TABLE IF EXISTS dnc;
DROP TABLE IF EXISTS consent;
DROP TABLE IF EXISTS task_contact;
DROP TABLE IF EXISTS task;
DROP TABLE IF EXISTS script_version;
DROP TABLE IF EXISTS script;
DROP TABLE IF EXISTS person;
DROP TABLE IF EXISTS number;
