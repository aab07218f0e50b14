// Package audio holds sound as Ringmaster carries it: linear 16-bit samples in
// 20 ms frames on a sample clock, the G.711 companding of ITU-T G.711, and WAV
// files. It does no I/O of its own beyond reading and writing the WAV it is
// given.
package audio
