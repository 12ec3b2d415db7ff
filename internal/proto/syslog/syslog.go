// Package syslog reads syslog in the formats of RFC 5424 and RFC 3164, on datagrams (RFC 5426) and on streams (RFC 6587), to
// servers and to /dev/log; and the native protocol of systemd's journal
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).
package syslog

import (
	"bytes"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/tail"
)

// Protocol is syslog.
var Protocol = &proto.Protocol{
	Name: "syslog", Title: "syslog",
	Ports:  []uint16{514, 601, 1514, 6514},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   keys,
}

// The names are those of the Elastic Common Schema, as OpenTelemetry has none.
var (
	keyFacility = &event.Key{Name: "log.syslog.facility.name", Form: event.FormQuiet}
	keySeverity = &event.Key{Name: "log.syslog.severity.name", Form: event.FormQuiet}
	keyHost     = &event.Key{Name: "log.syslog.hostname", Form: event.FormQuiet}
	keyApp      = &event.Key{Name: "log.syslog.appname", Form: event.FormQuiet}
	keyPID      = &event.Key{Name: "log.syslog.procid", Form: event.FormQuiet}
	keyID       = &event.Key{Name: "log.syslog.msgid", Form: event.FormQuiet}
	keyText     = &event.Key{Name: "log.syslog.message"}
)

var keys = []*event.Key{keyFacility, keySeverity, keyHost, keyApp, keyPID, keyID, keyText}

const (
	// maxHead is how much of a message is read, maxText how much of its text is shown, maxWord of its other parts.
	maxHead = 4 << 10
	maxText = 200
	maxWord = 64
	// maxCount is the number of digits before a message on a stream.
	maxCount = 6
	devLog   = "/dev/log"
	journald = "/run/systemd/journal/dev-log"
)

var facilities = [...]string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

var severities = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if len(b) == 0 {
		return proto.No
	}
	if h.Stream {
		if n, size := count(b); n > 0 {
			b = b[size:]
		} else if n == 0 {
			return waitOn(h)
		}
	}
	_, rest, whole := priority(b)
	switch {
	case !whole && rest == nil:
		return proto.No
	case !whole && h.Stream:
		return waitOn(h)
	case !whole:
		return proto.No
	case h.Path == devLog || h.Path == journald, begins(rest):
		return proto.Sure
	case h.Stream && len(rest) < len("Mmm dd hh:mm:ss "):
		return waitOn(h)
	}
	return proto.Maybe
}

// waitOn waits for more bytes until the other end, which never answers, has sent something.
func waitOn(h *proto.Hint) proto.Verdict {
	if h.Turned() || h.Last {
		return proto.No
	}
	return proto.Wait
}

// count reads the length before a message on a stream, and the blank after it. n is -1 if there is none, 0 if it is not complete.
func count(b []byte) (n, size int) {
	for i, c := range b {
		switch {
		case c == ' ' && i > 0:
			return n, i + 1
		case c < '0' || c > '9', i == 0 && c == '0', i == maxCount:
			return -1, 0
		}
		n = n*10 + int(c-'0')
	}
	return 0, 0
}

// priority reads the number in angle brackets at the beginning of a message. Without its end, rest is nil if it is none.
func priority(b []byte) (n int, rest []byte, whole bool) {
	const most = 191 // local7.debug
	if len(b) == 0 {
		return 0, b, false
	}
	if b[0] != '<' {
		return 0, nil, false
	}
	for i, c := range b[1:] {
		switch {
		case c == '>' && i > 0:
			return n, b[i+2:], true
		case c < '0' || c > '9', i > 0 && n == 0:
			return 0, nil, false
		}
		if n = n*10 + int(c-'0'); n > most {
			return 0, nil, false
		}
	}
	return 0, b, false
}

// begins reports whether what follows the priority is of RFC 5424, or a time as in RFC 3164.
func begins(b []byte) bool { return isNew(b) || stamp(b) > 0 }

// isNew reports whether there is the version of RFC 5424, and a time.
func isNew(b []byte) bool {
	b, ok := bytes.CutPrefix(b, []byte("1 "))
	if !ok || len(b) < 2 {
		return false
	}
	return b[0] == '-' && b[1] == ' ' || len(b) > 10 && digits(b[:4]) && b[4] == '-' && digits(b[5:7]) && b[7] == '-' && digits(b[8:10]) && b[10] == 'T'
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// stamp returns the size of a time "Jan  2 15:04:05 ", 0 if there is none.
func stamp(b []byte) int {
	const size = 16
	if len(b) < size || b[3] != ' ' || b[6] != ' ' || b[9] != ':' || b[12] != ':' || b[15] != ' ' {
		return 0
	}
	if bytes.Index([]byte("JanFebMarAprMayJunJulAugSepOctNovDec"), b[:3])%3 != 0 {
		return 0
	}
	if b[4] != ' ' && !digits(b[4:5]) || !digits(b[5:6]) || !digits(b[7:9]) || !digits(b[10:12]) || !digits(b[13:15]) {
		return 0
	}
	return size
}

type parser struct {
	proto.Base
	half [2]half
}

// half is one direction of a stream.
type half struct {
	counted tail.Tail  // a message after its length
	lines   tail.Split // others
}

func (p *parser) Held() int {
	n := 64
	for i := range p.half {
		n += p.half[i].counted.Held() + p.half[i].lines.Held()
	}
	return n
}

func (p *parser) Packet(c *proto.Conv, d proto.Dir, b []byte, size int64) bool {
	m := message(c, d, b, int(size))
	if m != nil {
		c.Emit(m)
	}
	return m != nil
}

// ends are the bytes that end a message on a stream: syslog(3) writes a NUL.
const ends = "\n\x00"

// Read reads a message on a stream, after its length or up to its end.
func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	if h.lines.Busy() {
		return h.lines.Read(c, b, ends, maxHead, nil)
	}
	n, size := count(b)
	if n == 0 {
		return 0
	}
	if n > 0 {
		known := min(n, maxHead)
		if len(b) < size+known {
			return 0
		}
		m := message(c, d, b[size:size+known], size+n)
		if m == nil {
			c.Fail("not a message of syslog")
			return 0
		}
		h.counted.Answer(c, d, m, proto.Exchange{}, int64(n-known))
		return size + known
	}
	failed := false
	size = h.lines.Read(c, b, ends, maxHead, func(line []byte, size int) (m *event.Message, x proto.Exchange) {
		m = message(c, d, line, size)
		failed = m == nil && len(bytes.TrimSpace(line)) > 0
		return m, x
	})
	if failed {
		c.Fail("not a message of syslog")
	}
	return size
}

func message(c *proto.Conv, d proto.Dir, b []byte, size int) *event.Message {
	if _, _, ok := priority(b); !ok {
		return nil
	}
	m := c.Message(event.MessageNotice, d)
	m.Bytes = int64(size)
	read(c, m, b)
	return m
}

func (p *parser) Skipped(c *proto.Conv, d proto.Dir) { p.half[d].counted.Skipped(c) }

// Lost goes on at the next line.
func (p *parser) Lost(c *proto.Conv, d proto.Dir, n int64) bool {
	p.half[d].lines.Lost(c, n)
	return true
}

func (p *parser) Ended(c *proto.Conv, d proto.Dir) {
	p.half[d].counted.Ended(c)
	p.half[d].lines.Ended(c)
}

// read reads a message with a priority, or its beginning.
func read(c *proto.Conv, m *event.Message, b []byte) {
	n, rest, _ := priority(b)
	facility, severity := facilities[n/8], severities[n%8]
	m.Text = facility + "." + severity
	m.Fields = append(c.Fields(7), event.Field{Key: keyFacility, Text: facility}, event.Field{Key: keySeverity, Text: severity})
	var host, app, pid, id []byte
	text := rest
	if isNew(rest) {
		word := func() (w []byte) {
			if w, text, _ = bytes.Cut(text, []byte(" ")); string(w) == "-" {
				return nil
			}
			return w
		}
		word() // version
		word() // time
		host, app, pid, id = word(), word(), word(), word()
		text = bytes.TrimPrefix(after(text), []byte("\ufeff"))
	} else {
		host, app, pid, text = old(rest)
	}
	if len(app) > 0 {
		m.Text += " " + proto.Text(cut(app, maxWord))
	}
	m.Group = m.Text
	if len(pid) > 0 {
		m.Text += "[" + proto.Text(cut(pid, maxWord)) + "]"
	}
	for _, f := range [...]struct {
		key *event.Key
		b   []byte
	}{{keyHost, host}, {keyApp, app}, {keyPID, pid}, {keyID, id}} {
		if len(f.b) > 0 {
			m.Fields = append(m.Fields, event.Field{Key: f.key, Text: proto.Text(cut(f.b, maxWord))})
		}
	}
	if s := shown(text); s != "" {
		m.Fields = append(m.Fields, event.Field{Key: keyText, Text: s})
	}
}

func cut(b []byte, most int) []byte { return b[:min(len(b), most)] }

// shown returns the beginning of a text.
func shown(b []byte) string {
	b = bytes.TrimRight(b, "\r\n\x00 ")
	if len(b) > maxText {
		return string(b[:maxText]) + "..."
	}
	return proto.Text(b)
}

// after returns what follows the structured data of RFC 5424.
func after(b []byte) []byte {
	if rest, ok := bytes.CutPrefix(b, []byte("-")); ok {
		return bytes.TrimPrefix(rest, []byte(" "))
	}
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\' && quoted:
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == ']' && !quoted && (i+1 == len(b) || b[i+1] != '['):
			return bytes.TrimPrefix(b[i+1:], []byte(" "))
		}
	}
	return nil
}

// old reads a message of RFC 3164 after its priority: the time, the host that only relays write, and the program.
func old(b []byte) (host, app, pid, text []byte) {
	if n := stamp(b); n > 0 {
		b = b[n:]
	} else if w, rest, ok := bytes.Cut(b, []byte(" ")); ok && len(w) > 10 && digits(w[:4]) && w[4] == '-' && w[10] == 'T' {
		b = rest // with the time of RFC 5424, as rsyslog writes it
	}
	app, pid, text = tag(b)
	if app != nil {
		return nil, app, pid, text
	}
	if w, rest, ok := bytes.Cut(b, []byte(" ")); ok {
		if app, pid, text = tag(rest); app != nil {
			return w, app, pid, text
		}
	}
	return nil, nil, nil, b
}

// tag reads "PROGRAM[PID]: " or "PROGRAM: "; app is nil if there is none.
func tag(b []byte) (app, pid, text []byte) {
	i := bytes.IndexAny(b, " :[")
	if i <= 0 || b[i] == ' ' {
		return nil, nil, b
	}
	app, rest := b[:i], b[i:]
	if rest[0] == '[' {
		j := bytes.IndexByte(rest, ']')
		if j < 0 {
			return nil, nil, b
		}
		pid, rest = rest[1:j], rest[j+1:]
	}
	rest, ok := bytes.CutPrefix(rest, []byte(":"))
	if !ok || len(rest) > 0 && rest[0] != ' ' {
		return nil, nil, b
	}
	return app, pid, bytes.TrimPrefix(rest, []byte(" "))
}

// number reads a decimal number of a field.
func number(b []byte) (int, bool) {
	n, err := strconv.Atoi(string(cut(b, maxCount)))
	return n, err == nil && n >= 0
}
