package clean_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/pidwire/pidwire/internal/sink/clean"
)

func TestAppendText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"curl", "curl"},
		{`C:\x`, `C:\\x`},
		{"two\nlines", `two\nlines`},
		{"a\tb\rc", `a\tb\x0dc`},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"\x1b]0;title\x07", `\x1b]0;title\x07`},
		{"\x00abstract", `\x00abstract`},
		{"\x7f", `\x7f`},
		{"\u009b31m", `\x9b31m`},                   // CSI as one C1 character
		{"\x9b31m", `\x9b31m`},                     // and as a byte
		{"user\u202egnp.exe", `user\u202egnp.exe`}, // right-to-left override
		{"\u2066a\u2069", `\u2066a\u2069`},         // isolates
		{"zero\u200bwidth\ufeff", `zero\u200bwidth\ufeff`},
		{"\u2028\u2029", `\u2028\u2029`},
		{"\U000e0041tag", `\U000e0041tag`},
		{"\ufffd", `\ufffd`},
		{"caf\xe9", `caf\xe9`},
		{"\xed\xa0\x80", `\xed\xa0\x80`}, // a surrogate in UTF-8
		{"\xf0\x9f\x98", `\xf0\x9f\x98`}, // cut
		{"naïve 日本 😀 ~", "naïve 日本 😀 ~"},
		{"soft\u00adhyphen", `soft\u00adhyphen`},
	} {
		if got := clean.Text(c.in); got != c.want {
			t.Errorf("Text(%q) = %q, want %q", c.in, got, c.want)
		}
		if got := string(clean.AppendText([]byte("x\n"), c.in)); got != "x\n"+c.want {
			t.Errorf("AppendText(%q) = %q", c.in, got)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{"curl", `"curl"`},
		{`say "hi" \o/`, `"say \"hi\" \\o/"`},
		{"two\nlines\t", `"two\nlines\u0009"`},
		{"\x1b[31m", `"\u001b[31m"`},
		{"\x00", `"\u0000"`},
		{"\u202e", `"\u202e"`},
		{"\u0085", `"\u0085"`},
		{"caf\xe9", `"caf\ufffd"`},
		{"\U000e0041", `"\udb40\udc41"`},
		{"\U0010ffff", `"\udbff\udfff"`},
		{"<script>&", `"<script>&"`},
		{"日本 😀", `"日本 😀"`},
	} {
		if got := string(clean.AppendJSON(nil, c.in)); got != c.want {
			t.Errorf("AppendJSON(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

// visible are format characters that are seen: signs written around digits,
// and the joiners of hieroglyphs.
var visible = []*unicode.RangeTable{{R16: []unicode.Range16{
	{Lo: 0x600, Hi: 0x605, Stride: 1}, {Lo: 0x6dd, Hi: 0x6dd, Stride: 1}, {Lo: 0x70f, Hi: 0x70f, Stride: 1},
	{Lo: 0x890, Hi: 0x891, Stride: 1}, {Lo: 0x8e2, Hi: 0x8e2, Stride: 1},
}, R32: []unicode.Range32{
	{Lo: 0x110bd, Hi: 0x110bd, Stride: 1}, {Lo: 0x110cd, Hi: 0x110cd, Stride: 1}, {Lo: 0x13430, Hi: 0x1343f, Stride: 1},
}}}

// TestHidden holds clean.Hidden against the tables of Unicode.
func TestHidden(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		must := unicode.In(r, unicode.Cc, unicode.Cs, unicode.Co, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Noncharacter_Code_Point) ||
			unicode.Is(unicode.Cf, r) && !unicode.In(r, visible...)
		if must && !clean.Hidden(r) {
			t.Errorf("%U is not hidden", r)
		}
		mustNot := unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && r != utf8.RuneError &&
			!unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) && !(r >= 0xfff0 && r <= 0xfffd)
		if mustNot && clean.Hidden(r) {
			t.Errorf("%U %q is hidden, and is a letter, digit or sign", r, r)
		}
	}
	if clean.Hidden(' ') {
		t.Error("a space is hidden")
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "curl", "\x1b[31m\u202e\xff\"\\\n", "\U000e0041\u009b", "caf\xe9\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := clean.Text(s)
		for _, r := range text {
			if clean.Hidden(r) {
				t.Errorf("Text(%q) holds %U", s, r)
			}
		}
		js := clean.AppendJSON(nil, s)
		for _, r := range string(js) {
			if clean.Hidden(r) {
				t.Errorf("AppendJSON(%q) holds %U", s, r)
			}
		}
		var back string
		if err := json.Unmarshal(js, &back); err != nil {
			t.Fatalf("AppendJSON(%q) = %s: %v", s, js, err)
		}
		if want := string([]rune(s)); back != want {
			t.Errorf("AppendJSON(%q) = %s is %q, want %q", s, js, back, want)
		}
		if strings.Count(text, "\n")+strings.Count(string(js), "\n") > 0 {
			t.Errorf("%q makes a new line", s)
		}
		// What has nothing to hide is as it was.
		if text != s && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || clean.Hidden(r) }) {
			t.Errorf("Text(%q) = %q", s, text)
		}
	})
}
