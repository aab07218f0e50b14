-- +goose Up
-- A step that died half-way runs again from its top, and these servers commit each ALTER at once: so each asks first whether it is done.

-- Lock rows of everything that a person's and a number's budget is counted under; life is how many acts were ever consumed.
DROP TABLE IF EXISTS budget;
CREATE TABLE IF NOT EXISTS budget (
  tenant_id  VARCHAR(64)   NOT NULL,
  kind       VARCHAR(8)    NOT NULL,
  subject    VARBINARY(32) NOT NULL,
  life       INT           NOT NULL,
  updated_at DATETIME(6)   NOT NULL,
  PRIMARY KEY (tenant_id, kind, subject)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'budget_entry' AND column_name = 'ended_at') > 0, 'DO 0',
  'ALTER TABLE budget_entry ADD COLUMN number_hmac BINARY(32) NULL, ADD COLUMN task_id BINARY(16) NULL, ADD COLUMN contact_id BINARY(16) NULL,
   ADD COLUMN path VARCHAR(16) NOT NULL DEFAULT ''task'', ADD COLUMN purpose VARCHAR(32) NOT NULL DEFAULT '''', ADD COLUMN answered TINYINT NOT NULL DEFAULT 0,
   ADD COLUMN talked_at DATETIME(6) NULL, ADD COLUMN ended_at DATETIME(6) NULL,
   ADD KEY budget_number (tenant_id, number_hmac, at)');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

UPDATE budget_entry e JOIN attempt a ON a.tenant_id = e.tenant_id AND a.id = e.ref_id JOIN task k ON k.tenant_id = a.tenant_id AND k.id = a.task_id
  LEFT JOIN number n ON n.tenant_id = a.tenant_id AND n.id = a.number_id
  LEFT JOIN cdr c ON c.tenant_id = a.tenant_id AND c.attempt_id = a.id
  SET e.channel = 'voice', e.number_hmac = n.hmac, e.task_id = a.task_id, e.contact_id = a.contact_id, e.purpose = k.purpose,
  e.path = IF(a.try > 1, 'retry', 'task'),
  e.answered = COALESCE(c.answered_at IS NOT NULL AND c.amd <> 'voicemail', 0), e.talked_at = IF(c.talk_ms > 0, c.ended_at, NULL), e.ended_at = a.ended_at
  WHERE e.channel = 'call';
INSERT IGNORE INTO budget (tenant_id, kind, subject, life, updated_at)
  SELECT tenant_id, 'person', person_id, SUM(returned_at IS NULL), MAX(at) FROM budget_entry GROUP BY tenant_id, person_id;
INSERT IGNORE INTO budget (tenant_id, kind, subject, life, updated_at)
  SELECT tenant_id, 'number', number_hmac, SUM(returned_at IS NULL), MAX(at) FROM budget_entry WHERE number_hmac IS NOT NULL GROUP BY tenant_id, number_hmac;

-- How a task's calls ended, by days since 1970 in UTC: an abandon cap is asked before every call and cannot count calls then.
CREATE TABLE IF NOT EXISTS task_day (
  tenant_id VARCHAR(64) NOT NULL,
  task_id   BINARY(16)  NOT NULL,
  day       INT         NOT NULL,
  answered  INT         NOT NULL,
  abandoned INT         NOT NULL,
  PRIMARY KEY (tenant_id, task_id, day)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
INSERT IGNORE INTO task_day (tenant_id, task_id, day, answered, abandoned)
  SELECT tenant_id, task_id, TIMESTAMPDIFF(DAY, '1970-01-01', ended_at), SUM(answered_at IS NOT NULL), SUM(disposition = 'failed' AND disclosed = 0)
  FROM cdr WHERE answered_at IS NOT NULL GROUP BY tenant_id, task_id, TIMESTAMPDIFF(DAY, '1970-01-01', ended_at);

-- How often each caller ID was shown, by hours since 1970.
CREATE TABLE IF NOT EXISTS caller_use (
  tenant_id VARCHAR(64) NOT NULL,
  caller_id BINARY(16)  NOT NULL,
  hour      INT         NOT NULL,
  used      INT         NOT NULL,
  PRIMARY KEY (tenant_id, caller_id, hour)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The ledger. kind is permit, or void for a permit whose call was never sent. block_seq and pos are NULL until it is sealed.
CREATE TABLE IF NOT EXISTS permit (
  tenant_id VARCHAR(64) NOT NULL,
  id        BINARY(16)  NOT NULL,
  kind      VARCHAR(8)  NOT NULL,
  at        DATETIME(6) NOT NULL,
  body      MEDIUMBLOB  NOT NULL,
  leaf      BINARY(32)  NOT NULL,
  block_seq BIGINT      NULL,
  pos       INT         NULL,
  PRIMARY KEY (tenant_id, id, kind),
  KEY permit_block (tenant_id, block_seq, pos)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS ledger_block (
  tenant_id VARCHAR(64)   NOT NULL,
  seq       BIGINT        NOT NULL,
  prev      BINARY(32)    NOT NULL,
  root      BINARY(32)    NOT NULL,
  records   INT           NOT NULL,
  at        DATETIME(6)   NOT NULL,
  hash      BINARY(32)    NOT NULL,
  key_id    VARCHAR(64)   NOT NULL,
  signature VARBINARY(64) NULL,
  PRIMARY KEY (tenant_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS ledger_head (
  tenant_id  VARCHAR(64) NOT NULL,
  seq        BIGINT      NOT NULL,
  hash       BINARY(32)  NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  PRIMARY KEY (tenant_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The key of the commitments that stand for this person in the ledger. Erased (sealed is NULL), nobody can tie the two any more.
CREATE TABLE IF NOT EXISTS person_key (
  tenant_id  VARCHAR(64)    NOT NULL,
  person_id  BINARY(16)     NOT NULL,
  sealed     VARBINARY(255) NULL,
  created_at DATETIME(6)    NOT NULL,
  erased_at  DATETIME(6)    NULL,
  PRIMARY KEY (tenant_id, person_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- tenant_id '' stops every tenant. In force while released_at is NULL.
CREATE TABLE IF NOT EXISTS stop (
  tenant_id   VARCHAR(64)  NOT NULL,
  id          BINARY(16)   NOT NULL,
  reason      VARCHAR(255) NOT NULL,
  pressed_by  VARCHAR(255) NOT NULL,
  at          DATETIME(6)  NOT NULL,
  released_by VARCHAR(255) NOT NULL DEFAULT '',
  released_at DATETIME(6)  NULL,
  PRIMARY KEY (tenant_id, id),
  KEY stop_open (tenant_id, released_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Originals that a policy keeps: sealed with a key from key_ring. A file's body lies at path, everything else in sealed.
CREATE TABLE IF NOT EXISTS vault (
  tenant_id  VARCHAR(64)    NOT NULL,
  id         BINARY(16)     NOT NULL,
  kind       VARCHAR(32)    NOT NULL,
  ref        VARBINARY(255) NOT NULL,
  path       VARCHAR(1024)  NOT NULL,
  key_id     VARCHAR(64)    NOT NULL,
  sealed     MEDIUMBLOB     NOT NULL,
  created_at DATETIME(6)    NOT NULL,
  expires_at DATETIME(6)    NULL,
  PRIMARY KEY (tenant_id, id),
  KEY vault_ref (tenant_id, kind, ref),
  KEY vault_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS key_ring (
  tenant_id  VARCHAR(64)     NOT NULL,
  id         VARCHAR(64)     NOT NULL,
  wrapped    VARBINARY(1024) NOT NULL,
  created_at DATETIME(6)     NOT NULL,
  retired_at DATETIME(6)     NULL,
  PRIMARY KEY (tenant_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- action is publish, rollback or import.
CREATE TABLE IF NOT EXISTS script_release (
  tenant_id VARCHAR(64)   NOT NULL,
  script_id VARCHAR(128)  NOT NULL,
  seq       BIGINT        NOT NULL,
  version   VARCHAR(128)  NOT NULL,
  action    VARCHAR(16)   NOT NULL,
  by_key    VARCHAR(255)  NOT NULL,
  note      VARCHAR(1024) NOT NULL,
  at        DATETIME(6)   NOT NULL,
  report    MEDIUMTEXT    NOT NULL,
  PRIMARY KEY (tenant_id, script_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'dnc' AND column_name = 'created_by') > 0, 'DO 0',
  'ALTER TABLE dnc ADD COLUMN source VARCHAR(64) NOT NULL DEFAULT '''',
   ADD COLUMN created_by VARCHAR(255) NOT NULL DEFAULT '''',
   ADD KEY dnc_list (tenant_id, layer, created_at)');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'consent' AND column_name = 'created_by') > 0, 'DO 0',
  'ALTER TABLE consent ADD COLUMN basis VARCHAR(32) NOT NULL DEFAULT '''',
   ADD COLUMN source VARCHAR(255) NOT NULL DEFAULT '''',
   ADD COLUMN evidence BINARY(32) NULL,
   ADD COLUMN created_by VARCHAR(255) NOT NULL DEFAULT '''',
   ADD KEY consent_number (tenant_id, number_hmac)');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'task' AND column_name = 'paused_reason') > 0, 'DO 0',
  'ALTER TABLE task ADD COLUMN paused_reason VARCHAR(255) NOT NULL DEFAULT ''''');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'task_contact' AND column_name = 'asked_at') > 0, 'DO 0',
  'ALTER TABLE task_contact ADD COLUMN path VARCHAR(16) NOT NULL DEFAULT ''task'',
   ADD COLUMN asked_at DATETIME(6) NULL');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'caller_id' AND column_name = 'note') > 0, 'DO 0',
  'ALTER TABLE caller_id ADD COLUMN type VARCHAR(16) NOT NULL DEFAULT '''',
   ADD COLUMN note VARCHAR(255) NOT NULL DEFAULT ''''');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'recording' AND column_name = 'checked_at') > 0, 'DO 0',
  'ALTER TABLE recording ADD COLUMN label VARCHAR(16) NOT NULL DEFAULT ''unchecked'',
   ADD COLUMN label_detail VARCHAR(1024) NOT NULL DEFAULT '''',
   ADD COLUMN silenced MEDIUMTEXT NULL,
   ADD COLUMN vault_id BINARY(16) NULL,
   ADD COLUMN checked_at DATETIME(6) NULL,
   ADD KEY recording_label (label, created_at)');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'api_key' AND column_name = 'allow_reveal') > 0, 'DO 0',
  'ALTER TABLE api_key ADD COLUMN role VARCHAR(32) NOT NULL DEFAULT '''',
   ADD COLUMN created_by VARCHAR(255) NOT NULL DEFAULT '''',
   ADD COLUMN last_used_at DATETIME(6) NULL,
   ADD COLUMN allow_reveal TINYINT NOT NULL DEFAULT 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'audit' AND column_name = 'request_id') > 0, 'DO 0',
  'ALTER TABLE audit ADD COLUMN reason VARCHAR(255) NOT NULL DEFAULT '''',
   ADD COLUMN request_id VARCHAR(64) NOT NULL DEFAULT '''',
   ADD KEY audit_object (tenant_id, object, at),
   ADD KEY audit_actor (tenant_id, actor, at)');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

-- +goose Down
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'audit' AND column_name = 'request_id') > 0,
  'ALTER TABLE audit DROP KEY audit_object, DROP KEY audit_actor, DROP COLUMN reason, DROP COLUMN request_id',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'api_key' AND column_name = 'allow_reveal') > 0,
  'ALTER TABLE api_key DROP COLUMN role, DROP COLUMN created_by, DROP COLUMN last_used_at, DROP COLUMN allow_reveal',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'recording' AND column_name = 'checked_at') > 0,
  'ALTER TABLE recording DROP KEY recording_label, DROP COLUMN label, DROP COLUMN label_detail, DROP COLUMN silenced, DROP COLUMN vault_id, DROP COLUMN checked_at',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'caller_id' AND column_name = 'note') > 0,
  'ALTER TABLE caller_id DROP COLUMN type, DROP COLUMN note',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'task_contact' AND column_name = 'asked_at') > 0,
  'ALTER TABLE task_contact DROP COLUMN path, DROP COLUMN asked_at',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'task' AND column_name = 'paused_reason') > 0,
  'ALTER TABLE task DROP COLUMN paused_reason',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'consent' AND column_name = 'created_by') > 0,
  'ALTER TABLE consent DROP KEY consent_number, DROP COLUMN basis, DROP COLUMN source, DROP COLUMN evidence, DROP COLUMN created_by',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'dnc' AND column_name = 'created_by') > 0,
  'ALTER TABLE dnc DROP KEY dnc_list, DROP COLUMN source, DROP COLUMN created_by',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'budget_entry' AND column_name = 'ended_at') > 0,
  'ALTER TABLE budget_entry DROP KEY budget_number, DROP COLUMN number_hmac, DROP COLUMN task_id, DROP COLUMN contact_id, DROP COLUMN path, DROP COLUMN purpose, DROP COLUMN answered, DROP COLUMN talked_at, DROP COLUMN ended_at',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
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
  tenant_id  VARCHAR(64) NOT NULL,
  person_id  BINARY(16)  NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  PRIMARY KEY (tenant_id, person_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
