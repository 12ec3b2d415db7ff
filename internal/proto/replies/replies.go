// Package replies reads the lines of protocols whose servers answer with three digits and a text: SMTP (RFC 5321) and FTP (RFC 959).
package replies

import (
	"bytes"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

const (
	// MaxLine bounds lines; longer ones are not of these protocols.
	MaxLine = 8 << 10
	// maxText bounds the text that is shown of a reply.
	maxText = 200
)

// Line returns the first line of b without its end, and its size with it; 0 if it is not complete.
func Line(b []byte) (line []byte, size int) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, 0
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), i + 1
}

// Code reads the beginning of a reply's line, and reports whether others follow.
func Code(line []byte) (code int, text []byte, more, ok bool) {
	if len(line) < 3 || line[0] < '1' || line[0] > '6' {
		return 0, nil, false, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, nil, false, false
		}
		code = code*10 + int(c-'0')
	}
	if len(line) == 3 {
		return code, nil, false, true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, nil, false, false
	}
	return code, line[4:], line[3] == '-', true
}

// Verb returns the first word of a command in upper case, and what follows it. It is empty if it is not a word.
func Verb(line []byte) (verb string, rest []byte) {
	const most = 12
	word, rest, _ := bytes.Cut(line, []byte(" "))
	if len(word) == 0 || len(word) > most {
		return "", nil
	}
	for _, c := range word {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return "", nil
		}
	}
	return strings.ToUpper(proto.Text(word)), bytes.TrimSpace(rest)
}

// Reply collects the lines of a reply. The zero Reply has none.
type Reply struct {
	Code  int
	Text  string // of its first line
	begun bool
	at    proto.At
	begin int64
	bytes int64
}

// Add adds a line, and reports whether the reply is complete with it, and whether it is one at all.
func (r *Reply) Add(c *proto.Conv, line []byte, size int) (whole, ok bool) {
	code, text, more, ok := Code(line)
	if !r.begun {
		if !ok {
			return false, false
		}
		*r = Reply{Code: code, Text: string(text[:min(len(text), maxText)]), begun: true, at: c.Here()}
		r.begin, _ = c.Times()
		r.bytes = int64(size)
		return !more, true
	}
	r.bytes += int64(size)
	// Between the first and the last line of FTP there can be any text.
	return ok && !more && code == r.Code, true
}

// Message returns the reply as a message; the caller emits it at the place that is returned.
func (r *Reply) Message(c *proto.Conv, d proto.Dir) (*event.Message, proto.At) {
	m := c.Message(event.MessageAnswer, d)
	m.Begin, m.Bytes = r.begin, r.bytes
	number := string([]byte{byte('0' + r.Code/100), byte('0' + r.Code/10%10), byte('0' + r.Code%10)})
	m.Text = strings.TrimSpace(number + " " + r.Text)
	if r.Code >= 400 {
		m.Error = number
	}
	r.begun = false
	return m, r.at
}

// Held is the memory of what is kept.
func (r *Reply) Held() int { return 120 + len(r.Text) }

// Begins says whether b begins with the greeting of a server: 220 and a text. Once its first line is complete, it is returned.
func Begins(b []byte) (proto.Verdict, []byte) {
	const greeting = "220"
	n := min(len(b), len(greeting))
	if string(b[:n]) != greeting[:n] || len(b) > n && b[n] != ' ' && b[n] != '-' {
		return proto.No, nil
	}
	line, size := Line(b)
	switch {
	case size == 0 && len(b) > 1<<10:
		return proto.No, nil
	case size == 0:
		return proto.Wait, nil
	}
	return proto.Maybe, line
}

// Has reports whether b has a word in it, in any case.
func Has(b []byte, word string) bool {
	return bytes.Contains(bytes.ToLower(b), []byte(word))
}
