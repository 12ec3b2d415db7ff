package http2

import (
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/httpkey"
	"github.com/pidwire/pidwire/internal/proto/keys"
	"github.com/pidwire/pidwire/internal/proto/mask"
)

func field(k *event.Key, b []byte) event.Field { return event.Field{Key: k, Text: proto.Text(b)} }

// fields are the headers of a block that matter.
type fields struct {
	method, scheme, authority, path, status []byte
	kind, encoding, agent, server, location []byte
	code, message                           []byte // of gRPC
	secrets                                 [][2][]byte
	unread                                  int64 // fields that are not known
}

func (f *fields) add(name, value []byte) {
	switch string(name) {
	case "":
		if name == nil {
			f.unread++
		}
	case ":method":
		f.method = value
	case ":scheme":
		f.scheme = value
	case ":authority":
		f.authority = value
	case "host":
		if len(f.authority) == 0 {
			f.authority = value
		}
	case ":path":
		f.path = value
	case ":status":
		f.status = value
	case "content-type":
		f.kind = value
	case "content-encoding":
		f.encoding = value
	case "user-agent":
		f.agent = value
	case "server":
		f.server = value
	case "location":
		f.location = value
	case "grpc-status":
		f.code = value
	case "grpc-message":
		f.message = value
	default:
		if name[0] != ':' && len(f.secrets) < 8 && mask.Header(proto.Text(name)) {
			f.secrets = append(f.secrets, [2][]byte{name, value})
		}
	}
}

// headers reads a complete header block.
func (p *parser) headers(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	h.open = false
	block := h.block
	h.block = nil
	var f fields
	if h.why == "" {
		s := newScratch()
		if !h.table.decode(block, &s, f.add) {
			h.why = damaged
		} else if f.unread > 0 {
			h.why = notSeen
		}
	}
	if h.why != "" && h.why != notSeen {
		h.table.lose()
		f = fields{unread: -1}
	}
	id := h.begin.id
	s := p.stream(id)
	role := p.role(c, d, s, &f)
	switch {
	case h.begin.kind == framePush:
		p.promise(c, d, &f)
		return
	case role == event.MessageRequest && s != nil && s.side[d].began, role == event.MessageAnswer && s != nil && s.side[d].began && f.status == nil:
		p.trailers(d, s, &f)
	case role == event.MessageRequest:
		p.request(c, d, &f)
	default:
		if len(f.status) == 3 && f.status[0] == '1' {
			p.interim(c, d, s, &f)
			return
		}
		if s == nil {
			s = p.add(c, id)
		}
		p.answer(c, d, s, &f)
	}
	if h.begin.flags&flagEndStream != 0 {
		if s := p.stream(id); s != nil {
			p.end(c, s, d, "")
		}
	}
}

// role says whether a block is of a request or of an answer, and so who the client is. If its headers do not tell, the end that
// began the stream is the client, and at last the one with the higher port.
func (p *parser) role(c *proto.Conv, d proto.Dir, s *stream, f *fields) event.MessageKind {
	switch {
	case p.known:
	case f.method != nil:
		p.client, p.known = d, true
	case f.status != nil || s != nil && s.side[d.Other()].began:
		p.client, p.known = d.Other(), true
	default:
		p.client = proto.Out
		if c.Conn().Local.Port() < c.Peer().Port() {
			p.client = proto.In
		}
	}
	if d == p.client {
		return event.MessageRequest
	}
	return event.MessageAnswer
}

// message returns the message of a block.
func (p *parser) message(c *proto.Conv, kind event.MessageKind, d proto.Dir, n int) *event.Message {
	h := &p.half[d]
	m := c.Message(kind, d)
	m.Begin, m.Bytes = h.from, h.size
	m.Fields = append(c.Fields(n+4), event.Field{Key: keyStream, Num: int64(h.begin.id)})
	return m
}

// start notes the first block of a direction of a stream.
func (p *parser) start(d proto.Dir, s *stream) {
	h := &p.half[d]
	s.side[d] = side{at: h.at, from: h.from, total: h.size, began: true, bare: h.begin.flags&flagEndStream != 0, code: -1}
}

// unread says what could not be read of a message.
func (p *parser) unread(m *event.Message, d proto.Dir, f *fields, essential bool) {
	h := &p.half[d]
	if f.unread > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyUnread, Num: f.unread})
	}
	switch {
	case essential:
	case h.why != "":
		m.Unsure = h.why
	default:
		m.Unsure = damaged
	}
}

func credentials(c *proto.Conv, m *event.Message, f *fields) {
	for _, s := range f.secrets {
		m.Fields = append(m.Fields, event.Field{Key: httpkey.Header, Text: proto.Text(s[0]) + ": " + c.Secret(proto.Text(s[1]))})
	}
}

func (p *parser) request(c *proto.Conv, d proto.Dir, f *fields) {
	h := &p.half[d]
	m := p.message(c, event.MessageRequest, d, 13+len(f.secrets))
	grpc := isGRPC(f.kind)
	shown := proto.Text(f.path)
	if !c.Secrets() {
		shown = mask.URL(shown)
	}
	path, query, asked := strings.Cut(shown, "?")
	connect := string(f.method) == "CONNECT"
	essential := f.method != nil && (f.path != nil || connect && f.authority != nil)
	switch {
	case !essential:
		m.Text = "stream " + strconv.FormatUint(uint64(h.begin.id), 10)
	case grpc:
		m.Text, m.Group = path, mask.Group(path)
	case connect && f.path == nil:
		m.Relayed = true
		m.Text = "CONNECT " + proto.Text(f.authority)
		m.Group = m.Text
	default:
		m.Text = proto.Text(f.method) + " " + shown
		m.Group = proto.Text(f.method) + " " + mask.Group(path)
	}
	if grpc {
		m.Proto, m.Title = GRPC.Name, GRPC.Title
		service, method, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		m.Fields = append(m.Fields, event.Field{Key: keys.RPCSystem, Text: GRPC.Name}, event.Field{Key: keys.RPCService, Text: service}, event.Field{Key: keys.RPCMethod, Text: method})
	}
	if f.method != nil {
		m.Fields = append(m.Fields, field(httpkey.Method, f.method))
	}
	if f.path != nil {
		m.Fields = append(m.Fields, event.Field{Key: httpkey.Path, Text: path})
	}
	if asked {
		m.Fields = append(m.Fields, event.Field{Key: httpkey.Query, Text: query})
	}
	if len(f.scheme) > 0 {
		m.Fields = append(m.Fields, field(httpkey.Scheme, f.scheme))
	}
	if len(f.authority) > 0 {
		m.Fields = httpkey.AddHost(m.Fields, f.authority)
	}
	if len(f.agent) > 0 {
		m.Fields = append(m.Fields, field(httpkey.Agent, f.agent))
	}
	m.Fields = append(m.Fields, event.Field{Key: httpkey.Version, Text: "2"})
	credentials(c, m, f)
	p.unread(m, d, f, essential && f.unread == 0) // it may be gRPC
	s := p.stream(h.begin.id)
	if s == nil {
		s = p.add(c, h.begin.id)
	}
	p.start(d, s)
	s.grpc = grpc
	m.Group = m.Group[:min(len(m.Group), maxGroup)]
	p.kept -= len(s.x.Group)
	s.x = c.Open(m)
	p.kept += len(s.x.Group)
	if h.begin.flags&flagEndStream != 0 {
		c.EmitAt(m, h.at)
		return
	}
	if len(f.kind) > 0 && !grpc {
		m.Fields = append(m.Fields, field(httpkey.Type, f.kind))
	}
	p.hold(c, s, d, m)
}

// isGRPC reports whether a type of contents is that of gRPC.
func isGRPC(kind []byte) bool {
	const name = "application/grpc"
	return len(kind) >= len(name) && string(kind[:len(name)]) == name && (len(kind) == len(name) || kind[len(name)] == '+' || kind[len(name)] == ';')
}

func (p *parser) answer(c *proto.Conv, d proto.Dir, s *stream, f *fields) {
	m := p.message(c, event.MessageAnswer, d, 10+len(f.secrets))
	if !s.grpc && isGRPC(f.kind) {
		s.grpc = true
		s.side[d.Other()].count = -1 // those of the request were not looked at
	}
	p.start(d, s)
	p.mark(m, s)
	status, err := strconv.Atoi(proto.Text(f.status))
	if f.status != nil && err == nil {
		m.Text = proto.Text(f.status)
		m.Fields = append(m.Fields, event.Field{Key: httpkey.Status, Num: int64(status)})
		if status >= 400 {
			m.Error = m.Text
		}
	} else {
		m.Text = "stream " + strconv.FormatUint(uint64(s.id), 10)
	}
	if len(f.location) > 0 {
		where := proto.Text(f.location)
		if !c.Secrets() {
			where = mask.URL(where)
		}
		m.Fields = append(m.Fields, event.Field{Key: httpkey.Location, Text: where})
	}
	if len(f.server) > 0 {
		m.Fields = append(m.Fields, field(httpkey.Server, f.server))
	}
	if len(f.encoding) > 0 && string(f.encoding) != "identity" {
		m.Fields = append(m.Fields, field(httpkey.Encoding, f.encoding))
	}
	if len(f.kind) > 0 && !s.grpc {
		m.Fields = append(m.Fields, field(httpkey.Type, f.kind))
	}
	m.Fields = append(m.Fields, event.Field{Key: httpkey.Version, Text: "2"})
	credentials(c, m, f)
	p.unread(m, d, f, f.status != nil && (f.unread == 0 || !s.grpc || !s.side[d].bare)) // the result of gRPC may be one of them
	result(m, f)
	p.hold(c, s, d, m)
}

// result adds the result of a call of gRPC.
func result(m *event.Message, f *fields) {
	if f.code == nil {
		return
	}
	code, err := strconv.ParseInt(proto.Text(f.code), 10, 32)
	if err != nil {
		return
	}
	m.Text = statusName(code)
	m.Fields = append(m.Fields, event.Field{Key: keyCode, Num: code})
	if code != 0 {
		m.Error = m.Text
	}
	if what := unescape(f.message); what != "" {
		m.Fields = append(m.Fields, event.Field{Key: keyMessage, Text: what})
	}
}

// unescape returns a message of gRPC, the beginning of a long one.
func unescape(b []byte) string {
	const most = 200
	out := make([]byte, 0, min(len(b), most))
	for i := 0; i < len(b) && len(out) < most; i++ {
		if b[i] == '%' && i+2 < len(b) {
			if n, err := strconv.ParseUint(string(b[i+1:i+3]), 16, 8); err == nil {
				out = append(out, byte(n))
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return string(out)
}

// trailers reads the headers after a body.
func (p *parser) trailers(d proto.Dir, s *stream, f *fields) {
	sd := &s.side[d]
	sd.total += p.half[d].size
	switch {
	case sd.m != nil && f.code != nil:
		p.kept -= cost(sd.m)
		result(sd.m, f)
		p.kept += cost(sd.m)
	case sd.m != nil && s.grpc && p.half[d].why != "":
		sd.m.Unsure = p.half[d].why
	case sd.short && f.code != nil:
		code, err := strconv.ParseInt(proto.Text(f.code), 10, 15)
		if err != nil {
			return
		}
		p.kept -= len(sd.text)
		sd.code, sd.text = int16(code), statusName(code)
		p.kept += len(sd.text)
		if code != 0 {
			p.fail(s, d, sd.text)
		}
	}
}

// interim emits an answer after which another one comes.
func (p *parser) interim(c *proto.Conv, d proto.Dir, s *stream, f *fields) {
	m := p.message(c, event.MessageNotice, d, 1)
	m.Text = proto.Text(f.status)
	if n, err := strconv.ParseInt(m.Text, 10, 32); err == nil {
		m.Fields = append(m.Fields, event.Field{Key: httpkey.Status, Num: n})
	}
	if s != nil {
		m.Exchange = s.x.ID
	}
	c.EmitAt(m, p.half[d].at)
}

// promise emits a request that the server answers before it was made.
func (p *parser) promise(c *proto.Conv, d proto.Dir, f *fields) {
	h := &p.half[d]
	m := p.message(c, event.MessageNotice, d, 4)
	m.Fields[0].Num = int64(h.push)
	m.Text = "PUSH_PROMISE"
	if f.path != nil {
		shown := proto.Text(f.path)
		if !c.Secrets() {
			shown = mask.URL(shown)
		}
		m.Text += " " + proto.Text(f.method) + " " + shown
	}
	p.unread(m, d, f, f.path != nil)
	if s := p.stream(h.begin.id); s != nil {
		m.Exchange = s.x.ID
	}
	c.EmitAt(m, h.at)
}
