// Package phonetest is what people, spreadsheets and attackers write where a
// telephone number is wanted: 5,000 texts for the tests of whoever reads one.
package phonetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
)

// Count is how many texts Bad gives.
const Count = 5000

// Input is one text, and the kind of mistake that it is.
type Input struct{ Kind, Text string }

// listed texts, each written by hand for what it could do.
var listed = map[string][]string{
	"empty":  {"", " ", "\t", "\r\n", "\u00a0", "\u200b", "\ufeff", "\u3000", "-", "+", "++", "()", "（）", "#", "*", ".", "null", "NULL", "None", "N/A", "#N/A", "#REF!", "undefined", "NaN", "无", "没有", "-1", "0", "00", "+0", "true", "{}", "[]", "''"},
	"short":  {"1", "12", "110", "119", "120", "911", "112", "999", "10086", "95588", "12345", "138", "1380", "13800", "+86", "+86 1", "+86138", "0086", "+1", "+1 911", "+44 999", "010", "01", "400", "800"},
	"long":   {strings.Repeat("1", 16), strings.Repeat("1", 17), strings.Repeat("13800001111", 2), strings.Repeat("9", 64), strings.Repeat("9", 65), strings.Repeat("1", 1000), strings.Repeat("+", 64), strings.Repeat("(", 64), strings.Repeat("1-", 40), strings.Repeat("13800001111", 10000)},
	"excel":  {"1.38E+10", "1.38e10", "1.38000011110E+10", "13800001111.0", "13800001111.00", `="13800001111"`, "'13800001111", "1,380,000,111", "13,800,001,111", "$13800001111", "13800001111%", "=1+1", "=HYPERLINK(\"http://x\")", "@SUM(1)", "+1+2", "-13800001111", "########", "1/3/8000", "2026-11-24", "13800001111\t13900002222"},
	"two":    {"13800001111 13900002222", "13800001111,13900002222", "13800001111;13900002222", "13800001111/13900002222", "13800001111|13900002222", "13800001111&13900002222", "13800001111、13900002222", "13800001111或13900002222", "13800001111\n13900002222", "13800001111 or 13900002222", "13800001111:_:13900002222", "13800001111+8613900002222"},
	"other":  {"138OOOO1111", "l38OOOOllll", "138oooo1111", "13800oo1111", "138-ABCD-111", "+86 138 ABCD 1111", "1-800-FLOWERS", "+1 800 FLOWERS", "0x3370A4C57", "13800001111 ext 5", "13800001111x5", "13800001111 转 8001", "13800001111转8001", "13800001111#8001", "13800001111,,8001#", "13800001111p8001", "13800001111w8001", "13800001111;ext=8001", "+8613800001111;isub=5", "+8613800001111;postd=9", "+8613800001111;phone-context=example.com", "138....1111", "138****1111", "138xxxx1111", "+86138******11"},
	"script": {"１３８００００１１１１", "＋８６１３８００００１１１１", "١٣٨٠٠٠٠١١١١", "۱۳۸۰۰۰۰۱۱۱۱", "①③⑧⓪⓪⓪⓪①①①①", "¹³⁸⁰⁰⁰⁰¹¹¹¹", "一三八零零零零一一一一", "壹叁捌零零零零壹壹壹壹", "𝟏𝟑𝟖𝟎𝟎𝟎𝟎𝟏𝟏𝟏𝟏", "1️⃣3️⃣8️⃣", "१३८००००११११", "13800\u200b001111", "13800\u00ad001111", "\u202e11110000831", "\u202a13800001111\u202c", "13800001111\u2028", "138\u00a00000\u00a01111", "138–0000–1111", "138‐0000‐1111", "138／0000／1111", "（010）65521234", "~13800001111", "ⅠⅢⅧ"},
	"uri":    {"sip:13800001111@evil.example", "sips:13800001111@10.0.0.1", "tel:13800001111", "tel:+8613800001111", "tel:13800001111;phone-context=+86", "tel:13800001111;phone-context=+86&x", "tel:;phone-context=+86", "tel:1;phone-context=+999999999999999", "callto:13800001111", "13800001111@evil.example", "13800001111@evil.example:5060;transport=tcp", "<sip:13800001111@x>", "\"x\" <13800001111>", "http://127.0.0.1/13800001111", "//13800001111", "mailto:x@y", "sip:%31%33%38@x", "+86%3113800001111", "13800001111?subject=x", "lab:", "lab", "lab:talks", "LAB:talks", "lab:../x", "lab:a&b", "lab:" + strings.Repeat("a", 33), "lab:a b", "lab:\r\n"},
	"dial": {"PJSIP/13800001111@trunk", "PJSIP/1&PJSIP/13900002222@trunk", "13800001111@trunk&PJSIP/13900002222", "13800001111&Local/100@internal", "Local/100@default/n", "SIP/x/13800001111", "DAHDI/g1/13800001111", "13800001111,30,g", "13800001111,30,U(x)", "13800001111^x", "sofia/gateway/x/13800001111", "sofia/internal/1,sofia/internal/2", "13800001111|sofia/internal/2", "13800001111:_:sofia/internal/2", "{origination_uuid=x}13800001111", "[leg_timeout=1]13800001111", "<x=1>13800001111", "13800001111 &hangup()", "13800001111 &park", "loopback/13800001111/default", "error/USER_BUSY", "group/all@x", "user/1001", "verto.rtc/x", "${caller_id_number}", "$${domain}", "${system(reboot)}", "#{13800001111}", "{number}", "138{number}", "13800001111{number}", "%s%n", "%(x)s", "^^:13800001111", "13800001111'", "13800001111\"", "13800001111\\", "13800001111`reboot`", "13800001111$(reboot)", "13800001111;reboot", "13800001111||reboot",
		"13800001111\r\napi exit", "13800001111\n\nbgapi originate sofia/internal/2 &park()", "13800001111\r\nX-Evil: 1", "13800001111%0d%0aX-Evil:1", "13800001111\x00", "\x0013800001111", "13800001111\x1b[2J", "13800001111\x7f", "\xff\xfe13800001111", "138\xc3\x28", "138\xe2\x80", "\xed\xa0\x8013800001111", "13800001111\xc0\x80", "13800001111\x85"},
	"store": {"' OR 1=1 --", "13800001111' --", "13800001111\"; DROP TABLE person;--", "13800001111/*", "\\x31", "<script>alert(1)</script>", "13800001111<br>", "../../etc/passwd", "13800001111../", "{\"$ne\":1}", "${jndi:ldap://127.0.0.1/x}", "{{7*7}}", "*)(uid=*"},
	"range": {"10000000000", "12000000000", "11111111111", "00000000000", "99999999999", "22222222222", "+999 1234567", "+0 13800001111", "+86 00000000000", "+86 12345678901", "+1 000 000 0000", "+1 555 000 0000", "+1 111 111 1111", "+44 0000 000000", "+852 0000 0000", "+886 000", "+210 123456", "+888 123 456", "+979 1", "+800 1234", "+883 1", "+8613800001111111", "+861380000111", "8613800001111", "08613800001111", "00008613800001111", "+0086 13800001111", "+86+86 13800001111", "86-86-13800001111", "0138 0000 1111", "17951 13800001111", "12593 13800001111"},
}

// right are numbers that exist, of many countries, as their owners write them.
var right = []string{
	"13800001111", "+8613800001111", "0086 138 0000 1111", "(010) 6552 1234", "021-65521234", "400-810-1111", "+86 19912345678", "+852 5123 4567", "+853 6612 3456", "+886 912 345 678", "+1 212 555 2368",
	"+44 7911 123456", "+49 1512 3456789", "+81 90-1234-5678", "+82 10-1234-5678", "+65 8123 4567", "+61 412 345 678", "+33 6 12 34 56 78", "+7 912 345-67-89", "+91 98765 43210", "+55 11 91234-5678", "+234 802 123 4567",
}

// pieces are put into, before, behind and in place of a part of a number.
var pieces = []string{
	"&", ",", "|", ";", ":_:", "@", "/", "\\", "'", "\"", "`", "$", "${x}", "{", "}", "[", "]", "<", ">", "(", ")", "^", "^^:", "~", "!", "#", "*", "%", "%00", "=", "?", "+", "-", ".", "_", " ", "  ", "\t", "\r", "\n", "\r\n", "\x00", "\x1b", "\x7f", "\x80", "\xff", "\xc0\xaf",
	"\u00a0", "\u200b", "\u202e", "\u2066", "\ufeff", "\u3000", "\U0001f4de", "０", "٣", "①", "O", "o", "l", "x", "ext", "转", "号", "abc", "A", "E+", "0x", "00", "0", "9", "86", "+86", "PJSIP/1&", ",sofia/internal/2@h", "|sofia/a/2", "\r\n\r\napi exit", "&Local/1@x", ";user=phone", "sip:", "tel:", "lab:",
}

// Bad gives Count texts, the same each time: the listed ones, and numbers that
// exist with one to three mistakes in them.
func Bad() []Input {
	all := make([]Input, 0, Count)
	seen := make(map[string]bool, Count)
	add := func(kind, text string) {
		if len(all) < Count && !seen[text] {
			seen[text] = true
			all = append(all, Input{kind, text})
		}
	}
	for _, kind := range []string{"empty", "short", "long", "excel", "two", "other", "script", "uri", "dial", "store", "range"} {
		for _, text := range listed[kind] {
			add(kind, text)
		}
	}
	r := rand.New(rand.NewPCG(7, 5000)) //nolint:gosec // the same texts each time are wanted
	for _, n := range right {
		for _, p := range pieces {
			add("before", p+n)
			add("behind", n+p)
		}
	}
	for len(all) < Count {
		text, mistakes := right[r.IntN(len(right))], 1+r.IntN(3)
		for range mistakes {
			text = mistake(r, text)
		}
		add(fmt.Sprintf("%d mistakes", mistakes), text)
	}
	return all
}

// Some is an even part of Bad for tests beside which others wait: one of each
// ten, or all of them when RINGMASTER_PROVE is set.
func Some() []Input {
	all := Bad()
	if os.Getenv("RINGMASTER_PROVE") != "" {
		return all
	}
	some := all[:0:0]
	for i := 0; i < len(all); i += 10 {
		some = append(some, all[i])
	}
	return some
}

// mistake puts in, takes out, doubles or swaps something.
func mistake(r *rand.Rand, s string) string {
	if s == "" {
		return pieces[r.IntN(len(pieces))]
	}
	at := r.IntN(len(s))
	switch r.IntN(6) {
	case 0:
		return s[:at] + pieces[r.IntN(len(pieces))] + s[at:]
	case 1:
		return s[:at] + pieces[r.IntN(len(pieces))] + s[at+1:]
	case 2:
		return s[:at] + s[at+1:]
	case 3:
		return s[:at] + s
	case 4:
		return s[:at] + string(rune('0'+r.IntN(10))) + s[at+1:]
	}
	return s[at:] + s[:at]
}
