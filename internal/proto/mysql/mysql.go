// Package mysql reads the client/server protocol of MySQL and MariaDB
// (https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html, https://mariadb.com/kb/en/clientserver-protocol/).
package mysql

import (
	"bytes"
	"strconv"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/keys"
	"github.com/pidwire/pidwire/internal/proto/sqltext"
)

// Protocol is that of MySQL and MariaDB.
var Protocol = &proto.Protocol{
	Name: "mysql", Title: "MySQL",
	Ports:  ports,
	Detect: detect,
	New:    func(c *proto.Conv) proto.Parser { return &parser{phase: phaseOf(c.Start())} },
	Keys: []*event.Key{
		keys.System, keys.Operation, keys.Summary, keys.Query, keys.Namespace, keys.Status, keys.Rows, keys.Affected, keys.User, keyServer, keyAuth, keyState, keyStatement, keyWarnings,
	},
}

var (
	keyServer    = &event.Key{Name: "mysql.server_version", Label: "server"}
	keyAuth      = &event.Key{Name: "mysql.authentication", Label: "auth"}
	keyState     = &event.Key{Name: "mysql.sql_state", Form: event.FormQuiet}
	keyStatement = &event.Key{Name: "mysql.statement_id", Form: event.FormCount}
	keyWarnings  = &event.Key{Name: "mysql.warnings", Label: "warnings", Form: event.FormInt}
)

// Capabilities of both ends.
const (
	canCompress      = 1 << 5
	canTLS           = 1 << 11
	withDatabase     = 1 << 3
	withProtocol41   = 1 << 9
	withPlugin       = 1 << 19
	lengthOfPassword = 1 << 21
	canZstd          = 1 << 26
	withAttributes   = 1 << 27
)

// Flags of a server's status.
const (
	moreResults  = 1 << 3
	cursorExists = 1 << 6
)

const (
	header   = 4
	maxRead  = 2 << 10 // how much of a packet is read; the rest passes
	maxChunk = 1<<24 - 1
)

// Commands.
const (
	comQuit         = 0x01
	comInitDB       = 0x02
	comQuery        = 0x03
	comFieldList    = 0x04
	comStatistics   = 0x09
	comChangeUser   = 0x11
	comBinlogDump   = 0x12
	comPrepare      = 0x16
	comExecute      = 0x17
	comLongData     = 0x18
	comCloseStmt    = 0x19
	comResetStmt    = 0x1a
	comFetch        = 0x1c
	comBinlogByGTID = 0x1e
	comBulk         = 0xfa
)

var commands = map[byte]string{
	comQuit: "quit", comInitDB: "use", comQuery: "query", comFieldList: "field list", 0x05: "create database", 0x06: "drop database", 0x07: "refresh", 0x08: "shutdown",
	comStatistics: "statistics", 0x0a: "process info", 0x0c: "process kill", 0x0d: "debug", 0x0e: "ping", comChangeUser: "change user", comBinlogDump: "binlog dump",
	0x13: "table dump", 0x15: "register replica", comPrepare: "prepare", comExecute: "execute", comLongData: "send long data", comCloseStmt: "close statement",
	comResetStmt: "reset statement", 0x1b: "set option", comFetch: "fetch", comBinlogByGTID: "binlog dump", 0x1f: "reset connection", comBulk: "bulk execute",
}

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
		return greeting(b)
	}
	if len(b) < header+1 {
		if h.On(ports) {
			return proto.Wait
		}
		return proto.No
	}
	n := size(b)
	if b[3] != 0 || b[4] != comQuery || n < 2 || len(b) != header+n || !bin.Printable(b[header+1:]) {
		if b[3] == 0 && n > 0 && commands[b[4]] != "" && len(b) >= header+n {
			return proto.Maybe
		}
		return proto.No
	}
	if op, _ := sqltext.Summary(b[header+1:]); !statements[op] {
		return proto.Maybe
	}
	return proto.Sure
}

var ports = []uint16{3306, 3307, 4000, 6033}

// statements are what a query that is certain begins with.
var statements = map[string]bool{"SELECT": true, "INSERT": true, "UPDATE": true, "DELETE": true, "SET": true, "SHOW": true, "REPLACE": true, "COMMIT": true, "BEGIN": true, "ROLLBACK": true}

// greeting says whether b is the first packet of a server: its version follows.
func greeting(b []byte) proto.Verdict {
	switch {
	case len(b) >= 3 && (size(b) < 3 || size(b) > 512), len(b) == 2 && b[1] > 2, len(b) > 3 && b[3] != 0, len(b) > 4 && b[4] != 10 && b[4] != 0xff:
		return proto.No
	case len(b) < 7:
		return proto.Wait
	case b[4] == 0xff:
		if code := int(b[5]) | int(b[6])<<8; code >= 1000 && code < 2000 && (len(b) < header+size(b) || bin.Printable(b[7:])) {
			return proto.Maybe // too many connections
		}
		return proto.No
	case size(b) < 40:
		return proto.No
	}
	version, _, whole := bytes.Cut(b[5:], []byte{0})
	if len(version) > 100 || !whole && len(b) > 200 {
		return proto.No
	}
	for i, c := range version {
		if c < '!' || c > '~' || i == 0 && (c < '0' || c > '9') {
			return proto.No
		}
	}
	if !whole {
		return proto.Wait
	}
	if bytes.IndexByte(version, '.') < 0 {
		return proto.No
	}
	return proto.Sure
}

// size returns the length of a packet.
func size(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// phase is where a connection is.
type phase uint8

const (
	greets    phase = iota // the server has still to greet
	logsIn                 // the client has still to answer
	proves                 // it is authenticated
	commanded              // it sends commands
)

func phaseOf(start bool) phase {
	if start {
		return greets
	}
	return commanded
}

// expects is what the next packet of an answer is.
type expects uint8

const (
	begins  expects = iota // its first packet
	columns                // descriptions of columns
	rows
	params // descriptions of the parameters of a prepared statement, and of its columns
	data   // the client sends a file
)

// statement is a prepared statement.
type statement struct {
	id                     uint32
	text, summary, operate string
}

const (
	// maxStatements and maxStored bound the statements that are remembered: their number and their bytes.
	maxStatements = 64
	maxStored     = 8 << 10
)

type parser struct {
	proto.Base
	queue  proto.Queue
	client proto.Dir
	known  bool
	phase  phase
	caps   uint32 // of the client
	server string // its version
	auth   string
	db     string
	more   [2]bool // the next packet continues the last one
	hole   bool    // bytes of the answer are missing: it ends before the next command
	lost   int64   // when they were lost

	statements []statement
	stored     int
	preparing  []statement // whose number is not known yet
	text       []byte

	expects expects
	left    int // descriptions that are still to come
	begun   bool
	at      proto.At
	begin   int64
	bytes   int64
	rows    int64
	set     bool // there were rows, or could have been
	changed int64
	counts  bool
}

func (p *parser) Held() int {
	return int(unsafe.Sizeof(*p)) + len(p.server) + len(p.auth) + len(p.db) + p.queue.Held() + p.stored +
		(cap(p.statements)+cap(p.preparing))*int(unsafe.Sizeof(statement{})) + cap(p.text)
}

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if p.hole && d != p.client {
		return len(b)
	}
	if len(b) < header {
		return 0
	}
	if !p.known {
		p.known, p.client = true, d
		if p.phase == greets {
			p.client = d.Other()
		}
	}
	n := size(b)
	read := min(n, maxRead)
	if len(b) < header+read {
		return 0
	}
	body := b[header : header+read]
	if n > read {
		c.Skip(d, int64(n-read))
	}
	more := p.more[d]
	p.more[d] = n == maxChunk
	ok := true
	switch {
	case more && d == p.client:
		if x := p.queue.Last(); x != nil {
			x.Kind += 1 << 8 // The answer counts on from the last packet of the request.
		}
	case more:
		p.bytes += int64(header + n)
	case d == p.client:
		ok = p.request(c, d, b[3], body, n)
	default:
		ok = p.reply(c, d, b[3], body, n)
	}
	if !ok {
		c.Fail("not a packet of MySQL")
	}
	return header + read
}

func (p *parser) fields(c *proto.Conv, n int) []event.Field {
	name := "mysql"
	if strings.Contains(p.server, "MariaDB") {
		name = "mariadb"
	}
	return append(c.Fields(n+1), event.Field{Key: keys.System, Text: name})
}

// welcome reads the greeting of a server.
func (p *parser) welcome(c *proto.Conv, d proto.Dir, b []byte, n int) bool {
	m := c.Message(event.MessageNotice, d)
	m.Bytes = int64(header + n)
	r := bin.Of(b)
	switch r.U8() {
	case 0xff:
		code := strconv.Itoa(int(r.LE16()))
		m.Text, m.Error = proto.Text(r.B), code
		m.Fields = append(p.fields(c, 1), event.Field{Key: keys.Status, Text: code})
		c.Emit(m)
		return true
	case 10:
	default:
		return false
	}
	version := r.CString()
	p.server = string(version[:min(len(version), 64)])
	r.Bytes(4 + 8 + 1)
	p.caps = uint32(r.LE16())
	r.Bytes(1 + 2)
	p.caps |= uint32(r.LE16()) << 16
	p.phase = logsIn
	m.Text = "greeting"
	m.Fields = append(p.fields(c, 1), event.Field{Key: keyServer, Text: p.server})
	c.Emit(m)
	return !r.Short
}

// login reads the answer of a client to the greeting.
func (p *parser) login(c *proto.Conv, d proto.Dir, b []byte, n int) bool {
	r := bin.Of(b)
	caps := r.LE32()
	if caps&withProtocol41 == 0 {
		return false // before 4.1
	}
	m := c.Message(event.MessageRequest, d)
	m.Bytes = int64(header + n)
	m.Fields = p.fields(c, 3)
	const toTLS = 32
	if n == toTLS && caps&canTLS != 0 {
		m.Kind, m.Text = event.MessageNotice, "SSLRequest"
		c.Emit(m)
		c.Switch(nil)
		return true
	}
	p.caps &= caps
	r.Bytes(4 + 1 + 23)
	user := r.CString()
	if caps&lengthOfPassword != 0 {
		r.Bytes(int(lenenc(r)))
	} else {
		r.Bytes(int(r.U8()))
	}
	if caps&withDatabase != 0 {
		db := r.CString()
		p.db = string(db[:min(len(db), 64)])
	}
	if caps&withPlugin != 0 {
		plugin := r.CString()
		p.auth = string(plugin[:min(len(plugin), 48)])
	}
	m.Text, m.Group = "login", "login"
	if p.db != "" {
		m.Text = "login " + p.db
		m.Fields = append(m.Fields, event.Field{Key: keys.Namespace, Text: p.db})
	}
	m.Fields = append(m.Fields, event.Field{Key: keys.User, Text: proto.Text(user)})
	x := c.Ask(m)
	x.Kind = comChangeUser
	p.queue.Push(x)
	p.phase = proves
	return true
}

// lenenc reads a number that has a length of its own.
func lenenc(r *bin.Reader) uint64 {
	switch first := r.U8(); first {
	case 0xfc:
		return uint64(r.LE16())
	case 0xfd:
		return uint64(r.LE16()) | uint64(r.U8())<<16
	case 0xfe:
		return r.LE64()
	case 0xfb, 0xff:
		r.Short = true
		return 0
	default:
		return uint64(first)
	}
}

// request reads a packet of a client.
func (p *parser) request(c *proto.Conv, d proto.Dir, seq byte, b []byte, n int) bool {
	switch {
	case p.phase == greets:
		return false
	case p.phase == logsIn:
		return p.login(c, d, b, n)
	case p.phase == proves, seq != 0:
		return true // a part of the authentication, or of a file that the server asked for
	case n == 0:
		return false
	}
	code := b[0]
	name := commands[code]
	if name == "" {
		return false
	}
	p.resume(c, d.Other())
	m := c.Message(event.MessageRequest, d)
	m.Bytes = int64(header + n)
	m.Fields = p.fields(c, 6)
	m.Text, m.Group = name, name
	r := bin.Of(b[1:])
	switch code {
	case comQuery:
		if p.caps&withAttributes != 0 {
			attributes(r)
		}
		p.statement(c, m, r.B)
	case comPrepare:
		p.prepare(c, m, r.B)
	case comExecute, comFetch, comResetStmt, comCloseStmt, comLongData, comBulk:
		id := r.LE32()
		p.execute(m, code, name, id)
		if code == comCloseStmt {
			p.forget(id)
		}
	case comInitDB:
		p.db = string(r.B[:min(len(r.B), 64)])
		m.Text = "use " + p.db
	case 0x05, 0x06:
		m.Text = name + " " + proto.Text(r.B[:min(len(r.B), 64)])
	case comFieldList:
		m.Text = name + " " + proto.Text(r.CString())
	case comChangeUser:
		m.Text = name + " " + proto.Text(r.CString())
	}
	m.Fields = append(m.Fields, event.Field{Key: keys.Summary, Text: m.Group})
	if p.db != "" {
		m.Fields = append(m.Fields, event.Field{Key: keys.Namespace, Text: p.db})
	}
	if code == comQuit || code == comCloseStmt || code == comLongData {
		m.Kind, m.Group = event.MessageNotice, "" // The server does not answer.
		c.Emit(m)
		return true
	}
	x := c.Ask(m)
	x.Kind = int(code)
	p.queue.Push(x)
	return true
}

// Lost waits for the next command if bytes of an answer are missing: clients send one at a time, and the packets of an
// answer are numbered from 1.
func (p *parser) Lost(c *proto.Conv, d proto.Dir, _ int64) bool {
	if !p.known || d == p.client || p.phase != commanded || p.queue.Len() != 1 {
		return false
	}
	if !p.begun {
		p.begun, p.at = true, c.Here()
		p.begin, _ = c.Times()
	}
	p.hole, p.more[d] = true, false
	_, p.lost = c.Times()
	return true
}

// resume ends an answer of which bytes are missing.
func (p *parser) resume(c *proto.Conv, d proto.Dir) {
	if !p.hole {
		return
	}
	if x := p.queue.First(); x != nil && byte(x.Kind) == comPrepare && p.expects == begins {
		p.prepared(0, false)
	}
	p.done(c, d, "answer", 0)
	p.hole = false
}

// attributes passes the attributes of a query.
func attributes(r *bin.Reader) {
	count := lenenc(r)
	lenenc(r) // the number of sets of them: 1
	if count == 0 {
		return
	}
	const most = 64
	if count > most {
		r.B = nil
		return
	}
	null := r.Bytes(int(count+7) / 8)
	r.U8()
	var types [most]uint16
	for i := range count {
		types[i] = r.LE16()
		r.Bytes(int(min(lenenc(r), maxRead)))
	}
	for i := range count {
		if r.Short || null[i/8]>>(i%8)&1 != 0 {
			continue
		}
		switch types[i] & 0xff {
		case 1: // an integer of one byte
			r.Bytes(1)
		case 2, 13:
			r.Bytes(2)
		case 3, 4, 9:
			r.Bytes(4)
		case 5, 8:
			r.Bytes(8)
		case 7, 10, 11, 12: // times
			r.Bytes(int(r.U8()))
		default:
			r.Bytes(int(min(lenenc(r), maxRead)))
		}
	}
}

// statement makes a query the text of a request.
func (p *parser) statement(c *proto.Conv, m *event.Message, sql []byte) {
	p.text = sqltext.Fold(p.text[:0], sql, !c.Secrets())
	if len(p.text) == 0 {
		return
	}
	m.Text = string(p.text)
	op, summary := sqltext.Summary(sql)
	m.Group = summary
	m.Fields = append(m.Fields, event.Field{Key: keys.Operation, Text: op}, event.Field{Key: keys.Query, Text: m.Text})
}

// changes reports whether a statement that changed nothing is worth a word, by its summary.
func changes(group string) bool {
	op, _, _ := strings.Cut(group, " ")
	switch op {
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD":
		return true
	}
	return false
}

// prepare reads a statement whose number will be in the answer.
func (p *parser) prepare(c *proto.Conv, m *event.Message, sql []byte) {
	p.text = sqltext.Fold(p.text[:0], sql, !c.Secrets())
	s := statement{text: string(p.text)}
	s.operate, s.summary = sqltext.Summary(sql)
	m.Text = "prepare " + s.text
	m.Fields = append(m.Fields, event.Field{Key: keys.Operation, Text: "prepare"}, event.Field{Key: keys.Query, Text: s.text})
	const most = 4
	if len(p.preparing) == most {
		p.stored -= p.preparing[0].size()
		p.preparing = p.preparing[:copy(p.preparing, p.preparing[1:])]
	}
	p.stored += s.size()
	p.preparing = append(p.preparing, s)
}

func (s *statement) size() int { return len(s.text) + len(s.summary) + len(s.operate) }

// execute makes a prepared statement the text of a request.
func (p *parser) execute(m *event.Message, code byte, name string, id uint32) {
	m.Fields = append(m.Fields, event.Field{Key: keyStatement, Num: int64(id)})
	for i := range p.statements {
		if s := &p.statements[i]; s.id == id {
			m.Fields = append(m.Fields, event.Field{Key: keys.Query, Text: s.text})
			if code == comExecute || code == comBulk {
				m.Text, m.Group = s.text, s.summary
				m.Fields = append(m.Fields, event.Field{Key: keys.Operation, Text: s.operate})
				return
			}
		}
	}
	m.Text = name + " " + strconv.FormatUint(uint64(id), 10)
	if code == comExecute || code == comBulk {
		m.Unsure = "its statement is not known"
	}
}

func (p *parser) forget(id uint32) {
	for i := range p.statements {
		if p.statements[i].id == id {
			p.stored -= p.statements[i].size()
			p.statements = append(p.statements[:i], p.statements[i+1:]...)
			return
		}
	}
}

// prepared gives the oldest statement that is being prepared its number.
func (p *parser) prepared(id uint32, ok bool) {
	if len(p.preparing) == 0 {
		return
	}
	s := p.preparing[0]
	p.preparing = p.preparing[:copy(p.preparing, p.preparing[1:])]
	if !ok {
		p.stored -= s.size()
		return
	}
	s.id = id
	p.forget(id)
	p.statements = append(p.statements, s)
	for len(p.statements) > maxStatements || p.stored > maxStored && len(p.statements) > 0 {
		p.forget(p.statements[0].id)
	}
}

// reply reads a packet of a server.
func (p *parser) reply(c *proto.Conv, d proto.Dir, seq byte, b []byte, n int) bool {
	switch p.phase {
	case greets:
		return p.welcome(c, d, b, n)
	case logsIn:
		return false
	}
	if n == 0 {
		return false
	}
	kind := b[0]
	isEOF := kind == 0xfe && n < 9
	x := p.queue.First()
	expected := byte(1)
	if x != nil {
		expected += byte(x.Kind >> 8)
	}
	if p.phase == commanded && !p.begun && (x == nil && p.queue.Len() == 0 && kind != 0xff || seq != expected && kind != 0xff) {
		return true // It ends what was complete already, or answers what was sent before the connection was watched.
	}
	if !p.begun {
		p.begun, p.at = true, c.Here()
		p.begin, _ = c.Times()
	}
	p.bytes += int64(header + n)
	if kind == 0xff && p.expects != columns && p.expects != params {
		return p.failed(c, d, b)
	}
	code := byte(0)
	if x != nil {
		code = byte(x.Kind)
	}
	switch p.expects {
	case begins, data:
		return p.first(c, d, code, b, n)
	case params:
		if isEOF {
			return true // between parameters and columns
		}
		if p.left--; p.left == 0 {
			p.done(c, d, "prepared", 0)
		}
	case columns:
		switch {
		case p.left > 0:
			p.left--
		case isEOF && n == 5:
			p.expects = rows
			if b[3]&cursorExists != 0 {
				p.done(c, d, "cursor", 0)
			}
		default:
			p.expects = rows // The client needs no packet between descriptions and rows.
			return p.row(c, d, code, b, n)
		}
	case rows:
		return p.row(c, d, code, b, n)
	}
	return true
}

// first reads the first packet of an answer.
func (p *parser) first(c *proto.Conv, d proto.Dir, code byte, b []byte, n int) bool {
	p.expects = begins
	r := bin.Of(b)
	switch {
	case code == comChangeUser && b[0] != 0:
		if b[0] == 0xfe {
			r.U8()
			if plugin := r.CString(); len(plugin) > 0 {
				p.auth = string(plugin[:min(len(plugin), 48)])
			}
		}
		return true // more about the authentication
	case code == comStatistics:
		p.done(c, d, "statistics", 0)
	case code == comPrepare && b[0] == 0:
		r.U8()
		p.prepared(r.LE32(), true)
		p.left = int(r.LE16()) + int(r.LE16())
		if p.left == 0 {
			p.done(c, d, "prepared", 0)
			return true
		}
		p.expects = params
	case b[0] == 0 && n >= 7 || b[0] == 0xfe && n >= 7 && n < maxChunk:
		p.okay(c, d, r)
	case b[0] == 0xfe:
		r.U8()
		p.done(c, d, "OK", int64(r.LE16()))
	case b[0] == 0xfb && code == comQuery:
		p.expects = data
	case code == comBinlogDump || code == comBinlogByGTID:
		p.done(c, d, "events", 0)
		c.Skip(d, -1) // They do not end.
	case code == comFetch || code == comFieldList:
		p.expects = rows
		return p.row(c, d, code, b, n)
	default:
		count := lenenc(r)
		if r.Short || count == 0 || count > 4096 {
			return false
		}
		p.left, p.expects, p.set = int(count), columns, true
	}
	return true
}

// row reads a row, or the end of the rows.
func (p *parser) row(c *proto.Conv, d proto.Dir, code byte, b []byte, n int) bool {
	if b[0] != 0xfe || n >= maxChunk {
		p.rows++
		p.set = p.set || code != comFieldList
		return true
	}
	r := bin.Of(b[1:])
	if n >= 7 {
		p.finish(c, d, r, true)
		return true
	}
	warnings, status := r.LE16(), r.LE16()
	p.result(c, d, status, int64(warnings))
	return true
}

// okay reads a packet that says that something was done.
func (p *parser) okay(c *proto.Conv, d proto.Dir, r *bin.Reader) {
	r.U8()
	p.finish(c, d, r, false)
}

// finish reads the end of a packet that ends rows, or says that something was done.
func (p *parser) finish(c *proto.Conv, d proto.Dir, r *bin.Reader, afterRows bool) {
	affected := lenenc(r)
	lenenc(r) // the last number that was made
	status, warnings := r.LE16(), r.LE16()
	if !afterRows && !r.Short {
		p.changed += int64(min(affected, 1<<60))
		p.counts = true
	}
	p.result(c, d, status, int64(warnings))
}

// result ends one result of an answer, which may have several.
func (p *parser) result(c *proto.Conv, d proto.Dir, status uint16, warnings int64) {
	p.expects = begins
	if status&moreResults != 0 {
		return
	}
	p.done(c, d, "OK", warnings)
}

// failed reads an error.
func (p *parser) failed(c *proto.Conv, d proto.Dir, b []byte) bool {
	r := bin.Of(b[1:])
	code := r.LE16()
	if code == 0xffff {
		return true // the progress of a command (MariaDB)
	}
	state := []byte(nil)
	if len(r.B) > 6 && r.B[0] == '#' {
		r.U8()
		state = r.Bytes(5)
	}
	number := strconv.Itoa(int(code))
	p.finishWith(c, d, proto.Text(r.B[:min(len(r.B), 512)]), number, state, 0)
	return true
}

// done emits the answer to the oldest request.
func (p *parser) done(c *proto.Conv, d proto.Dir, text string, warnings int64) {
	p.finishWith(c, d, text, "", nil, warnings)
}

func (p *parser) finishWith(c *proto.Conv, d proto.Dir, text, code string, state []byte, warnings int64) {
	x := p.queue.Pop()
	m := c.Message(event.MessageAnswer, d)
	if !x.Known() {
		m.Kind = event.MessageNotice
	}
	m.Begin, m.Bytes, m.Text, m.Error = p.begin, p.bytes, text, code
	if p.hole {
		m.End, m.Unsure = max(p.lost, m.Begin), "a part of it was not recorded"
	}
	m.Fields = p.fields(c, 6)
	if code != "" {
		m.Fields = append(m.Fields, event.Field{Key: keys.Status, Text: code}, event.Field{Key: keyState, Text: proto.Text(state)})
		if byte(x.Kind) == comPrepare {
			p.prepared(0, false)
		}
	}
	if p.phase == proves || byte(x.Kind) == comChangeUser {
		m.Fields = append(m.Fields, event.Field{Key: keyAuth, Text: p.auth})
		p.phase = commanded
	}
	if p.set && !p.hole {
		m.Fields = append(m.Fields, event.Field{Key: keys.Rows, Num: p.rows})
	}
	if p.changed > 0 || p.counts && changes(x.Group) {
		m.Fields = append(m.Fields, event.Field{Key: keys.Affected, Num: p.changed})
	}
	if warnings > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyWarnings, Num: warnings})
	}
	c.Close(&x, m)
	c.EmitAt(m, p.at)
	p.expects, p.begun, p.bytes, p.rows, p.set, p.changed, p.counts = begins, false, 0, 0, false, 0, false
	if byte(x.Kind) == comChangeUser && x.Known() && code == "" && p.caps&(canCompress|canZstd) != 0 {
		c.Fail("its messages are compressed")
	}
}
