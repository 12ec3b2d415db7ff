package clean_test

import (
	"encoding/json"
	"fmt"
	"strconv"
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
		{"\u009b31m", `\u009b31m`},                 // CSI as a C1 character
		{"\x9b31m", `\x9b31m`},                     // CSI as a byte
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

// visible are the visible format characters: signs around digits, and joiners of hieroglyphs.
var visible = []*unicode.RangeTable{{R16: []unicode.Range16{
	{Lo: 0x600, Hi: 0x605, Stride: 1}, {Lo: 0x6dd, Hi: 0x6dd, Stride: 1}, {Lo: 0x70f, Hi: 0x70f, Stride: 1},
	{Lo: 0x890, Hi: 0x891, Stride: 1}, {Lo: 0x8e2, Hi: 0x8e2, Stride: 1},
}, R32: []unicode.Range32{
	{Lo: 0x110bd, Hi: 0x110bd, Stride: 1}, {Lo: 0x110cd, Hi: 0x110cd, Stride: 1}, {Lo: 0x13430, Hi: 0x1343f, Stride: 1},
}}}

// TestHidden compares clean.Hidden with the tables of package unicode.
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
		// A string without hidden runes must not change.
		if text != s && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || clean.Hidden(r) }) {
			t.Errorf("Text(%q) = %q", s, text)
		}
	})
}

// TestName checks that the name of a process cannot be mistaken for a column, and can be parsed from a
// line.
func TestName(t *testing.T) {
	for name, want := range map[string]string{
		"nginx": "nginx", "kworker/0:1": "kworker/0:1", "Web Content": `Web\x20Content`, "sshd[1]  c1 sys": `sshd\x5b1\x5d\x20\x20c1\x20sys`,
		"~nginx": `\x7enginx`, "?": `\x3f`, "a~b?": "a~b?", "-": `\x2d`, "+++": `\x2b++`, "\x1b[2J\n": `\x1b\x5b2J\n`, `a\x20b`: `a\\x20b`, "": "", "ü": "ü",
		"(sd-pam)": `\x28sd-pam\x29`,
	} {
		if got := clean.Name(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"sshd[1]  c1 sys", "\x1b[2J", "~?", `\x20`, "\xff ["} {
		f.Add(s, uint32(42))
	}
	f.Fuzz(func(t *testing.T, name string, pid uint32) {
		line := string(clean.AppendName([]byte("   0.001 "), name)) + fmt.Sprintf("[%d]  c1 sys  close(3) = 0", pid)
		fields := strings.Fields(line)
		want := clean.Name(name) + fmt.Sprintf("[%d]", pid)
		if len(fields) != 7 || fields[1] != want || fields[2] != "c1" {
			t.Fatalf("%q makes of a line %q", name, fields)
		}
		shown, rest, _ := strings.Cut(fields[1], "[")
		if rest != fmt.Sprintf("%d]", pid) || unescape(shown) != name {
			t.Fatalf("%q is shown as %q, and not read back", name, fields[1])
		}
	})
}

// unescape reverses AppendName.
func unescape(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		digits := 0
		switch i++; s[i] {
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case 'x':
			digits = 2
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		default:
			b = append(b, s[i])
		}
		if digits == 0 {
			continue
		}
		n, _ := strconv.ParseUint(s[i+1:i+1+digits], 16, 32)
		if i += digits; digits == 2 {
			b = append(b, byte(n))
		} else {
			b = utf8.AppendRune(b, rune(n))
		}
	}
	return string(b)
}
