// Package hinted heeds the hints of an utterance (speech.Hint) in front of a
// provider that takes plain text only.
//
// A pause cuts the text: the pieces are made one after the other, each while the
// one before is heard, and joined by silence of exactly the length asked for,
// what the provider leaves at the ends of the pieces counted in. A reading is
// written with characters of the same sound that have one reading only (重庆 read
// chong2 qing4 is given as 虫庆); a character for which there is none is left as it
// is. Such a character takes as many bytes as the other, so places in the text
// stay what they were.
package hinted
