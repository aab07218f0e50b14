// Package cache holds the decorators of speech providers: Cache keeps what was
// synthesized once, Fallback and FallbackRecognizer go to a second provider
// when the first one fails or falls silent. They decide nothing about a call:
// they speak and hear the same as what they stand in front of.
//
// A prompt is stored under the SHA-256 of everything that shapes its sound
// (provider, voice, language, speed, rate, text), in memory and on disk. Both
// are bounded and forget what was used least recently. A file is written beside
// its place and renamed, carries its own key and checksum, and one that does
// not fit is thrown away and made anew: the folder may be deleted, copied or
// shared at any time.
package cache
