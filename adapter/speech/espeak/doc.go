// Package espeak is the embedded voice: a speech.Synthesizer that runs the
// espeak-ng program. It needs no account and no network and sounds like a
// robot; it is the default of demonstrations and the last fallback of
// production.
//
// Text goes to the program's standard input, never to its command line; WAV
// comes back on standard output, is brought to the utterance's rate, trimmed to
// 40 ms of silence at both ends, and levelled to -19 dBFS of active speech with
// peaks below -1 dBFS. A sentence takes about 15 ms, 280 Chinese characters
// (74 s of audio) about 65 ms of processor time, so an utterance is made whole
// before its first sample is given out. There are no marks: the program tells
// no times on standard output.
//
// What Debian 12's espeak-ng 1.51 really does, as probed by its phoneme output:
//
//   - Mandarin: the voice named cmn is broken. It turns 你好 into the letters
//     "ni3 hao3" and reads these as English. The voice cmn-latn-pinyin reads
//     Chinese characters, pinyin with tone digits, Latin words (as English) and
//     numbers properly, so the language cmn uses that one. It drops the decimal
//     point (3.5 becomes 三五) and the minus sign, and reads % in English;
//     numbers are therefore rewritten first (see prepare).
//   - Cantonese (yue): characters and jyutping are fine, Latin words are read as
//     English; the same faults with numbers, the same remedy.
//   - Hakka (hak): romanised text with tone digits only (ngi2 ho2). Every
//     Chinese character is read as the English words "Chinese letter", so text
//     with characters is refused with ErrUnsupported instead of being spoken.
//   - Uyghur (ug): Arabic and Latin script both, numbers in Uyghur.
//   - English (en): fine. Chinese characters inside Uyghur or English are given
//     to the Mandarin voice, Arabic script inside Chinese or English to the
//     Uyghur voice.
//   - Runs of digits are read as one number in every language. A run that starts
//     with 0 or has nine digits or more is spelled digit by digit here; write
//     spaces between digits to force that for shorter ones.
//   - 0x01 starts an embedded command and [[ starts phonemes, SSML is not
//     interpreted without -m; NUL ends the text. None of them reaches the program.
//   - An unknown voice is an error (exit status 1), an unknown variant (en+zzz)
//     is silently the plain voice; here both are ErrUnsupported.
package espeak
