// Package xmpp reads XMPP (RFC 6120): streams and their features, TLS and authentication, stanzas. Contents of
// messages and of authentication are not shown.
package xmpp

import (
	"bytes"
	"hash/fnv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Protocol is XMPP.
var Protocol = &proto.Protocol{
	Name: "xmpp", Title: "XMPP",
	Ports:  []uint16{5222, 5269},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyStanza, keyTo, keyFrom, keyType, keyID, keyFeature, keyMechanism, keyContent, keySize},
}

var (
	keyStanza    = &event.Key{Name: "xmpp.stanza", Form: event.FormQuiet}
	keyTo        = &event.Key{Name: "xmpp.to", Label: "to"}
	keyFrom      = &event.Key{Name: "xmpp.from", Label: "from"}
	keyType      = &event.Key{Name: "xmpp.type", Form: event.FormQuiet}
	keyID        = &event.Key{Name: "xmpp.id", Form: event.FormQuiet}
	keyFeature   = &event.Key{Name: "xmpp.features", Many: true}
	keyMechanism = &event.Key{Name: "xmpp.mechanism"}
	keySize      = &event.Key{Name: "xmpp.size", Form: event.FormBytes}
	keyContent   = &event.Key{Name: "xmpp.content", Form: event.FormQuiet}
)

func detect(h *proto.Hint) proto.Verdict {
	if !h.Stream {
		return proto.No
	}
	b := bytes.TrimLeft(h.Begin(), " \t\r\n")
	if bytes.HasPrefix(b, []byte("<?xml")) {
		i := bytes.Index(b, []byte("?>"))
		if i < 0 {
			return wait(len(b) < 256)
		}
		b = bytes.TrimLeft(b[i+2:], " \t\r\n")
	}
	const begin = "<stream:stream"
	n := min(len(b), len(begin))
	switch {
	case string(b[:n]) != begin[:n] && !(len(b) < 5 && strings.HasPrefix("<?xml", string(b))):
		return proto.No
	case n < len(begin):
		return proto.Wait
	}
	return proto.Sure
}

func wait(yes bool) proto.Verdict {
	if yes {
		return proto.Wait
	}
	return proto.No
}

// half is one direction.
type half struct {
	depth int            // of the element that contains what follows; 0: no stream
	m     *event.Message // the stanza that is read; nil between stanzas
	at    proto.At
	id    string
	word  string // type of the stanza
	child string // its first child's namespace or name
	text  bool   // the next text is the name of a mechanism
}

// maxFeatures bounds the features that a message shows.
const maxFeatures = 16

type parser struct {
	half    [2]half
	streams proto.Queue    // the stream headers without an answer
	auth    proto.Queue    // authentication, and TLS
	iqs     proto.Numbered // by a hash of their id
	asker   proto.Dir      // the direction of the last one of them
	secure  bool           // TLS begins after the answer that was read
}

func (p *parser) Held() int {
	return 512 + p.streams.Held() + p.auth.Held() + p.iqs.Held()
}

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	if b[0] != '<' {
		i := bytes.IndexByte(b, '<')
		switch {
		case i < 0 && h.text:
			return 0
		case i < 0:
			i = len(b)
		case h.text && h.m != nil:
			p.mechanism(h, b[:i])
		}
		if h.depth == 0 && len(bytes.TrimSpace(b[:i])) > 0 {
			c.Fail("not XML")
			return 0
		}
		h.count(i)
		h.text = false
		return i
	}
	n := tagEnd(b)
	if n == 0 {
		return 0
	}
	h.text = false
	p.tag(c, d, b[:n])
	return n
}

func (h *half) count(n int) {
	if h.m != nil {
		h.m.Bytes += int64(n)
	}
}

func (p *parser) mechanism(h *half, b []byte) {
	if len(h.m.Fields) < maxFeatures {
		h.m.Fields = append(h.m.Fields, event.Field{Key: keyFeature, Text: string(b[:min(len(b), 40)])})
	}
}

// tagEnd returns the length of the tag, comment or instruction at the beginning of b; 0 if it is not complete.
func tagEnd(b []byte) int {
	for _, pair := range [...][2]string{{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}} {
		n := min(len(b), len(pair[0]))
		if string(b[:n]) != pair[0][:n] {
			continue
		}
		if n < len(pair[0]) && n > 1 {
			return 0
		}
		if n == len(pair[0]) {
			if i := bytes.Index(b[n:], []byte(pair[1])); i >= 0 {
				return n + i + len(pair[1])
			}
			return 0
		}
	}
	quote := byte(0)
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return 0
}

// element is a start tag.
type element struct {
	name  string
	attrs []byte
}

// attr returns the value of an attribute.
func (e *element) attr(name string) string {
	b := e.attrs
	for len(b) > 0 {
		b = bytes.TrimLeft(b, " \t\r\n")
		key, rest, ok := bytes.Cut(b, []byte("="))
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if !ok || len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
			return ""
		}
		i := bytes.IndexByte(rest[1:], rest[0])
		if i < 0 {
			return ""
		}
		if string(bytes.TrimSpace(key)) == name {
			return proto.Text(rest[1 : 1+i])
		}
		b = rest[i+2:]
	}
	return ""
}

func parseTag(b []byte) element {
	b = b[1:]
	i := bytes.IndexAny(b, " \t\r\n/>")
	if i < 0 {
		return element{name: proto.Text(b)}
	}
	return element{proto.Text(b[:i]), b[i:]}
}

func (p *parser) tag(c *proto.Conv, d proto.Dir, b []byte) {
	h := &p.half[d]
	switch {
	case b[1] == '?' || b[1] == '!':
		h.count(len(b))
		return
	case b[1] == '/':
		h.count(len(b))
		if h.depth--; h.depth < 0 {
			h.depth = 0
		}
		switch {
		case h.depth == 1 && h.m != nil:
			p.done(c, d, "")
		case h.depth == 0:
			m := c.Message(event.MessageNotice, d)
			m.Text, m.Bytes = "stream ends", int64(len(b))
			c.Emit(m)
		}
		return
	}
	e := parseTag(b)
	alone := b[len(b)-2] == '/'
	if h.depth == 0 && e.name != "stream:stream" && (c.Start() || h.m != nil) {
		c.Fail("not a stream of XMPP")
		return
	}
	p.open(c, d, &e)
	h.count(len(b))
	if alone {
		if h.depth == 1 && h.m != nil {
			p.done(c, d, "")
		}
		return
	}
	h.depth++
}

// open handles a start tag.
func (p *parser) open(c *proto.Conv, d proto.Dir, e *element) {
	h := &p.half[d]
	switch {
	case e.name == "stream:stream":
		h.depth = 0 // also after authentication, when a stream begins again
		p.stream(c, d, e, int64(len(e.name)+len(e.attrs)+1))
	case h.depth <= 1:
		h.depth = 1
		h.m = c.Message(event.MessageNotice, d)
		h.m.Text = strings.Clone(e.name)
		h.m.Fields = make([]event.Field, 0, 8)
		h.at, h.child = c.Here(), ""
		h.id, h.word = strings.Clone(e.attr("id")), strings.Clone(e.attr("type"))
		for _, a := range [...]struct {
			key *event.Key
			of  string
		}{{keyTo, "to"}, {keyFrom, "from"}, {keyMechanism, "mechanism"}} {
			if v := e.attr(a.of); v != "" {
				h.m.Fields = append(h.m.Fields, event.Field{Key: a.key, Text: strings.Clone(v)})
			}
		}
		c.Later()
	case h.m == nil:
	case h.depth == 2:
		if h.child == "" {
			if h.child = e.name; h.m.Text == "iq" {
				if ns := e.attr("xmlns"); ns != "" {
					h.child = ns
				}
			}
			h.child = strings.Clone(h.child)
		}
		if h.m.Text == "stream:features" && e.name != "mechanisms" && len(h.m.Fields) < maxFeatures {
			h.m.Fields = append(h.m.Fields, event.Field{Key: keyFeature, Text: strings.Clone(e.name)})
		}
	case h.depth == 3 && h.m.Text == "stream:features" && e.name == "mechanism":
		h.text = true
	}
}

func (p *parser) stream(c *proto.Conv, d proto.Dir, e *element, size int64) {
	m := c.Message(event.MessageRequest, d)
	m.Text = "stream"
	m.Bytes = size
	m.Fields = append(c.Fields(4), event.Field{Key: keyStanza, Text: "stream"})
	if to := e.attr("to"); to != "" {
		m.Fields = append(m.Fields, event.Field{Key: keyTo, Text: to})
	}
	if from := e.attr("from"); from != "" {
		m.Fields = append(m.Fields, event.Field{Key: keyFrom, Text: from})
	}
	m.Fields = append(m.Fields, event.Field{Key: keySize, Num: m.Bytes})
	if p.streams.Len() == 0 || p.asker == d {
		m.Group, p.asker = "stream", d
		p.streams.Push(c.Ask(m))
		return
	}
	m.Kind = event.MessageAnswer
	x := p.streams.Pop()
	c.Close(&x, m)
	c.Emit(m)
}

// done emits the stanza that was read.
func (p *parser) done(c *proto.Conv, d proto.Dir, unsure string) {
	h := &p.half[d]
	m := h.m
	h.m = nil
	_, m.End = c.Times()
	name := m.Text
	m.Unsure = unsure
	m.Text = strings.TrimPrefix(name, "stream:")
	m.Fields = append(m.Fields, event.Field{Key: keyStanza, Text: m.Text}, event.Field{Key: keySize, Num: m.Bytes})
	if h.word != "" {
		m.Text += " " + h.word
		m.Fields = append(m.Fields, event.Field{Key: keyType, Text: h.word})
	}
	if h.id != "" {
		m.Fields = append(m.Fields, event.Field{Key: keyID, Text: h.id})
	}
	if h.child != "" && name != "stream:features" {
		m.Fields = append(m.Fields, event.Field{Key: keyContent, Text: h.child})
	}
	var x proto.Exchange
	switch name {
	case "starttls", "auth":
		m.Kind, m.Group = event.MessageRequest, name
		p.auth.Push(c.Open(m))
	case "proceed", "success", "failure":
		m.Kind = event.MessageAnswer
		x = p.auth.Pop()
		p.secure = name == "proceed"
	case "challenge", "response":
		if x := p.auth.First(); x != nil {
			m.Exchange = x.ID
		}
	case "iq":
		switch h.word {
		case "get", "set":
			m.Text += " " + h.child
			m.Kind, m.Group = event.MessageRequest, m.Text
			p.iqs.Put(key(h.id, d), c.Open(m))
		case "result", "error":
			m.Kind = event.MessageAnswer
			x = p.iqs.Take(key(h.id, d.Other()))
		}
	}
	if name == "failure" || name == "stream:error" || h.word == "error" {
		if m.Error = h.child; m.Error == "" {
			m.Error = "error"
		}
	}
	if !x.Known() && m.Kind == event.MessageAnswer {
		m.Kind = event.MessageNotice
	}
	c.Close(&x, m)
	c.EmitAt(m, h.at)
	if p.secure {
		c.Switch(nil)
	}
}

// key identifies a stanza of one direction by its id.
func key(id string, d proto.Dir) uint64 {
	f := fnv.New64a()
	f.Write([]byte(id))
	return f.Sum64()<<1 | uint64(d)
}

// Cut reads a tag of which only the beginning was recorded, with all that follows: what other stanzas that has is not known.
func (p *parser) Cut(c *proto.Conv, d proto.Dir, b []byte, missing int64) int64 {
	if len(b) < 2 || b[0] != '<' || b[1] == '?' || b[1] == '!' || b[1] == '/' {
		return 0
	}
	h := &p.half[d]
	e := parseTag(b)
	if i := bytes.LastIndexAny(e.attrs, " \t\r\n"); i >= 0 {
		e.attrs = e.attrs[:i]
	}
	switch {
	case e.name == "stream:stream":
		p.stream(c, d, &e, int64(len(b))+missing)
		h.depth = 1
	case h.m != nil && h.depth >= 2:
		p.open(c, d, &e)
	case h.depth == 1 || !c.Start():
		p.open(c, d, &e)
	default:
		return 0
	}
	if h.m != nil {
		h.m.Bytes += int64(len(b)) + missing
		p.done(c, d, "it was not recorded to the end")
	}
	h.depth, h.text = 1, false
	return int64(len(b)) + missing
}

func (p *parser) Pause(c *proto.Conv) {}

func (p *parser) Skipped(*proto.Conv, proto.Dir) {}

// Lost ends the stanza: what follows may be in the middle of another one.
func (p *parser) Lost(c *proto.Conv, d proto.Dir, _ int64) bool {
	h := &p.half[d]
	if h.m != nil {
		p.done(c, d, "a part of it was not recorded")
	}
	p.streams, p.auth, p.iqs = proto.Queue{}, proto.Queue{}, proto.Numbered{}
	return false
}

func (p *parser) Ended(c *proto.Conv, d proto.Dir) {
	if h := &p.half[d]; h.m != nil {
		p.done(c, d, proto.Incomplete)
	}
}
