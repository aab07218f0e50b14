// Package voices is the catalogue of voices: what an operator has configured
// under speech.voices, and which of them speaks a line.
//
// A script, a node, a segment or a contact asks for a voice by its name, or by
// what it is to be like (Wish). Choose takes the first wish, strongest level
// first, that some voice fulfils in the language of the line; then the default
// of the script's industry, then that of the language. It always says why.
// Substitute finds who speaks when that voice's provider does not: never a voice
// of another language.
//
// The package is pure: no I/O, no clock, no state.
package voices
