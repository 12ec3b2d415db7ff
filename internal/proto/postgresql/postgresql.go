// Package postgresql reads the protocol of PostgreSQL, version 3
// (https://www.postgresql.org/docs/current/protocol.html).
package postgresql

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/keys"
	"github.com/pidwire/pidwire/internal/proto/sqltext"
)

// Protocol is that of PostgreSQL.
var Protocol = &proto.Protocol{
	Name: "postgresql", Title: "PostgreSQL",
	Ports:  []uint16{5432, 5433, 6432},
	Detect: detect,
	New:    func(c *proto.Conv) proto.Parser { return &parser{started: !c.Start()} },
	Keys: []*event.Key{
		keys.System, keys.Operation, keys.Summary, keys.Query, keys.Namespace, keys.Status, keys.Rows, keys.Affected, keys.User, keyAuth, keyServer, keyCopied, keyApplication,
	},
}

var (
	keyAuth        = &event.Key{Name: "postgresql.authentication", Label: "auth"}
	keyServer      = &event.Key{Name: "postgresql.server_version", Label: "server"}
	keyApplication = &event.Key{Name: "postgresql.application_name", Form: event.FormQuiet}
	keyCopied      = &event.Key{Name: "postgresql.copy.size", Form: event.FormBytes}
)

// Codes at the beginning of a connection, in place of a version.
const (
	cancel    = 80877102
	wantsTLS  = 80877103
	wantsGSS  = 80877104
	maxOpen   = 10000 // The server accepts no larger message there.
	maxLength = 1 << 30
)

// maxRead is how much of a message is read; the rest passes.
const maxRead = 2 << 10

// Types of messages.
const (
	fromClient = "QPBEDCHSXpdcfF"
	fromServer = "RSKZTDCEIn12s3tGHWdcANVv"
)

// detect waits for the first message only until the other end answers.
func detect(h *proto.Hint) proto.Verdict {
	v := look(h)
	if v == proto.Wait && h.Turned() {
		return proto.No
	}
	return v
}

func look(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 {
		return proto.No
	}
	if h.Start {
		return opening(b)
	}
	if b[0] != 'Q' && b[0] != 'P' && b[0] != 'B' {
		return proto.No
	}
	if len(b) < 5 {
		return proto.Wait
	}
	n := int(binary.BigEndian.Uint32(b[1:]))
	switch {
	case n < 5 || n > 1<<20:
		return proto.No
	case b[0] == 'Q' && len(b) == n+1 && b[n] == 0 && bin.Printable(b[5:n]):
		return proto.Sure
	}
	return proto.Maybe
}

// opening says whether b is the first message of a client.
func opening(b []byte) proto.Verdict {
	if len(b) < 8 {
		var first [8]byte
		copy(first[:], b)
		if first[0] != 0 || first[1] != 0 || len(b) >= 4 && (binary.BigEndian.Uint32(b) < 8 || binary.BigEndian.Uint32(b) > maxOpen) {
			return proto.No
		}
		return proto.Wait
	}
	n := binary.BigEndian.Uint32(b)
	switch code := binary.BigEndian.Uint32(b[4:]); {
	case n < 8 || n > maxOpen:
		return proto.No
	case code == wantsTLS && n == 8, code == wantsGSS && n == 8, code == cancel && n >= 16:
		return proto.Sure
	case code>>16 == 3 && n > 9:
		switch {
		case len(b) < 10:
			return proto.Wait
		case b[8] >= 'a' && b[8] <= 'z' || b[8] == '_':
			return proto.Sure // the name of a parameter: "user"
		}
	}
	return proto.No
}

// Kinds of requests, which end with different messages.
const (
	opens    = iota // the beginning of a session: ReadyForQuery
	queries         // simple: ReadyForQuery
	executes        // CommandComplete
	prepares        // ParseComplete
	syncs           // no request of its own: ReadyForQuery
)

// statement is a prepared statement.
type statement struct {
	name              string
	text, summary, op string
}

const (
	// maxStatements and maxStored bound the statements that are remembered: their number and their bytes.
	maxStatements = 64
	maxStored     = 8 << 10
	// maxPortals bounds the portals that are remembered.
	maxPortals = 8
)

type parser struct {
	proto.Base
	queue   proto.Queue
	client  proto.Dir
	known   bool
	started bool // messages have types
	asked   byte // the server answers with one byte: 's' about TLS, 'g' about GSS

	statements []statement
	stored     int
	portals    [maxPortals]struct{ name, statement string }
	portal     int // the next one to be replaced

	parsed  bool   // a statement was sent, and not executed
	parsing string // its name
	grouped int64  // bytes of Parse, Bind and Describe before an Execute
	begun   bool   // there are such bytes: their place is
	at      proto.At
	begin   int64

	syncs int   // requests of which each is answered with a ReadyForQuery of its own
	hole  bool  // bytes of the answer are missing: until ReadyForQuery or the next request
	lost  int64 // when they were lost

	db     string
	text   []byte
	answer struct { // to the oldest request, so far
		begun    bool
		at       proto.At
		begin    int64
		bytes    int64
		rows     int64
		affected int64
		copied   int64
		selects  bool
		counts   bool
		tag      string
		state    string // SQLSTATE
		fault    string
		auth     string
		server   string
	}
}

func (p *parser) Held() int {
	const kept = maxPortals*2*maxPortal + 1<<10 // those that are kept besides
	return int(unsafe.Sizeof(*p)) + kept + p.queue.Held() + p.stored + cap(p.statements)*int(unsafe.Sizeof(statement{})) + cap(p.text)
}

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if !p.known {
		p.client, p.known = d, true
	}
	switch {
	case d != p.client && p.asked != 0:
		return p.agreed(c, d, b)
	case d == p.client && !p.started:
		return p.open(c, d, b)
	case d != p.client && p.hole:
		return p.passed(c, d, b)
	case len(b) < 5:
		return 0
	}
	n := int64(binary.BigEndian.Uint32(b[1:])) + 1
	types := fromServer
	if d == p.client {
		types = fromClient
	}
	if n < 5 || n > maxLength || strings.IndexByte(types, b[0]) < 0 {
		c.Fail("not a message of PostgreSQL")
		return 0
	}
	most := int64(maxRead)
	if d == p.client && (b[0] == 'd' || b[0] == 'p') || d != p.client && (b[0] == 'D' || b[0] == 'd' || b[0] == 'T') {
		most = 9 // None of the rest is looked at.
	}
	read := min(n, most)
	if int64(len(b)) < read {
		return 0
	}
	if n > read {
		c.Skip(d, n-read)
	}
	if d == p.client {
		if p.hole && strings.IndexByte("QPBF", b[0]) >= 0 {
			p.resume(c, d.Other())
		}
		p.request(c, d, b[0], b[5:read], n)
	} else {
		p.reply(c, d, b[0], b[5:read], n)
	}
	return int(read)
}

// open reads the first messages of a client, which have no types.
func (p *parser) open(c *proto.Conv, d proto.Dir, b []byte) int {
	if len(b) < 8 {
		return 0
	}
	n := int(binary.BigEndian.Uint32(b))
	if n < 8 || n > maxOpen {
		c.Fail("not a message of PostgreSQL")
		return 0
	}
	if len(b) < n {
		return 0
	}
	m := c.Message(event.MessageRequest, d)
	m.Bytes = int64(n)
	m.Fields = append(c.Fields(4), event.Field{Key: keys.System, Text: "postgresql"})
	switch code := binary.BigEndian.Uint32(b[4:]); code {
	case wantsTLS, wantsGSS:
		m.Text, p.asked = "SSLRequest", 's'
		if code == wantsGSS {
			m.Text, p.asked = "GSSENCRequest", 'g'
		}
	case cancel:
		m.Kind, m.Text = event.MessageNotice, "CancelRequest"
		c.Emit(m)
		p.started = true
		return n
	default:
		p.started = true
		p.startup(m, b[8:n])
	}
	m.Group = m.Text
	if p.started {
		m.Group = "startup"
	}
	x := c.Ask(m)
	x.Kind = opens
	p.queue.Push(x)
	return n
}

// startup reads the parameters of a session.
func (p *parser) startup(m *event.Message, b []byte) {
	r := bin.Of(b)
	user, db, application := "", "", ""
	for !r.Short && len(r.B) > 1 {
		key, value := proto.Text(r.CString()), proto.Text(r.CString())
		switch key {
		case "user":
			user = value
		case "database":
			db = value
		case "application_name":
			application = value
		}
	}
	if db == "" {
		db = user
	}
	p.db = strings.Clone(db[:min(len(db), 64)])
	m.Text = "startup " + db
	m.Fields = append(m.Fields, event.Field{Key: keys.Namespace, Text: p.db}, event.Field{Key: keys.User, Text: user})
	if application != "" {
		m.Fields = append(m.Fields, event.Field{Key: keyApplication, Text: application})
	}
}

// agreed reads the one byte that answers the request for encryption.
func (p *parser) agreed(c *proto.Conv, d proto.Dir, b []byte) int {
	if b[0] == 'E' {
		p.asked = 0 // of servers before encryption was known
		p.started = true
		return p.Read(c, d, b)
	}
	yes := byte('S')
	if p.asked == 'g' {
		yes = 'G'
	}
	if b[0] != yes && b[0] != 'N' {
		c.Fail("not an answer to a request for encryption")
		return 0
	}
	m := c.Message(event.MessageAnswer, d)
	m.Bytes, m.Text = 1, "accepted"
	if b[0] == 'N' {
		m.Text = "refused"
	}
	m.Fields = append(c.Fields(1), event.Field{Key: keys.System, Text: "postgresql"})
	x := p.queue.Pop()
	c.Close(&x, m)
	c.Emit(m)
	p.asked = 0
	if b[0] == yes {
		c.Switch(nil)
	}
	return 1
}

// group notes the bytes of messages that belong to the next Execute.
func (p *parser) group(c *proto.Conv, n int64) {
	if !p.begun {
		p.begun, p.at, p.grouped = true, c.Here(), 0
		p.begin, _ = c.Times()
	}
	p.grouped += n
}

// request reads a message of a client: its first bytes after the type and the length.
func (p *parser) request(c *proto.Conv, d proto.Dir, kind byte, b []byte, n int64) {
	switch kind {
	case 'Q':
		text, _, _ := bytes.Cut(b, []byte{0})
		p.group(c, n)
		p.statement(c, d, queries, text, nil)
	case 'P':
		r := bin.Of(b)
		name := r.CString()
		text, _, _ := bytes.Cut(r.B, []byte{0})
		p.prepared(c, d) // an earlier one
		p.group(c, n)
		p.remember(c, name, text)
		p.parsed, p.parsing = true, string(name)
	case 'B':
		p.group(c, n)
		r := bin.Of(b)
		portal, name := r.CString(), r.CString()
		if p.parsed && string(name) != p.parsing {
			p.prepared(c, d)
			p.group(c, n)
		}
		p.bind(portal, name)
	case 'E':
		p.group(c, n)
		portal := bin.Of(b).CString()
		s, name := p.bound(portal)
		p.parsed = false
		p.statement(c, d, executes, name, s)
	case 'D', 'C':
		p.group(c, n)
		r := bin.Of(b)
		if what, name := r.U8(), r.CString(); kind == 'C' && what == 'S' {
			p.forget(proto.Text(name))
		}
	case 'S':
		p.prepared(c, d)
		p.begun = false
		p.queue.Push(proto.Exchange{Kind: syncs})
		p.syncs++
	case 'H':
		p.prepared(c, d)
	case 'F':
		p.group(c, n)
		p.statement(c, d, queries, []byte("function call"), nil)
	case 'X':
		m := c.Message(event.MessageNotice, d)
		m.Text, m.Bytes = "terminate", n
		m.Fields = append(c.Fields(1), event.Field{Key: keys.System, Text: "postgresql"})
		c.Emit(m)
	case 'd':
		p.answer.copied += n - 5
	}
}

// statement emits a request: one with the SQL text, or with a statement that was prepared; name is its name if it is not known.
func (p *parser) statement(c *proto.Conv, d proto.Dir, kind int, text []byte, s *statement) {
	m := c.Message(event.MessageRequest, d)
	m.Begin, m.Bytes = p.begin, p.grouped
	m.Fields = append(c.Fields(5), event.Field{Key: keys.System, Text: "postgresql"})
	switch {
	case s != nil:
		m.Text, m.Group = s.text, s.summary
		m.Fields = append(m.Fields, event.Field{Key: keys.Operation, Text: s.op}, event.Field{Key: keys.Query, Text: s.text})
	case kind == executes:
		m.Text, m.Group, m.Unsure = "execute "+proto.Text(text), "execute", "its statement is not known"
	default:
		p.text = sqltext.Fold(p.text[:0], text, !c.Secrets())
		m.Text = string(p.text)
		if m.Text == "" {
			m.Text = "empty query"
		}
		op := ""
		op, m.Group = sqltext.Summary(text)
		m.Fields = append(m.Fields, event.Field{Key: keys.Operation, Text: op}, event.Field{Key: keys.Query, Text: m.Text})
	}
	if m.Group != "" {
		m.Fields = append(m.Fields, event.Field{Key: keys.Summary, Text: m.Group})
	}
	if p.db != "" {
		m.Fields = append(m.Fields, event.Field{Key: keys.Namespace, Text: p.db})
	}
	x := c.Open(m)
	x.Kind = kind
	p.queue.Push(x)
	if kind == queries {
		p.syncs++
	}
	c.EmitAt(m, p.at)
	p.begun = false
}

// prepared emits a statement that was sent and not executed yet: its preparation is an exchange of its own.
func (p *parser) prepared(c *proto.Conv, d proto.Dir) {
	if !p.parsed {
		return
	}
	p.parsed = false
	m := c.Message(event.MessageRequest, d)
	m.Begin, m.Bytes = p.begin, p.grouped
	m.Text, m.Group = "prepare", "prepare"
	m.Fields = append(c.Fields(4), event.Field{Key: keys.System, Text: "postgresql"}, event.Field{Key: keys.Operation, Text: "prepare"})
	if s := p.find(p.parsing); s != nil {
		m.Text = "prepare " + s.text
		m.Fields = append(m.Fields, event.Field{Key: keys.Query, Text: s.text}, event.Field{Key: keys.Summary, Text: s.summary})
	}
	x := c.Open(m)
	x.Kind = prepares
	p.queue.Push(x)
	c.EmitAt(m, p.at)
	p.begun = false
}

// remember keeps a prepared statement.
func (p *parser) remember(c *proto.Conv, name, text []byte) {
	p.forget(proto.Text(name))
	s := statement{name: string(name)}
	p.text = sqltext.Fold(p.text[:0], text, !c.Secrets())
	s.text = string(p.text)
	s.op, s.summary = sqltext.Summary(text)
	for len(p.statements) > 0 && (len(p.statements) >= maxStatements || p.stored+s.size() > maxStored) {
		p.forget(p.statements[0].name)
	}
	if s.size() <= maxStored {
		p.stored += s.size()
		p.statements = append(p.statements, s)
	}
}

func (s *statement) size() int { return len(s.name) + len(s.text) + len(s.summary) + len(s.op) }

func (p *parser) find(name string) *statement {
	for i := range p.statements {
		if p.statements[i].name == name {
			return &p.statements[i]
		}
	}
	return nil
}

func (p *parser) forget(name string) {
	for i := range p.statements {
		if s := &p.statements[i]; s.name == name {
			p.stored -= s.size()
			p.statements = append(p.statements[:i], p.statements[i+1:]...)
			return
		}
	}
}

// maxPortal bounds the names of portals that are remembered.
const maxPortal = 64

// bind notes the statement of a portal.
func (p *parser) bind(portal, name []byte) {
	if len(portal) > maxPortal || len(name) > maxPortal {
		return
	}
	at := -1
	for i := range p.portals {
		if p.portals[i].name == string(portal) {
			at = i
			break
		}
	}
	if at < 0 {
		p.portal = p.portal%(maxPortals-1) + 1 // the first one is that without a name
		at = p.portal
		p.portals[at].name = string(portal)
	}
	if p.portals[at].statement != string(name) {
		p.portals[at].statement = string(name)
	}
}

// bound returns the statement of a portal, and if it is not known the name of the statement.
func (p *parser) bound(portal []byte) (*statement, []byte) {
	for i := range p.portals {
		if p.portals[i].name == string(portal) {
			name := p.portals[i].statement
			return p.find(name), []byte(name)
		}
	}
	return nil, portal
}

// reply reads a message of a server.
func (p *parser) reply(c *proto.Conv, d proto.Dir, kind byte, b []byte, n int64) {
	a := &p.answer
	if kind != 'N' && kind != 'A' && !a.begun {
		a.begun, a.at = true, c.Here()
		a.begin, _ = c.Times()
	}
	switch kind {
	case 'N', 'A':
		p.notice(c, d, kind, b, n)
		return
	case 'E':
		p.failed(c, d, b, n)
		return
	case 'R':
		p.authentication(bin.Of(b))
	case 'S':
		r := bin.Of(b)
		if name, value := r.CString(), r.CString(); string(name) == "server_version" && a.server == "" {
			a.server = string(value[:min(len(value), 64)])
		}
	case 'D':
		a.rows++
	case 'd':
		a.copied += n - 5
	case '1':
		if x := p.queue.First(); x != nil && x.Kind == prepares {
			a.bytes += n
			a.tag = "prepared"
			p.done(c, d)
			return
		}
	case 'C', 'I', 's':
		tag, _, _ := bytes.Cut(b, []byte{0})
		switch kind {
		case 'I':
			tag = []byte("empty")
		case 's':
			tag = []byte("suspended")
			a.selects = true
		}
		p.complete(tag)
		if x := p.queue.First(); x != nil && x.Kind == executes {
			a.bytes += n
			p.done(c, d)
			return
		}
	case 'Z':
		a.bytes += n
		p.ready(c, d)
		return
	}
	a.bytes += n
}

// authentication notes how a client proves who it is.
func (p *parser) authentication(r *bin.Reader) {
	switch code := r.U32(); code {
	case 0:
		if p.answer.auth == "" {
			p.answer.auth = "trust"
		}
	case 3:
		p.answer.auth = "password"
	case 5:
		p.answer.auth = "md5"
	case 7:
		p.answer.auth = "gss"
	case 9:
		p.answer.auth = "sspi"
	case 10:
		name := r.CString()
		p.answer.auth = strings.ToLower(string(name[:min(len(name), 32)]))
	}
}

// complete reads what a command has done: "SELECT 5", "INSERT 0 1".
func (p *parser) complete(tag []byte) {
	a := &p.answer
	words, count, ok := cutLast(tag)
	if ok {
		if string(words) == "SELECT" || string(words) == "FETCH" {
			a.selects = true
		} else {
			a.counts = true
			a.affected += count
		}
		if first, _, old := cutLast(words); old { // the object number that INSERT had
			words = first
		}
	}
	a.tag = string(words[:min(len(words), 64)])
}

// cutLast cuts a number from the end of words.
func cutLast(b []byte) (words []byte, n int64, ok bool) {
	i := bytes.LastIndexByte(b, ' ')
	if i < 0 {
		return b, 0, false
	}
	n, err := strconv.ParseInt(proto.Text(b[i+1:]), 10, 62)
	if err != nil || n < 0 {
		return b, 0, false
	}
	return b[:i], n, true
}

// failed reads an error. The server ignores what follows until the next Sync.
func (p *parser) failed(c *proto.Conv, d proto.Dir, b []byte, n int64) {
	state, text, _ := problem(b)
	a := &p.answer
	a.bytes += n
	x := p.queue.First()
	if x == nil || x.Kind == syncs {
		m := c.Message(event.MessageNotice, d)
		m.Text, m.Error, m.Bytes = text, state, n
		m.Fields = append(c.Fields(2), event.Field{Key: keys.System, Text: "postgresql"}, event.Field{Key: keys.Status, Text: state})
		c.Emit(m)
		a.bytes -= n
		return
	}
	a.state, a.fault = strings.Clone(state[:min(len(state), 8)]), strings.Clone(text[:min(len(text), 512)])
	kind := x.Kind
	if kind == queries {
		return
	}
	p.done(c, d)
	if kind == opens {
		return
	}
	for x := p.queue.First(); x != nil && x.Kind != syncs; x = p.queue.First() {
		p.queue.Pop()
	}
}

// problem reads the fields of an error or a notice.
func problem(b []byte) (state, text, severity string) {
	r := bin.Of(b)
	for !r.Short && len(r.B) > 0 && r.B[0] != 0 {
		kind := r.U8()
		value := proto.Text(r.CString())
		switch kind {
		case 'C':
			state = value
		case 'M':
			text = value
		case 'S':
			if severity == "" {
				severity = value
			}
		case 'V':
			severity = value
		}
	}
	return state, text, severity
}

// notice emits what nobody asked for.
func (p *parser) notice(c *proto.Conv, d proto.Dir, kind byte, b []byte, n int64) {
	m := c.Message(event.MessageNotice, d)
	m.Bytes = n
	m.Fields = append(c.Fields(2), event.Field{Key: keys.System, Text: "postgresql"})
	if kind == 'A' {
		r := bin.Of(b)
		r.U32()
		m.Text = "notification " + proto.Text(r.CString())
	} else {
		state, text, severity := problem(b)
		m.Text = strings.ToLower(severity) + ": " + text
		m.Fields = append(m.Fields, event.Field{Key: keys.Status, Text: state})
	}
	c.Emit(m)
}

// ready ends the oldest query, and whatever the server did not answer.
func (p *parser) ready(c *proto.Conv, d proto.Dir) {
	p.syncs = max(p.syncs-1, 0)
	for x := p.queue.First(); x != nil; x = p.queue.First() {
		switch x.Kind {
		case executes, prepares:
			if p.hole && p.answer.begun {
				p.done(c, d)
				continue
			}
		case syncs:
			p.queue.Pop()
			p.answer.begun = false
			p.reset()
			return
		case opens, queries:
			p.done(c, d)
			return
		}
		p.queue.Pop()
	}
	if p.queue.Len() > 0 {
		p.queue.Pop() // one that was dropped
	}
	p.reset()
}

// Lost waits for the end of the answer, or for the next request, if bytes of an answer are missing and only one is open.
func (p *parser) Lost(c *proto.Conv, d proto.Dir, _ int64) bool {
	x := p.queue.First()
	if !p.known || d == p.client || p.asked != 0 || p.syncs != 1 || x == nil || x.Kind == opens {
		return false
	}
	if a := &p.answer; !a.begun {
		a.begun, a.at = true, c.Here()
		a.begin, _ = c.Times()
	}
	p.hole = true
	_, p.lost = c.Times()
	return true
}

// passed passes bytes of an answer until they end with ReadyForQuery.
func (p *parser) passed(c *proto.Conv, d proto.Dir, b []byte) int {
	const ready = "Z\x00\x00\x00\x05"
	_, p.lost = c.Times()
	if n := len(b) - 1; n >= len(ready) && string(b[n-len(ready):n]) == ready && strings.IndexByte("ITE", b[n]) >= 0 {
		p.resume(c, d)
	}
	return len(b)
}

// resume ends an answer of which bytes are missing.
func (p *parser) resume(c *proto.Conv, d proto.Dir) {
	p.ready(c, d)
	p.hole = false
}

func (p *parser) reset() {
	p.answer.begun, p.answer.bytes, p.answer.rows, p.answer.affected, p.answer.copied = false, 0, 0, 0, 0
	p.answer.selects, p.answer.counts = false, false
	p.answer.tag, p.answer.state, p.answer.fault, p.answer.auth, p.answer.server = "", "", "", "", ""
}

// done emits the answer to the oldest request.
func (p *parser) done(c *proto.Conv, d proto.Dir) {
	x := p.queue.Pop()
	a := &p.answer
	m := c.Message(event.MessageAnswer, d)
	m.Begin, m.Bytes, m.Text, m.Error = a.begin, a.bytes, a.tag, a.state
	if p.hole {
		m.End, m.Unsure = max(p.lost, m.Begin), "a part of it was not recorded"
	}
	m.Fields = append(c.Fields(6), event.Field{Key: keys.System, Text: "postgresql"})
	switch {
	case a.state != "":
		m.Text = a.fault
		m.Fields = append(m.Fields, event.Field{Key: keys.Status, Text: a.state})
	case x.Kind == opens:
		m.Text = "ready"
	case p.hole:
		m.Text = "answer"
	case a.tag == "":
		m.Text = "done"
	}
	if a.auth != "" {
		m.Fields = append(m.Fields, event.Field{Key: keyAuth, Text: a.auth})
	}
	if a.server != "" {
		m.Fields = append(m.Fields, event.Field{Key: keyServer, Text: a.server})
	}
	if (a.selects || a.rows > 0) && !p.hole {
		m.Fields = append(m.Fields, event.Field{Key: keys.Rows, Num: a.rows})
	}
	if a.counts {
		m.Fields = append(m.Fields, event.Field{Key: keys.Affected, Num: a.affected})
	}
	if a.copied > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyCopied, Num: a.copied})
	}
	c.Close(&x, m)
	c.EmitAt(m, a.at)
	p.reset()
}

// Ended emits an answer that has begun.
func (p *parser) Ended(c *proto.Conv, d proto.Dir) {
	if p.known && d != p.client && p.answer.begun && p.queue.Len() > 0 && p.answer.state != "" {
		p.done(c, d)
	}
}
