// Package tone is a laboratory instrument: an alphabet of dual tones that
// carries any UTF-8 text through a telephone channel, so that a test can prove
// a whole audio path (phone, RTP, PBX, media stream, recognition protocol) by
// the text that arrives. It is not speech and no product feature uses it.
//
// # The signal
//
// A symbol lasts 20 ms, exactly one RTP packet, so that a packet that vanishes
// without a trace moves the text by whole symbols and never the symbol phase.
// Each symbol is the sum of one of 16 low tones and one of 16 high tones, 93.75
// Hz apart between 312.5 and 3218.75 Hz, about -16 dBFS RMS, and never the same
// pair twice running: to a voice-activity detector it is speech.
//
// # The code
//
// A symbol carries 5 bits of data and its own place (0 to 7) in a codeword:
// (low+high) mod 8 is the place, so that a wrong tone is almost always a wrong
// place and thus a known erasure, and lost or doubled packets show themselves.
// A codeword is 8 symbols (160 ms): 25 data bits and a Reed-Solomon code (8,5)
// over GF(32), distance 4: three erasures, or one error and one erasure, are
// repaired. It holds one character of any kind, two below U+0800 (Uyghur,
// Cyrillic), or three of ASCII: 6.25 Chinese or 18.75 ASCII characters a second.
//
// An utterance is a header (length and 12 bits of a CRC-32), the text, and a
// trailer (the other 20 bits): the reader knows the end when it comes and knows
// whether the text is intact. Every codeword stands on its own, so a text whose
// beginning or end is missing is still read as far as it was heard.
package tone
