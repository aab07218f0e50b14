// Package ledger is the form of the permit ledger: what a permit says, how permits are chained, and how anybody who has an export and
// the public key proves that nothing was altered, dropped, doubled or put in another order. It is pure; where the rows lie is the
// store's matter. docs/compliance-ledger.md describes the export and what is and is not proven.
//
// A record (a permit, or the voiding of one) is canonical JSON. Records are sealed in blocks: the Merkle root of a block's records
// (RFC 6962 section 2.1) and the hash of the block before it make the block's hash. A checkpoint is an Ed25519 signature (RFC 8032)
// of a block's hash.
package ledger
