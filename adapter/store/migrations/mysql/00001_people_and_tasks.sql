-- +goose Up
CREATE TABLE IF NOT EXISTS number (
  tenant_id  VARCHAR(64)    NOT NULL,
  id         BINARY(16)     NOT NULL,
  hmac       BINARY(32)     NOT NULL,
  e164       VARBINARY(255) NOT NULL,
  type       VARCHAR(16)    NOT NULL,
  zone       VARCHAR(255)   NOT NULL,
  region     VARCHAR(8)     NOT NULL,
  created_at DATETIME(6)    NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE KEY number_hmac (tenant_id, hmac)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS person (
  tenant_id   VARCHAR(64)    NOT NULL,
  id          BINARY(16)     NOT NULL,
  external_id VARBINARY(255) NOT NULL,
  name        VARCHAR(255)   NOT NULL,
  number_id   BINARY(16)     NULL,
  zone        VARCHAR(64)    NOT NULL,
  language    VARCHAR(16)    NOT NULL,
  vars        MEDIUMTEXT     NOT NULL,
  created_at  DATETIME(6)    NOT NULL,
  updated_at  DATETIME(6)    NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE KEY person_external (tenant_id, external_id),
  KEY person_number (tenant_id, number_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS script (
  tenant_id       VARCHAR(64)  NOT NULL,
  id              VARCHAR(128) NOT NULL,
  current_version VARCHAR(128) NOT NULL,
  updated_at      DATETIME(6)  NOT NULL,
  PRIMARY KEY (tenant_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS script_version (
  tenant_id  VARCHAR(64)  NOT NULL,
  script_id  VARCHAR(128) NOT NULL,
  version    VARCHAR(128) NOT NULL,
  sha256     BINARY(32)   NOT NULL,
  source     MEDIUMBLOB   NOT NULL,
  created_by VARCHAR(255) NOT NULL,
  created_at DATETIME(6)  NOT NULL,
  PRIMARY KEY (tenant_id, script_id, version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS task (
  tenant_id       VARCHAR(64)  NOT NULL,
  id              BINARY(16)   NOT NULL,
  name            VARCHAR(255) NOT NULL,
  script_id       VARCHAR(128) NOT NULL,
  standing_script VARCHAR(128) NULL,
  purpose         VARCHAR(32)  NOT NULL,
  legal_basis     VARCHAR(255) NOT NULL,
  jurisdiction    VARCHAR(16)  NOT NULL,
  state           VARCHAR(16)  NOT NULL,
  parked          TINYINT      NOT NULL DEFAULT 0,
  trunk           VARCHAR(128) NOT NULL,
  caller_id       VARCHAR(128) NOT NULL,
  pool            VARCHAR(64)  NOT NULL,
  concurrency     INT          NOT NULL,
  cps             DOUBLE       NOT NULL,
  retry           TEXT         NOT NULL,
  schedule        TEXT         NULL,
  pacing          TEXT         NULL,
  created_at      DATETIME(6)  NOT NULL,
  updated_at      DATETIME(6)  NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE KEY task_standing (tenant_id, standing_script),
  KEY task_parked (parked, state)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- claim_rank is minus the priority, so that one ascending index serves "priority desc, due_at" on every server.
CREATE TABLE IF NOT EXISTS task_contact (
  tenant_id  VARCHAR(64)  NOT NULL,
  id         BINARY(16)   NOT NULL,
  task_id    BINARY(16)   NOT NULL,
  person_id  BINARY(16)   NOT NULL,
  pool       VARCHAR(64)  NOT NULL,
  state      VARCHAR(16)  NOT NULL,
  claim_rank INT          NOT NULL,
  due_at     DATETIME(6)  NOT NULL,
  reason     VARCHAR(255) NOT NULL,
  call_time  VARCHAR(64)  NOT NULL,
  call_zone  VARCHAR(64)  NOT NULL,
  tries      INT          NOT NULL,
  ref        VARCHAR(256) NOT NULL,
  created_at DATETIME(6)  NOT NULL,
  updated_at DATETIME(6)  NOT NULL,
  PRIMARY KEY (tenant_id, id),
  KEY contact_claim (pool, state, claim_rank, due_at),
  KEY contact_due (state, due_at),
  KEY contact_task (tenant_id, task_id, state),
  KEY contact_person (tenant_id, person_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS consent (
  tenant_id    VARCHAR(64)  NOT NULL,
  id           BINARY(16)   NOT NULL,
  person_id    BINARY(16)   NOT NULL,
  number_hmac  BINARY(32)   NULL,
  purpose      VARCHAR(32)  NOT NULL,
  kind         VARCHAR(32)  NOT NULL,
  channel      VARCHAR(32)  NOT NULL,
  proof        TEXT         NOT NULL,
  obtained_at  DATETIME(6)  NOT NULL,
  expires_at   DATETIME(6)  NULL,
  withdrawn_at DATETIME(6)  NULL,
  created_at   DATETIME(6)  NOT NULL,
  PRIMARY KEY (tenant_id, id),
  KEY consent_person (tenant_id, person_id, purpose)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- subject is a number's hmac (kind number) or a person's id (kind person); the system layer has tenant_id ''.
CREATE TABLE IF NOT EXISTS dnc (
  tenant_id  VARCHAR(64)   NOT NULL,
  layer      VARCHAR(8)    NOT NULL,
  task_id    VARBINARY(16) NOT NULL,
  kind       VARCHAR(8)    NOT NULL,
  subject    VARBINARY(32) NOT NULL,
  reason     VARCHAR(255)  NOT NULL,
  words      VARCHAR(1024) NOT NULL,
  attempt_id BINARY(16)    NULL,
  expires_at DATETIME(6)   NULL,
  created_at DATETIME(6)   NOT NULL,
  updated_at DATETIME(6)   NOT NULL,
  PRIMARY KEY (subject, kind, tenant_id, layer, task_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS trunk (
  tenant_id  VARCHAR(64)  NOT NULL,
  id         VARCHAR(128) NOT NULL,
  pbx        VARCHAR(64)  NOT NULL,
  endpoint   VARCHAR(255) NOT NULL,
  lab        TINYINT      NOT NULL DEFAULT 0,
  max_calls  INT          NOT NULL,
  cps        DOUBLE       NOT NULL,
  state      VARCHAR(16)  NOT NULL,
  created_at DATETIME(6)  NOT NULL,
  updated_at DATETIME(6)  NOT NULL,
  PRIMARY KEY (tenant_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS caller_id (
  tenant_id  VARCHAR(64)    NOT NULL,
  id         BINARY(16)     NOT NULL,
  hmac       BINARY(32)     NOT NULL,
  e164       VARBINARY(255) NOT NULL,
  trunk_id   VARCHAR(128)   NOT NULL,
  voice      TINYINT        NOT NULL DEFAULT 0,
  sms        TINYINT        NOT NULL DEFAULT 0,
  licence    VARCHAR(255)   NOT NULL,
  region     VARCHAR(8)     NOT NULL,
  daily_cap  INT            NOT NULL,
  state      VARCHAR(16)    NOT NULL,
  created_at DATETIME(6)    NOT NULL,
  updated_at DATETIME(6)    NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE KEY caller_id_hmac (tenant_id, trunk_id, hmac)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

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
