// Package storetest is the contract of the durable side: scheduler.Store, outbox.Store and api.Store together, as numbered
// guarantees. Every database passes all of them, and so would an in-memory store.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Stores { ... a new, empty, migrated database ... })
//	}
package storetest
