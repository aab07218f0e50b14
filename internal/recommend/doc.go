// Package recommend says what fits a customer, and why: courses for a learner
// by rules and points (S19), and the tier of a buyer by recency, frequency and
// money (S27). Everything is pure, in whole numbers, and the same on every
// machine; every point has a reason that can be spoken to the customer or
// shown to whoever asks why (PIPL Art. 24).
package recommend
