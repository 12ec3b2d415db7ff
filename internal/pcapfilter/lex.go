package pcapfilter

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

type kind uint8

const (
	end     kind = iota
	number       // 80, 0x50, 0120, tcp-syn
	word         // a name, or a range of ports
	keyword      // a reserved word or an operator
	quad         // 10.1, 10.1.2, 10.1.2.3; the values of its parts are not checked
	addr6        // 2001:db8::1
	ether        // 0:1:2:3:4:5
)

// token is a token of an expression.
type token struct {
	kind kind
	off  int    // offset in the expression, in bytes
	text string // as written in the expression; empty at its end
	id   string // keyword: canonical spelling; word: text without its backslash
	num  uint32
	addr netip.Addr
}

func (t *token) fail(reason string) error {
	return &SyntaxError{t.off, t.text, reason}
}

// unexpected is like fail, with a hint if the token is a keyword in upper case.
func (t *token) unexpected(reason string) error {
	if t.kind == word && keywords[spelling(strings.ToLower(t.text))] {
		reason = "keywords are in lower case"
	}
	return t.fail(reason)
}

// is reports whether the token is one of these keywords.
func (t *token) is(ids ...string) bool {
	if t.kind != keyword {
		return false
	}
	for _, id := range ids {
		if t.id == id {
			return true
		}
	}
	return false
}

var (
	numberText = regexp.MustCompile(`^(0[xX][0-9a-fA-F]+|[0-9]+)$`)
	quadText   = regexp.MustCompile(`^(0[xX][0-9a-fA-F]+|[0-9]+)(\.(0[xX][0-9a-fA-F]+|[0-9]+)){1,3}$`)
	etherText  = regexp.MustCompile(`^([0-9a-fA-F]{1,2}([:.-][0-9a-fA-F]{1,2}){5}|[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4})$`)
)

// signs are the operators, longer ones before their prefixes.
var signs = []string{
	"&&", "||", "!=", "==", "<=", ">=", "<<", ">>",
	"!", "=", "<", ">", "+", "-", "*", "/", "%", "&", "|", "^", "(", ")", "[", "]", ":",
}

// sameAs are the spellings of a keyword that has several.
var sameAs = map[string]string{
	"&&": "and", "||": "or", "!": "not", "==": "=", "length": "len",
	"es-is": "esis", "is-is": "isis",
}

// lex splits an expression into tokens. The last one has kind end.
func lex(expr string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(expr); {
		if strings.IndexByte(" \t\r\n", expr[i]) >= 0 {
			i++
			continue
		}
		t, err := next(expr, i)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		i += len(t.text)
	}
	return append(tokens, token{off: len(expr)}), nil
}

func next(expr string, off int) (token, error) {
	rest := expr[off:]
	t := token{off: off}
	if rest[0] == '\\' {
		t.text = rest
		if n := strings.IndexAny(rest, " !()\n\t"); n >= 0 {
			t.text = rest[:n]
		}
		if t.id = t.text[1:]; t.id == "" {
			return t, t.fail("expected a name after the backslash")
		}
		t.kind = word
		return t, nil
	}
	if t.text = colons(rest); t.text != "" {
		return t.address()
	}
	if t.text = name(rest); t.text != "" {
		return t.word()
	}
	for _, s := range signs {
		if strings.HasPrefix(rest, s) {
			t.kind, t.text, t.id = keyword, s, spelling(s)
			return t, nil
		}
	}
	for n := range rest { // up to the next character
		if n > 0 {
			rest = rest[:n]
			break
		}
	}
	t.text = rest
	return t, t.fail("invalid character")
}

func spelling(s string) string {
	if only, ok := sameAs[s]; ok {
		return only
	}
	return s
}

// colons returns the address with colons at the start of s. A single colon is not an address: ip[0:2].
func colons(s string) string {
	n := 0
	for n < len(s) && (isHex(s[n]) || s[n] == ':' || s[n] == '.') {
		n++
	}
	s = strings.TrimRight(s[:n], ".")
	if strings.Count(s, ":") < 2 {
		return ""
	}
	return s
}

// name returns the word or number at the start of s. It does not end in a dash, so that "len- 5" is a
// difference; "len-5" is a word.
func name(s string) string {
	n := 0
	for n < len(s) && (isAlnum(s[n]) || n > 0 && strings.IndexByte("-_.", s[n]) >= 0) {
		n++
	}
	return strings.TrimRight(s[:n], "-_")
}

func isHex(c byte) bool {
	return c-'0' < 10 || c|0x20-'a' < 6
}

func isAlnum(c byte) bool {
	return c-'0' < 10 || c|0x20-'a' < 26
}

func (t token) address() (token, error) {
	a, err := netip.ParseAddr(t.text)
	switch {
	case err == nil:
		t.kind, t.addr = addr6, a
	case etherText.MatchString(t.text):
		t.kind = ether
	default:
		return t, t.fail("not an IPv6 address")
	}
	return t, nil
}

func (t token) word() (token, error) {
	if v, ok := constants[t.text]; ok {
		t.kind, t.num = number, v
		return t, nil
	}
	switch {
	case numberText.MatchString(t.text):
		return t.number()
	case etherText.MatchString(t.text):
		t.kind = ether
	case quadText.MatchString(t.text):
		t.kind = quad
	case keywords[spelling(t.text)]:
		t.kind, t.id = keyword, spelling(t.text)
	default:
		t.kind, t.id = word, t.text
	}
	return t, nil
}

// number parses a number in C syntax.
func (t token) number() (token, error) {
	digits, base := t.text, 10
	if len(digits) > 1 && digits[0] == '0' {
		digits, base = digits[1:], 8
		if digits[0]|0x20 == 'x' {
			digits, base = digits[1:], 16
		}
	}
	v, err := strconv.ParseUint(digits, base, 32)
	switch {
	case err == nil:
		t.kind, t.num = number, uint32(v)
		return t, nil
	case strings.ContainsAny(digits, "89") && base == 8:
		return t, t.fail("a number that begins with 0 is octal")
	}
	return t, t.fail("the number has more than 32 bits")
}
