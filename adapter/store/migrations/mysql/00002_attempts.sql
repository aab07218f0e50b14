-- +goose Up
CREATE TABLE IF NOT EXISTS controller (
  id            VARCHAR(128) NOT NULL,
  epoch         BIGINT       NOT NULL,
  heartbeat_at  DATETIME(6)  NOT NULL,
  registered_at DATETIME(6)  NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- live is 1 while the attempt is claimed or placed, else NULL: a contact cannot have two live attempts.
CREATE TABLE IF NOT EXISTS attempt (
  tenant_id      VARCHAR(64)    NOT NULL,
  id             BINARY(16)     NOT NULL,
  task_id        BINARY(16)     NOT NULL,
  contact_id     BINARY(16)     NOT NULL,
  person_id      BINARY(16)     NOT NULL,
  number_id      BINARY(16)     NULL,
  try            INT            NOT NULL,
  state          VARCHAR(16)    NOT NULL,
  live           TINYINT        NULL,
  owner          VARCHAR(128)   NOT NULL,
  epoch          BIGINT         NOT NULL,
  due_at         DATETIME(6)    NOT NULL,
  born_at        DATETIME(6)    NOT NULL,
  placed_at      DATETIME(6)    NULL,
  ended_at       DATETIME(6)    NULL,
  pbx            VARCHAR(64)    NOT NULL,
  trunk          VARCHAR(128)   NOT NULL,
  caller_id      VARBINARY(255) NULL,
  script_version VARCHAR(128)   NOT NULL,
  permit         VARBINARY(64)  NULL,
  reason         VARCHAR(255)   NOT NULL,
  outcome        MEDIUMTEXT     NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE KEY attempt_id (id),
  UNIQUE KEY attempt_live (tenant_id, contact_id, live),
  KEY attempt_owner (state, owner, epoch)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS leg (
  tenant_id  VARCHAR(64) NOT NULL,
  id         BINARY(16)  NOT NULL,
  attempt_id BINARY(16)  NOT NULL,
  role       VARCHAR(16) NOT NULL,
  pbx        VARCHAR(64) NOT NULL,
  created_at DATETIME(6) NOT NULL,
  PRIMARY KEY (tenant_id, id),
  KEY leg_attempt (tenant_id, attempt_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS call_event (
  tenant_id  VARCHAR(64) NOT NULL,
  attempt_id BINARY(16)  NOT NULL,
  seq        BIGINT      NOT NULL,
  at_ns      BIGINT      NOT NULL,
  kind       VARCHAR(64) NOT NULL,
  input      MEDIUMBLOB  NOT NULL,
  PRIMARY KEY (tenant_id, attempt_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS cdr (
  tenant_id      VARCHAR(64)  NOT NULL,
  attempt_id     BINARY(16)   NOT NULL,
  task_id        BINARY(16)   NOT NULL,
  contact_id     BINARY(16)   NOT NULL,
  person_id      BINARY(16)   NOT NULL,
  number_id      BINARY(16)   NULL,
  try            INT          NOT NULL,
  script_id      VARCHAR(128) NOT NULL,
  script_version VARCHAR(128) NOT NULL,
  purpose        VARCHAR(32)  NOT NULL,
  pbx            VARCHAR(64)  NOT NULL,
  trunk          VARCHAR(128) NOT NULL,
  placed_at      DATETIME(6)  NOT NULL,
  started_at     DATETIME(6)  NULL,
  ringing_at     DATETIME(6)  NULL,
  answered_at    DATETIME(6)  NULL,
  ended_at       DATETIME(6)  NOT NULL,
  talk_ms        BIGINT       NOT NULL,
  disposition    VARCHAR(32)  NOT NULL,
  reason         VARCHAR(255) NOT NULL,
  sip            INT          NOT NULL,
  q850           INT          NOT NULL,
  reason_q850    INT          NOT NULL,
  ended_by       VARCHAR(16)  NOT NULL,
  raw            VARCHAR(255) NOT NULL,
  amd            VARCHAR(16)  NOT NULL,
  grade          VARCHAR(8)   NOT NULL,
  disclosed      TINYINT      NOT NULL,
  PRIMARY KEY (tenant_id, attempt_id),
  KEY cdr_ended (tenant_id, ended_at),
  KEY cdr_task (tenant_id, task_id, ended_at),
  KEY cdr_contact (tenant_id, contact_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS turn (
  tenant_id   VARCHAR(64)  NOT NULL,
  attempt_id  BINARY(16)   NOT NULL,
  seq         INT          NOT NULL,
  side        VARCHAR(8)   NOT NULL,
  said        MEDIUMTEXT   NOT NULL,
  planned     MEDIUMTEXT   NOT NULL,
  start_ms    BIGINT       NOT NULL,
  end_ms      BIGINT       NOT NULL,
  node        VARCHAR(128) NOT NULL,
  intent      VARCHAR(128) NOT NULL,
  confidence  DOUBLE       NOT NULL,
  interrupted TINYINT      NOT NULL,
  PRIMARY KEY (tenant_id, attempt_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS disclosure (
  tenant_id  VARCHAR(64)  NOT NULL,
  attempt_id BINARY(16)   NOT NULL,
  script_id  VARCHAR(128) NOT NULL,
  version    VARCHAR(128) NOT NULL,
  line       VARCHAR(128) NOT NULL,
  said       TEXT         NOT NULL,
  played_at  DATETIME(6)  NULL,
  start_ms   BIGINT       NOT NULL,
  end_ms     BIGINT       NOT NULL,
  complete   TINYINT      NOT NULL,
  PRIMARY KEY (tenant_id, attempt_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS recording (
  tenant_id   VARCHAR(64)   NOT NULL,
  id          BINARY(16)    NOT NULL,
  attempt_id  BINARY(16)    NOT NULL,
  path        VARCHAR(1024) NOT NULL,
  sha256      VARCHAR(64)   NOT NULL,
  bytes       BIGINT        NOT NULL,
  duration_ns BIGINT        NOT NULL,
  rate        INT           NOT NULL,
  channels    INT           NOT NULL,
  incomplete  VARCHAR(255)  NOT NULL,
  tier        VARCHAR(16)   NOT NULL DEFAULT 'hot',
  legal_hold  TINYINT       NOT NULL DEFAULT 0,
  keep_until  DATETIME(6)   NULL,
  created_at  DATETIME(6)   NOT NULL,
  PRIMARY KEY (tenant_id, id),
  KEY recording_attempt (tenant_id, attempt_id),
  KEY recording_tier (tier, created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS ticket (
  tenant_id  VARCHAR(64)   NOT NULL,
  id         BINARY(16)    NOT NULL,
  attempt_id BINARY(16)    NOT NULL,
  person_id  BINARY(16)    NOT NULL,
  kind       VARCHAR(32)   NOT NULL,
  words      VARCHAR(1024) NOT NULL,
  state      VARCHAR(16)   NOT NULL,
  created_at DATETIME(6)   NOT NULL,
  PRIMARY KEY (tenant_id, id),
  KEY ticket_state (tenant_id, state, created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row a person, locked by whoever counts and consumes; the entries are what was consumed.
CREATE TABLE IF NOT EXISTS budget (
  tenant_id  VARCHAR(64) NOT NULL,
  person_id  BINARY(16)  NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  PRIMARY KEY (tenant_id, person_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS budget_entry (
  tenant_id   VARCHAR(64) NOT NULL,
  person_id   BINARY(16)  NOT NULL,
  ref_id      BINARY(16)  NOT NULL,
  channel     VARCHAR(16) NOT NULL,
  at          DATETIME(6) NOT NULL,
  returned_at DATETIME(6) NULL,
  PRIMARY KEY (tenant_id, person_id, ref_id),
  KEY budget_window (tenant_id, person_id, at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

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
