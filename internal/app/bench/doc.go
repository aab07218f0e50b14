// Package bench measures the whole controller on this machine beside the
// laboratory's instruments: claims on a real MariaDB, live dialogues on the
// exchange twin, answers and interruptions on a real Asterisk. Each measurement
// prints a table with the machine, its aim, and what a user would pick instead
// where that can run here; it changes nothing of the product.
package bench
