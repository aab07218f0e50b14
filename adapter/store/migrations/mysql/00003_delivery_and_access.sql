-- +goose Up
-- due_at is when the message may next be leased: a lease sets it to the lease's end.
CREATE TABLE IF NOT EXISTS outbox (
  tenant_id   VARCHAR(64)    NOT NULL,
  id          BINARY(16)     NOT NULL,
  aggregate   VARBINARY(128) NOT NULL,
  seq         BIGINT         NOT NULL,
  kind        VARCHAR(32)    NOT NULL,
  event       VARCHAR(64)    NOT NULL,
  destination VARCHAR(512)   NOT NULL,
  body        MEDIUMBLOB     NOT NULL,
  state       VARCHAR(16)    NOT NULL,
  tries       INT            NOT NULL,
  due_at      DATETIME(6)    NOT NULL,
  owner       VARCHAR(128)   NOT NULL,
  status      INT            NOT NULL,
  reason      VARCHAR(255)   NOT NULL,
  created_at  DATETIME(6)    NOT NULL,
  ended_at    DATETIME(6)    NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE KEY outbox_id (id),
  UNIQUE KEY outbox_order (tenant_id, aggregate, seq),
  KEY outbox_due (state, due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS idempotency (
  tenant_id    VARCHAR(64)    NOT NULL,
  idem_key     VARBINARY(255) NOT NULL,
  request_hash BINARY(32)     NOT NULL,
  contact_id   BINARY(16)     NOT NULL,
  created_at   DATETIME(6)    NOT NULL,
  PRIMARY KEY (tenant_id, idem_key),
  KEY idempotency_age (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS api_key (
  tenant_id  VARCHAR(64)  NOT NULL,
  id         BINARY(16)   NOT NULL,
  name       VARCHAR(255) NOT NULL,
  hash       BINARY(32)   NOT NULL,
  scopes     TEXT         NOT NULL,
  expires_at DATETIME(6)  NULL,
  revoked_at DATETIME(6)  NULL,
  created_at DATETIME(6)  NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE KEY api_key_hash (hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS audit (
  tenant_id VARCHAR(64)  NOT NULL,
  id        BINARY(16)   NOT NULL,
  at        DATETIME(6)  NOT NULL,
  actor     VARCHAR(255) NOT NULL,
  action    VARCHAR(64)  NOT NULL,
  object    VARCHAR(255) NOT NULL,
  detail    TEXT         NOT NULL,
  PRIMARY KEY (tenant_id, id),
  KEY audit_at (tenant_id, at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS audit;
DROP TABLE IF EXISTS api_key;
DROP TABLE IF EXISTS idempotency;
DROP TABLE IF EXISTS outbox;
