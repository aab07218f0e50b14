// Package store keeps everything that must outlive the process, through gorm: MySQL 8 or MariaDB 10.6+ in production, SQLite
// embedded. It implements scheduler.Store and api.Store on Store itself and outbox.Store on Store.Outbox.
//
// What holds here (proven by internal/scheduler/storetest on every database):
//
//   - Each method is one transaction, at READ COMMITTED, with guarded updates; deadlocks and lock time-outs are retried a bounded
//     time; a COMMIT whose answer was lost is looked up under the lock it held, and when even that fails the error is
//     ErrUnknownCommit: the caller must look, not assume.
//   - Locks are taken in one order: controller, attempt, contact, budget, outbox.
//   - Leases are counted on the database's clock. Times are stored in UTC with microseconds; what is finer is cut off.
//   - A telephone number is stored encrypted (AES-256-GCM) beside a keyed fingerprint (HMAC-SHA-256) by which it is found. No SQL
//     value reaches a log.
package store
