// Package nlu is the port to language understanding: what did the caller mean
// by these words? Adapters live under adapter/nlu; the contract that each of
// them passes is internal/nlu/nlutest.
package nlu
