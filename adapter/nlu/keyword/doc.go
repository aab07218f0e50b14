// Package keyword is the embedded understander: keywords, a built-in lexicon
// of common intents in Mandarin, Cantonese and English, similarity to example
// sentences, and the values people say on the phone (digits, amounts, dates,
// ages, grades). It needs no model, no network and no training, answers in
// microseconds, is deterministic, and abstains when it is not sure.
package keyword
