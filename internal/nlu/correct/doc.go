// Package correct puts terms right that a recognizer wrote by ear: 年华收益率 is
// 年化收益率, 西踢检查 is CT检查. A stretch of text that sounds like a term of the
// dictionary (by pinyin, with the pairs that speakers and recognizers mix up:
// zh z, ch c, sh s, n l, f h, an ang, en eng, in ing) is replaced by it when it
// is near enough and no common word speaks against it. Digits and numerals are
// never touched. It is pure; readings come from github.com/mozillazg/go-pinyin.
package correct
