-- +goose Up
-- A step runs in one transaction here.

-- Lock rows of everything that a person's and a number's budget is counted under; life is how many acts were ever consumed.
DROP TABLE IF EXISTS budget;
CREATE TABLE IF NOT EXISTS budget (
  tenant_id       TEXT    NOT NULL,
  kind            TEXT    NOT NULL,
  subject         BLOB    NOT NULL,
  life            INTEGER NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, kind, subject)
) STRICT;

ALTER TABLE budget_entry ADD COLUMN number_hmac BLOB NULL;
ALTER TABLE budget_entry ADD COLUMN task_id BLOB NULL;
ALTER TABLE budget_entry ADD COLUMN contact_id BLOB NULL;
ALTER TABLE budget_entry ADD COLUMN path TEXT NOT NULL DEFAULT 'task';
ALTER TABLE budget_entry ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
ALTER TABLE budget_entry ADD COLUMN answered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE budget_entry ADD COLUMN talked_at TEXT NULL;
ALTER TABLE budget_entry ADD COLUMN ended_at TEXT NULL;
CREATE INDEX IF NOT EXISTS budget_number ON budget_entry (tenant_id, number_hmac, at);

UPDATE budget_entry SET channel = 'voice', number_hmac = n.hmac, task_id = a.task_id, contact_id = a.contact_id, purpose = k.purpose,
  path = CASE WHEN a.try > 1 THEN 'retry' ELSE 'task' END,
  answered = COALESCE(c.answered_at IS NOT NULL AND c.amd <> 'voicemail', 0), talked_at = CASE WHEN c.talk_ms > 0 THEN c.ended_at END, ended_at = a.ended_at
  FROM attempt a JOIN task k ON k.tenant_id = a.tenant_id AND k.id = a.task_id
  LEFT JOIN number n ON n.tenant_id = a.tenant_id AND n.id = a.number_id
  LEFT JOIN cdr c ON c.tenant_id = a.tenant_id AND c.attempt_id = a.id
  WHERE a.tenant_id = budget_entry.tenant_id AND a.id = budget_entry.ref_id AND budget_entry.channel = 'call';
INSERT OR IGNORE INTO budget (tenant_id, kind, subject, life, updated_at)
  SELECT tenant_id, 'person', person_id, SUM(returned_at IS NULL), MAX(at) FROM budget_entry GROUP BY tenant_id, person_id;
INSERT OR IGNORE INTO budget (tenant_id, kind, subject, life, updated_at)
  SELECT tenant_id, 'number', number_hmac, SUM(returned_at IS NULL), MAX(at) FROM budget_entry WHERE number_hmac IS NOT NULL GROUP BY tenant_id, number_hmac;

-- How a task's calls ended, by days since 1970 in UTC: an abandon cap is asked before every call and cannot count calls then.
CREATE TABLE IF NOT EXISTS task_day (
  tenant_id       TEXT    NOT NULL,
  task_id         BLOB    NOT NULL,
  day             INTEGER NOT NULL,
  answered        INTEGER NOT NULL,
  abandoned       INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, task_id, day)
) STRICT;
INSERT OR IGNORE INTO task_day (tenant_id, task_id, day, answered, abandoned)
  SELECT tenant_id, task_id, CAST(julianday(substr(ended_at, 1, 10)) - julianday('1970-01-01') AS INTEGER), SUM(answered_at IS NOT NULL), SUM(disposition = 'failed' AND disclosed = 0)
  FROM cdr WHERE answered_at IS NOT NULL GROUP BY tenant_id, task_id, CAST(julianday(substr(ended_at, 1, 10)) - julianday('1970-01-01') AS INTEGER);

-- How often each caller ID was shown, by hours since 1970.
CREATE TABLE IF NOT EXISTS caller_use (
  tenant_id       TEXT    NOT NULL,
  caller_id       BLOB    NOT NULL,
  hour            INTEGER NOT NULL,
  used            INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, caller_id, hour)
) STRICT;

-- The ledger. kind is permit, or void for a permit whose call was never sent. block_seq and pos are NULL until it is sealed.
CREATE TABLE IF NOT EXISTS permit (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  kind            TEXT    NOT NULL,
  at              TEXT    NOT NULL,
  body            BLOB    NOT NULL,
  leaf            BLOB    NOT NULL,
  block_seq       INTEGER NULL,
  pos             INTEGER NULL,
  PRIMARY KEY (tenant_id, id, kind)
) STRICT;
CREATE INDEX IF NOT EXISTS permit_block ON permit (tenant_id, block_seq, pos);

CREATE TABLE IF NOT EXISTS ledger_block (
  tenant_id       TEXT    NOT NULL,
  seq             INTEGER NOT NULL,
  prev            BLOB    NOT NULL,
  root            BLOB    NOT NULL,
  records         INTEGER NOT NULL,
  at              TEXT    NOT NULL,
  hash            BLOB    NOT NULL,
  key_id          TEXT    NOT NULL,
  signature       BLOB    NULL,
  PRIMARY KEY (tenant_id, seq)
) STRICT;

CREATE TABLE IF NOT EXISTS ledger_head (
  tenant_id       TEXT    NOT NULL,
  seq             INTEGER NOT NULL,
  hash            BLOB    NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id)
) STRICT;

-- The key of the commitments that stand for this person in the ledger. Erased (sealed is NULL), nobody can tie the two any more.
CREATE TABLE IF NOT EXISTS person_key (
  tenant_id       TEXT    NOT NULL,
  person_id       BLOB    NOT NULL,
  sealed          BLOB    NULL,
  created_at      TEXT    NOT NULL,
  erased_at       TEXT    NULL,
  PRIMARY KEY (tenant_id, person_id)
) STRICT;

-- tenant_id '' stops every tenant. In force while released_at is NULL.
CREATE TABLE IF NOT EXISTS stop (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  reason          TEXT    NOT NULL,
  pressed_by      TEXT    NOT NULL,
  at              TEXT    NOT NULL,
  released_by     TEXT    NOT NULL DEFAULT '',
  released_at     TEXT    NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX IF NOT EXISTS stop_open ON stop (tenant_id, released_at);

-- Originals that a policy keeps: sealed with a key from key_ring. A file's body lies at path, everything else in sealed.
CREATE TABLE IF NOT EXISTS vault (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  kind            TEXT    NOT NULL,
  ref             BLOB    NOT NULL,
  path            TEXT    NOT NULL,
  key_id          TEXT    NOT NULL,
  sealed          BLOB    NOT NULL,
  created_at      TEXT    NOT NULL,
  expires_at      TEXT    NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX IF NOT EXISTS vault_ref ON vault (tenant_id, kind, ref);
CREATE INDEX IF NOT EXISTS vault_expires ON vault (expires_at);

CREATE TABLE IF NOT EXISTS key_ring (
  tenant_id       TEXT    NOT NULL,
  id              TEXT    NOT NULL,
  wrapped         BLOB    NOT NULL,
  created_at      TEXT    NOT NULL,
  retired_at      TEXT    NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;

-- action is publish, rollback or import.
CREATE TABLE IF NOT EXISTS script_release (
  tenant_id       TEXT    NOT NULL,
  script_id       TEXT    NOT NULL,
  seq             INTEGER NOT NULL,
  version         TEXT    NOT NULL,
  action          TEXT    NOT NULL,
  by_key          TEXT    NOT NULL,
  note            TEXT    NOT NULL,
  at              TEXT    NOT NULL,
  report          TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, script_id, seq)
) STRICT;

ALTER TABLE dnc ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE dnc ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS dnc_list ON dnc (tenant_id, layer, created_at);
ALTER TABLE consent ADD COLUMN basis TEXT NOT NULL DEFAULT '';
ALTER TABLE consent ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE consent ADD COLUMN evidence BLOB NULL;
ALTER TABLE consent ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS consent_number ON consent (tenant_id, number_hmac);
ALTER TABLE task ADD COLUMN paused_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE task_contact ADD COLUMN path TEXT NOT NULL DEFAULT 'task';
ALTER TABLE task_contact ADD COLUMN asked_at TEXT NULL;
ALTER TABLE caller_id ADD COLUMN type TEXT NOT NULL DEFAULT '';
ALTER TABLE caller_id ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE recording ADD COLUMN label TEXT NOT NULL DEFAULT 'unchecked';
ALTER TABLE recording ADD COLUMN label_detail TEXT NOT NULL DEFAULT '';
ALTER TABLE recording ADD COLUMN silenced TEXT NULL;
ALTER TABLE recording ADD COLUMN vault_id BLOB NULL;
ALTER TABLE recording ADD COLUMN checked_at TEXT NULL;
CREATE INDEX IF NOT EXISTS recording_label ON recording (label, created_at);
ALTER TABLE api_key ADD COLUMN role TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN last_used_at TEXT NULL;
ALTER TABLE api_key ADD COLUMN allow_reveal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS audit_object ON audit (tenant_id, object, at);
CREATE INDEX IF NOT EXISTS audit_actor ON audit (tenant_id, actor, at);

-- +goose Down
DROP INDEX IF EXISTS audit_object;
DROP INDEX IF EXISTS audit_actor;
ALTER TABLE audit DROP COLUMN reason;
ALTER TABLE audit DROP COLUMN request_id;
ALTER TABLE api_key DROP COLUMN role;
ALTER TABLE api_key DROP COLUMN created_by;
ALTER TABLE api_key DROP COLUMN last_used_at;
ALTER TABLE api_key DROP COLUMN allow_reveal;
DROP INDEX IF EXISTS recording_label;
ALTER TABLE recording DROP COLUMN label;
ALTER TABLE recording DROP COLUMN label_detail;
ALTER TABLE recording DROP COLUMN silenced;
ALTER TABLE recording DROP COLUMN vault_id;
ALTER TABLE recording DROP COLUMN checked_at;
ALTER TABLE caller_id DROP COLUMN type;
ALTER TABLE caller_id DROP COLUMN note;
ALTER TABLE task_contact DROP COLUMN path;
ALTER TABLE task_contact DROP COLUMN asked_at;
ALTER TABLE task DROP COLUMN paused_reason;
DROP INDEX IF EXISTS consent_number;
ALTER TABLE consent DROP COLUMN basis;
ALTER TABLE consent DROP COLUMN source;
ALTER TABLE consent DROP COLUMN evidence;
ALTER TABLE consent DROP COLUMN created_by;
DROP INDEX IF EXISTS dnc_list;
ALTER TABLE dnc DROP COLUMN source;
ALTER TABLE dnc DROP COLUMN created_by;
DROP INDEX IF EXISTS budget_number;
ALTER TABLE budget_entry DROP COLUMN number_hmac;
ALTER TABLE budget_entry DROP COLUMN task_id;
ALTER TABLE budget_entry DROP COLUMN contact_id;
ALTER TABLE budget_entry DROP COLUMN path;
ALTER TABLE budget_entry DROP COLUMN purpose;
ALTER TABLE budget_entry DROP COLUMN answered;
ALTER TABLE budget_entry DROP COLUMN talked_at;
ALTER TABLE budget_entry DROP COLUMN ended_at;
UPDATE budget_entry SET channel = 'call' WHERE channel = 'voice';
DROP TABLE IF EXISTS script_release;
DROP TABLE IF EXISTS key_ring;
DROP TABLE IF EXISTS vault;
DROP TABLE IF EXISTS stop;
DROP TABLE IF EXISTS person_key;
DROP TABLE IF EXISTS ledger_head;
DROP TABLE IF EXISTS ledger_block;
DROP TABLE IF EXISTS permit;
DROP TABLE IF EXISTS caller_use;
DROP TABLE IF EXISTS task_day;
DROP TABLE IF EXISTS budget;
CREATE TABLE IF NOT EXISTS budget (
  tenant_id       TEXT    NOT NULL,
  person_id       BLOB    NOT NULL,
  updated_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, person_id)
) STRICT;
