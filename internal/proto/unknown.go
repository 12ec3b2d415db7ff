package proto

import (
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// Unknown is the name of what no protocol recognizes, as in -e msg=.
const Unknown = "unknown"

// unknown is the protocol of connections that no other one recognizes. Its messages are the turns of a connection:
// all that one end sends until the other one does.
var unknown = &Protocol{
	Name: Unknown, Title: "?",
	Detect: func(*Hint) Verdict { return No },
	New:    func(*Conv) Parser { return &turns{} },
	Keys:   []*event.Key{keyContent, keySize, keyLike},
}

var (
	keyContent = &event.Key{Name: "pidwire.content"}
	keySize    = &event.Key{Name: "pidwire.size", Form: event.FormBytes}
	keyLike    = &event.Key{Name: "pidwire.looks_like", Form: event.FormQuiet}
)

// turns reads turns.
type turns struct {
	Base
	dir        Dir
	size       int64
	binary     bool
	like       string // the protocol that its first bytes look like; static, empty: none
	lost       bool   // nothing of it is known
	at         At
	begin, end int64
	off        int64    // of its first byte in the stream; -1: not known
	headed     bool     // its beginning has been emitted
	head       uint64   // with this exchange
	asked      Exchange // of the last turn of the end that began
}

func (t *turns) Read(c *Conv, d Dir, b []byte) int {
	t.turned(c, d) // what has waited in both directions is read one direction after the other
	t.look(b)
	t.add(c, d, int64(len(b)))
	return len(b)
}

// look notes whether the beginning of a turn is text.
func (t *turns) look(b []byte) {
	const most = 1024
	if t.size == 0 {
		t.like = Like(b)
	}
	if !t.binary && t.size < most {
		t.binary = !isText(b[:min(int64(len(b)), most-t.size)])
	}
}

// begins are texts that messages of protocols begin with, of at most the bytes of CONNECT and a space.
var begins = []struct{ text, proto string }{
	{"HTTP/1.", "http"}, {"GET ", "http"}, {"POST ", "http"}, {"HEAD ", "http"}, {"PUT ", "http"}, {"CONNECT ", "http"},
	{"SSH-", "ssh"}, {"220 ", "smtp"}, {"220-", "smtp"}, {"EHLO ", "smtp"}, {"HELO ", "smtp"}, {"* OK", "imap"}, {"+OK ", "pop3"}, {"RFB 0", "vnc"},
	{"-ERR ", "redis"}, {"AMQP\x00", "amqp"},
}

// Like returns the protocol of which bytes look like the beginning of a message; empty if it knows none. It is for connections
// that as a whole are of no protocol: a peer that speaks another one than this end.
func Like(b []byte) string {
	if len(b) > 4 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 3 && b[2] <= 4 { // alert or handshake, RFC 8446, 5.1
		return "tls"
	}
	head := string(b[:min(len(b), len("CONNECT "))])
	for i := range begins {
		if strings.HasPrefix(head, begins[i].text) {
			return begins[i].proto
		}
	}
	return ""
}

func (t *turns) add(c *Conv, d Dir, n int64) {
	first, last := c.Times()
	t.turned(c, d)
	if t.size == 0 {
		t.dir, t.at, t.begin, t.off = d, c.Here(), first, c.stage.unit.off
		if d != c.first {
			c.Began(&t.asked)
		}
		c.Later()
	}
	t.size += n
	t.end = max(last, t.begin)
}

func (t *turns) Lost(c *Conv, d Dir, n int64) bool {
	t.turned(c, d)
	t.lost = t.lost || t.size == 0
	t.add(c, d, n)
	return true
}

func (t *turns) Packet(c *Conv, d Dir, b []byte, size int64) bool {
	t.turned(c, d)
	t.look(b)
	t.add(c, d, size)
	return true
}

func (t *turns) turned(c *Conv, d Dir) {
	if t.size > 0 && d != t.dir {
		t.flush(c, false)
	}
}

func (t *turns) Pause(c *Conv) {
	if t.size > 0 && !t.headed {
		t.flush(c, true)
	}
}

func (t *turns) Ended(c *Conv, d Dir) {
	if t.size > 0 && d == t.dir {
		t.flush(c, false)
	}
}

// flush emits the turn; with more, its beginning.
func (t *turns) flush(c *Conv, more bool) {
	m := c.Message(event.MessageRequest, t.dir)
	m.Begin, m.End, m.Bytes, m.Text = t.begin, t.end, t.size, unknown.Name
	content := "text"
	switch {
	case t.lost:
		content = "content not recorded"
	case t.binary:
		content = "binary"
	}
	m.Fields = append(c.Fields(3), event.Field{Key: keyContent, Text: content}, event.Field{Key: keySize, Num: t.size})
	if t.like != "" {
		m.Fields = append(m.Fields, event.Field{Key: keyLike, Text: t.like})
	}
	switch {
	case t.headed:
		m.Part, m.Exchange = event.Rest, t.head
		if t.dir != c.first {
			m.Kind = event.MessageAnswer
			c.Close(&t.asked, m)
		}
	case t.dir == c.first:
		m.Group = unknown.Name
		t.asked = c.Open(m)
		t.asked.first = t.off // it may have ended with the next turn
		if t.dir == In {
			t.asked.came = c.arrived(t.off)
		}
	default:
		m.Kind = event.MessageAnswer
		c.Close(&t.asked, m)
	}
	if more {
		m.Part = event.Head
	}
	c.EmitAt(m, t.at)
	if t.dir == c.first {
		c.Sent(&t.asked, t.end)
	}
	if more {
		t.head = m.Exchange
		t.headed = true
		return
	}
	*t = turns{asked: t.asked}
}
