// Package sqltext makes SQL fit for a line: blanks are folded, comments omitted, passwords replaced. It also says in a few words
// what a statement does. SQL may be cut anywhere, and of any dialect.
package sqltext

import (
	"bytes"
	"strings"

	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/mask"
)

const (
	// MaxText bounds the text of a statement.
	MaxText = 1 << 10
	// maxSummary bounds a summary.
	maxSummary = 80
)

// kind is what a token is.
type kind uint8

const (
	end   kind = iota
	word       // of letters and digits
	name       // in "" or ``
	text       // in '', or between $$
	other      // one character
)

// scanner splits SQL into tokens.
type scanner struct {
	b      []byte
	blank  bool // there were blanks or a comment before the token
	inside bool // in a comment that MySQL executes
}

func letter(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80 || c == '$'
}

// next returns the next token.
func (s *scanner) next() (kind, []byte) {
	s.blank = false
	for len(s.b) > 0 {
		switch c := s.b[0]; {
		case c <= ' ':
			s.b = s.b[1:]
		case c == '-' && len(s.b) > 1 && s.b[1] == '-':
			s.skip("\n", 2)
		case c == '/' && len(s.b) > 2 && s.b[1] == '*' && s.b[2] == '!':
			s.b = bytes.TrimLeft(s.b[3:], "0123456789")
			s.inside = true
		case c == '/' && len(s.b) > 1 && s.b[1] == '*':
			s.skip("*/", 2)
		case c == '*' && s.inside && len(s.b) > 1 && s.b[1] == '/':
			s.b = s.b[2:]
			s.inside = false
		default:
			return s.token()
		}
		s.blank = true
	}
	return end, nil
}

// skip omits what ends with a text, after n bytes.
func (s *scanner) skip(last string, n int) {
	if i := bytes.Index(s.b[n:], []byte(last)); i >= 0 {
		s.b = s.b[n+i+len(last):]
		return
	}
	s.b = nil
}

func (s *scanner) token() (kind, []byte) {
	c := s.b[0]
	n, k := 1, other
	switch {
	case c == '\'':
		n, k = quoted(s.b), text
	case c == '"' || c == '`':
		n, k = quoted(s.b), name
	case c == '$':
		if n = dollars(s.b); n > 0 {
			k = text
			break
		}
		n, k = 1, word
		for n < len(s.b) && letter(s.b[n]) {
			n++
		}
	case letter(c):
		k = word
		for n < len(s.b) && letter(s.b[n]) {
			n++
		}
		if n == 1 && len(s.b) > 1 && s.b[1] == '\'' { // E'', N'', x''
			n, k = 1+quoted(s.b[1:]), text
		}
	}
	t := s.b[:n]
	s.b = s.b[n:]
	return k, t
}

// quoted returns the length of a text with its quotes. A quote in it is doubled, or has a backslash before it.
func quoted(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] == '\\' && b[0] != '`':
			i++
		case b[i] == b[0] && i+1 < len(b) && b[i+1] == b[0]:
			i++
		case b[i] == b[0]:
			return i + 1
		}
	}
	return len(b)
}

// dollars returns the length of a text between $$ or $tag$; 0 if it is none.
func dollars(b []byte) int {
	i := 1
	for i < len(b) && b[i] != '$' {
		if !letter(b[i]) || i == 1 && b[i] >= '0' && b[i] <= '9' {
			return 0
		}
		i++
	}
	if i == len(b) {
		return 0
	}
	tag := b[:i+1]
	if j := bytes.Index(b[i+1:], tag); j >= 0 {
		return i + 1 + j + len(tag)
	}
	return len(b)
}

// secrets are parts of words after which texts are secrets.
var secrets = []string{"passw", "passphrase", "pwd", "secret", "token", "identified", "credential", "apikey", "api_key", "private_key", "privatekey"}

// suspicious reports whether a word, or a text, has the name of a secret in it.
func suspicious(b []byte) bool {
	if len(b) < 3 {
		return false
	}
	low := strings.ToLower(proto.Text(b))
	for _, w := range secrets {
		if strings.Contains(low, w) {
			return true
		}
	}
	return false
}

// Fold appends a statement to dst, as far as there is room. If hide is set, all texts after a word such as PASSWORD or IDENTIFIED, and those
// that look like a secret, are ***.
func Fold(dst, sql []byte, hide bool) []byte {
	s := scanner{b: sql}
	first, armed := len(dst), false
	for {
		k, t := s.next()
		if k == end {
			return dst
		}
		if s.blank && len(dst) > first {
			dst = append(dst, ' ')
		}
		switch {
		case k == other && t[0] == ';':
			armed = false
		case k == word || k == name && !armed:
			armed = armed || suspicious(t)
		case k == text || k == name:
			if hide && (armed || suspicious(t) || mask.Token(proto.Text(bytes.Trim(t, "'\"")))) {
				t = []byte("'***'")
			}
		}
		if room := MaxText - (len(dst) - first); len(t) > room {
			dst = append(dst, t[:max(room, 0)]...)
			return append(dst, "..."...)
		}
		dst = append(dst, t...)
	}
}

// upper returns a word in upper case, if it is one that can matter.
func upper(b []byte) string {
	if len(b) > 16 {
		return ""
	}
	return strings.ToUpper(proto.Text(b))
}

// between are words between what a statement does and its object.
var between = map[string]bool{
	"OR": true, "REPLACE": true, "TEMP": true, "TEMPORARY": true, "UNIQUE": true, "GLOBAL": true, "LOCAL": true, "UNLOGGED": true, "IF": true, "NOT": true,
	"EXISTS": true, "CONCURRENTLY": true, "ONLY": true, "IGNORE": true, "INTO": true, "LOW_PRIORITY": true, "HIGH_PRIORITY": true, "DELAYED": true, "QUICK": true, "FULLTEXT": true,
	"MATERIALIZED": true, "FOREIGN": true, "SESSION": true, "OVERWRITE": true, "TABLE": true,
}

// Summary returns what a statement does and to what: "SELECT orders". It is db.query.summary.
func Summary(sql []byte) (operation, summary string) {
	s := scanner{b: sql}
	k, t := s.next()
	for k == other && t[0] == '(' {
		k, t = s.next()
	}
	if k != word {
		return "", ""
	}
	op := upper(t)
	if op == "WITH" {
		op = s.after()
	}
	object := ""
	switch op {
	case "SELECT":
		object = s.from()
	case "DELETE":
		if k, t = s.next(); k == word && upper(t) == "FROM" {
			object = s.object(between)
		}
	case "INSERT", "UPDATE", "REPLACE", "MERGE", "TRUNCATE":
		object = s.object(between)
	case "COPY", "CALL", "EXECUTE", "PREPARE", "DEALLOCATE", "DECLARE", "FETCH", "CLOSE", "USE", "SHOW", "SET", "LISTEN", "UNLISTEN", "NOTIFY", "DESCRIBE", "DESC", "ANALYZE", "VACUUM",
		"RESET", "SAVEPOINT":
		object = s.object(nil)
	case "CREATE", "ALTER", "DROP", "LOCK":
		for k, t = s.next(); k == word && between[upper(t)] && upper(t) != "TABLE"; k, t = s.next() {
		}
		if k == word {
			op += " " + upper(t)
			object = s.object(between)
		}
	}
	operation, _, _ = strings.Cut(op, " ")
	if object != "" {
		op += " " + object
	}
	return strings.Clone(operation), strings.Clone(op)
}

// after passes the queries of WITH, and returns what the statement does.
func (s *scanner) after() string {
	depth := 0
	for {
		k, t := s.next()
		switch {
		case k == end:
			return "WITH"
		case k == other && t[0] == '(':
			depth++
		case k == other && t[0] == ')':
			depth--
		case k == word && depth == 0:
			switch op := upper(t); op {
			case "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE":
				return op
			}
		}
	}
}

// from returns the first table of a SELECT, also if it is in a query in brackets.
func (s *scanner) from() string {
	depth := 0
	for {
		k, t := s.next()
		switch {
		case k == end:
			return ""
		case k == other && t[0] == '(':
			depth++
		case k == other && t[0] == ')':
			depth--
		case k == word && depth == 0 && upper(t) == "FROM":
			before := *s
			if k, t = s.next(); k == other && t[0] == '(' {
				continue // The next FROM at this level of brackets is that of the inner query.
			}
			*s = before
			return s.object(between)
		}
	}
}

// object returns the next name, with its schema.
func (s *scanner) object(skip map[string]bool) string {
	k, t := s.next()
	for k == word && skip[upper(t)] {
		k, t = s.next()
	}
	if k != word && k != name {
		return ""
	}
	var b strings.Builder
	for b.Len()+len(t) < maxSummary {
		b.Write(bytes.Trim(t, "\"`"))
		if len(s.b) < 2 || s.b[0] != '.' {
			break
		}
		b.WriteByte('.')
		s.b = s.b[1:]
		if k, t = s.next(); k != word && k != name {
			break
		}
	}
	return b.String()
}
