// Package varlink reads Varlink (https://varlink.org/Service), by which programs call services of systemd: the resolver, the
// databases of users, and others. Of parameters only the names are shown.
package varlink

import (
	"bytes"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/keys"
	"github.com/pidwire/pidwire/internal/proto/tail"
)

// Protocol is Varlink.
var Protocol = &proto.Protocol{
	Name: "varlink", Title: "Varlink",
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keys.RPCSystem, keys.RPCService, keys.RPCMethod, keyParameter, keyMore, keyOneway, keyContinues, keySize},
}

var (
	keyParameter = &event.Key{Name: "varlink.parameters", Many: true}
	keyMore      = &event.Key{Name: "varlink.more", Label: "more", Form: event.FormBool}
	keyOneway    = &event.Key{Name: "varlink.oneway", Label: "oneway", Form: event.FormBool}
	keyContinues = &event.Key{Name: "varlink.continues", Label: "continues", Form: event.FormBool}
	keySize      = &event.Key{Name: "varlink.size", Form: event.FormBytes}
)

const (
	// maxHead is how much of a message is read.
	maxHead = 4 << 10
	// maxKeys bounds the names of parameters that a message shows, maxKey their length, maxName that of a method.
	maxKeys = 16
	maxKey  = 64
	maxName = 200
)

// detect accepts an object with the members of a call; if the beginning was not recorded, also with those of a reply.
func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 || b[0] != '{' {
		return proto.No
	}
	msg, _, whole := bytes.Cut(b, []byte{0})
	o, state := parse(msg)
	call := o.method != nil && isMethod(o.method)
	switch {
	case state == bad, o.method != nil && !call:
		return proto.No
	case whole && state == complete && (call || !h.Start && o.any):
		return proto.Sure
	case whole:
		return proto.No
	case call && o.parameters && (h.Last || len(b) >= maxHead):
		return proto.Sure
	case h.Turned() || h.Last || state == complete && len(b) > len(msg):
		return proto.No
	}
	return proto.Wait
}

// isMethod reports whether b is the name of an interface with at least one dot, and of a method.
func isMethod(b []byte) bool {
	i := bytes.LastIndexByte(b, '.')
	if i <= 0 || len(b) > maxName || i+1 == len(b) || b[i+1] < 'A' || b[i+1] > 'Z' || bytes.IndexByte(b[:i], '.') <= 0 {
		return false
	}
	for _, c := range b {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && c != '.' && c != '-' {
				return false
			}
		}
	}
	return true
}

type parser struct {
	proto.Base
	half  [2]tail.Split
	asked proto.Queue
	lost  bool // bytes are missing: replies, which have no number, may be those of other calls
}

func (p *parser) Held() int {
	return 64 + p.half[0].Held() + p.half[1].Held() + p.asked.Held()
}

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	failed, upgraded := false, false
	n := p.half[d].Read(c, b, "\x00", maxHead, func(b []byte, size int) (m *event.Message, x proto.Exchange) {
		o, state := parse(b)
		if failed = state == bad || o.method != nil && !isMethod(o.method); failed {
			return nil, x
		}
		m = c.Message(event.MessageNotice, d)
		m.Bytes = int64(size)
		m.Fields = c.Fields(6 + maxKeys)
		if state == complete {
			m.Fields = append(m.Fields, event.Field{Key: keySize, Num: m.Bytes})
		}
		for _, k := range o.keys {
			m.Fields = append(m.Fields, event.Field{Key: keyParameter, Text: proto.Text(k)})
		}
		if o.method != nil {
			p.call(c, m, &o)
			return m, x
		}
		if o.more || o.oneway || o.upgrade {
			failed = true // a call without a method
			return nil, x
		}
		x, upgraded = p.reply(m, &o, state)
		return m, x
	})
	switch {
	case failed:
		c.Fail("not a message of Varlink")
	case upgraded:
		c.Switch(nil)
	}
	return n
}

// Kinds of calls.
const (
	upgrades = 1 + iota // another protocol follows the reply
	several             // there may be more replies than one
)

func (p *parser) call(c *proto.Conv, m *event.Message, o *object) {
	m.Text = proto.Text(o.method)
	i := bytes.LastIndexByte(o.method, '.')
	m.Fields = append(m.Fields, event.Field{Key: keys.RPCSystem, Text: "varlink"},
		event.Field{Key: keys.RPCService, Text: m.Text[:i]}, event.Field{Key: keys.RPCMethod, Text: m.Text[i+1:]})
	if o.more {
		m.Fields = append(m.Fields, event.Field{Key: keyMore, Num: 1})
	}
	if o.oneway {
		m.Fields = append(m.Fields, event.Field{Key: keyOneway, Num: 1})
		return
	}
	m.Kind, m.Group = event.MessageRequest, m.Text
	x := c.Open(m)
	switch {
	case o.upgrade:
		x.Kind = upgrades
	case o.more:
		x.Kind = several
	}
	p.asked.Push(x)
}

// reply reads a reply; one that says that others follow does not end the exchange.
func (p *parser) reply(m *event.Message, o *object, state state) (x proto.Exchange, upgraded bool) {
	m.Kind, m.Text = event.MessageAnswer, "reply"
	if len(o.failure) > 0 {
		m.Error = string(o.failure[:min(len(o.failure), maxName)])
		m.Text = "error " + m.Error
	}
	if first := p.asked.First(); state != complete && first != nil && first.Kind == several {
		// Whether others follow is said at its end.
		m.Unsure = "it is too long to be read to its end"
		m.Exchange, m.Group = first.ID, first.Group
		p.asked.Clear()
		return x, false
	}
	if o.continues {
		m.Kind = event.MessageNotice
		m.Fields = append(m.Fields, event.Field{Key: keyContinues, Num: 1})
		if x := p.asked.First(); x != nil {
			m.Exchange, m.Group = x.ID, x.Group
		}
		return x, false
	}
	if x = p.asked.Pop(); p.lost && x.Known() {
		m.Unsure = "an earlier message was not recorded"
	}
	return x, x.Kind == upgrades && m.Error == ""
}

// Lost goes on at the next message. What was asked before is not known any more.
func (p *parser) Lost(c *proto.Conv, d proto.Dir, n int64) bool {
	p.half[d].Lost(c, n)
	p.asked.Clear()
	p.lost = true
	return true
}

func (p *parser) Ended(c *proto.Conv, d proto.Dir) { p.half[d].Ended(c) }
