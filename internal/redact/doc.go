// Package redact keeps spoken and written numbers of persons from every sink:
// resident IDs, bank cards, telephone numbers, passports, codes. It is pure and
// streaming: a Masker per call takes partial and final results of both sides
// and returns what a sink may see of each.
//
// What it goes by (docs/redact.md has the rules and the measurements):
//
//   - Digits are joined however they are said or written: 一三八, 幺三八, 壹叁捌,
//     138, １３８, one three eight, yi san ba, 三个八, with fillers (嗯, 那个, 杠),
//     self-corrections (不对, 是) and single misheard characters between them,
//     over partial results and over turns.
//   - A digit within a cardinal (一千二百) or before a unit (元, 点, 月, 号楼) is an
//     amount, a time or an address, and no part of a number.
//   - A run of 7 digits or more is masked; one of any length near a number word
//     (卡号, 验证码, ...), of either side; and a run of 4 or more that a turn ends with.
//   - An open run is held back whole from partial results, from its first digit:
//     what was written cannot be unwritten.
//   - No checksum ever excuses a number (GB 11643, Luhn): one recognition error
//     would let it pass. It only names the kind.
package redact
