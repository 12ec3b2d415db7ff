// Package mongodb reads the wire protocol of MongoDB
// (https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/): OP_MSG, OP_COMPRESSED, and what came before them.
package mongodb

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/keys"
	"github.com/pidwire/pidwire/internal/proto/tail"
)

// Protocol is that of MongoDB.
var Protocol = &proto.Protocol{
	Name: "mongodb", Title: "MongoDB",
	Ports:  []uint16{27017, 27018, 27019},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keys.System, keys.Operation, keys.Summary, keys.Namespace, keys.Collection, keys.Status, keys.Rows, keys.Affected, keyCompressor},
}

var keyCompressor = &event.Key{Name: "mongodb.compressor", Label: "compressed"}

// Codes of operations.
const (
	opReply      = 1
	opUpdate     = 2001
	opInsert     = 2002
	opQuery      = 2004
	opGetMore    = 2005
	opDelete     = 2006
	opKill       = 2007
	opCompressed = 2012
	opMsg        = 2013
)

const (
	header  = 16
	maxSize = 48 << 20
	// maxRead is how much of a message is read; the rest passes.
	maxRead = 4 << 10
	// maxName bounds the names that are shown.
	maxName = 120
)

// Flags of OP_MSG.
const (
	flagMore    = 1 << 1 // the other end is not to answer
	flagsKnown  = 1<<0 | flagMore
	flagsIgnore = 0xffff << 16 // may be set by newer versions
)

var operations = map[uint32]string{opUpdate: "update", opInsert: "insert", opGetMore: "getMore", opDelete: "delete", opKill: "killCursors"}

func known(op uint32) bool {
	return op == opReply || op == opQuery || op == opCompressed || op == opMsg || operations[op] != ""
}

// detect waits for the first message only until the other end answers.
func detect(h *proto.Hint) proto.Verdict {
	v := look(h)
	if v == proto.Wait && h.Turned() {
		return proto.No
	}
	return v
}

// look reads a header, whose parts are unlikely otherwise.
func look(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 {
		return proto.No
	}
	if len(b) >= 4 {
		if n := binary.LittleEndian.Uint32(b); n < header+5 || n > maxSize {
			return proto.No
		}
	}
	if len(b) < header+5 {
		if len(b) >= header && !known(binary.LittleEndian.Uint32(b[12:])) || len(b) > 15 && b[15] != 0 || len(b) > 14 && b[14] != 0 {
			return proto.No
		}
		return proto.Wait
	}
	op := binary.LittleEndian.Uint32(b[12:])
	if !known(op) || h.Start && binary.LittleEndian.Uint32(b[8:]) != 0 {
		return proto.No
	}
	flags := binary.LittleEndian.Uint32(b[header:])
	switch op {
	case opMsg:
		if flags&^(flagsKnown|flagsIgnore) == 0 && b[header+4] <= 1 {
			return proto.Sure
		}
		return proto.No
	case opQuery:
		name, _, whole := bytes.Cut(b[header+4:], []byte{0})
		if whole && bytes.HasSuffix(name, []byte(".$cmd")) {
			return proto.Sure
		}
	case opCompressed:
		if known(flags) {
			return proto.Sure
		}
		return proto.No
	}
	return proto.Maybe
}

type parser struct {
	proto.Base
	asked proto.Numbered
	tails [2]tail.Tail
	last  [2]uint32 // the request whose last bytes pass
}

func (p *parser) Held() int {
	return int(unsafe.Sizeof(*p)) + p.asked.Held() + p.tails[0].Held() + p.tails[1].Held()
}

func (p *parser) Skipped(c *proto.Conv, d proto.Dir) {
	if p.tails[d].Skipped(c) {
		return
	}
	if x := p.asked.Get(number(d, p.last[d])); x != nil {
		_, end := c.Times()
		c.Sent(x, end)
	}
}

func (p *parser) Ended(c *proto.Conv, d proto.Dir) { p.tails[d].Ended(c) }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if len(b) < header {
		return 0
	}
	n := binary.LittleEndian.Uint32(b)
	op := binary.LittleEndian.Uint32(b[12:])
	if n < header || n > maxSize || !known(op) {
		c.Fail("not a message of MongoDB")
		return 0
	}
	read := min(int(n), maxRead)
	if len(b) < read {
		return 0
	}
	rest := int64(n) - int64(read)
	id, to := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	kind := event.MessageRequest
	if to != 0 || op == opReply {
		kind = event.MessageAnswer
	}
	m := c.Message(kind, d)
	m.Bytes = int64(n)
	m.Fields = append(c.Fields(8), event.Field{Key: keys.System, Text: "mongodb"})
	silent := p.message(m, op, bin.Of(b[header:read]))
	if kind == event.MessageAnswer {
		// The exchange is that of the end that has sent the request.
		x := p.asked.Take(number(d.Other(), to))
		p.tails[d].Answer(c, d, m, x, rest)
		return read
	}
	if rest > 0 {
		c.Skip(d, rest)
		p.last[d] = id
	}
	x := c.Ask(m)
	if !silent {
		p.asked.Put(number(d, id), x)
	}
	return read
}

// number returns the key of a request of one end.
func number(d proto.Dir, id uint32) uint64 { return uint64(d)<<32 | uint64(id) }

// message reads what follows the header, and reports whether there will be no answer.
func (p *parser) message(m *event.Message, op uint32, r *bin.Reader) (silent bool) {
	switch op {
	case opMsg:
		flags := r.LE32()
		for !r.Short && len(r.B) > 0 {
			if r.U8() == 0 {
				p.document(m, r.B, "")
				break
			}
			r.Some(int(r.LE32()) - 4) // a sequence of documents, before the command
		}
		silent = flags&flagMore != 0 && m.Kind == event.MessageRequest
	case opQuery:
		r.LE32()
		space := r.CString()
		r.Bytes(8)
		db, collection, _ := strings.Cut(proto.Text(space), ".")
		if collection == "$cmd" {
			p.document(m, r.B, db)
			break
		}
		named(m, "query", collection, db)
	case opReply:
		r.Bytes(16)
		count := r.LE32()
		m.Text = "reply"
		p.document(m, r.B, "")
		if count > 1 {
			m.Fields = append(m.Fields, event.Field{Key: keys.Rows, Num: int64(count)})
		}
	case opCompressed:
		inner := r.LE32()
		r.LE32()
		how := "unknown"
		if i := int(r.U8()); i < len(compressors) {
			how = compressors[i]
		}
		m.Text, m.Group = "message", "compressed"
		if name := operations[inner]; name != "" {
			m.Text = name
		}
		m.Fields = append(m.Fields, event.Field{Key: keyCompressor, Text: how})
	default:
		if op == opGetMore || op == opUpdate || op == opInsert || op == opDelete {
			r.LE32()
			db, collection, _ := strings.Cut(proto.Text(r.CString()), ".")
			named(m, operations[op], collection, db)
		} else {
			named(m, operations[op], "", "")
		}
		silent = op != opGetMore
	}
	return silent
}

var compressors = [...]string{"noop", "snappy", "zlib", "zstd"}

// named makes a command with its collection the text of a request.
func named(m *event.Message, command, collection, db string) {
	command, collection, db = command[:min(len(command), maxName)], collection[:min(len(collection), maxName)], db[:min(len(db), maxName)]
	m.Text = command
	if collection != "" {
		m.Text += " " + collection
		m.Fields = append(m.Fields, event.Field{Key: keys.Collection, Text: collection})
	}
	m.Group = m.Text
	m.Fields = append(m.Fields, event.Field{Key: keys.Operation, Text: command}, event.Field{Key: keys.Summary, Text: m.Text})
	if db != "" {
		m.Fields = append(m.Fields, event.Field{Key: keys.Namespace, Text: db})
	}
}

// Types of elements (https://bsonspec.org/spec.html).
const (
	bsonDouble   = 0x01
	bsonString   = 0x02
	bsonDocument = 0x03
	bsonArray    = 0x04
	bsonBool     = 0x08
	bsonInt      = 0x10
	bsonLong     = 0x12
)

// element is an element of a document. What it has may be cut.
type element struct {
	kind  byte
	name  []byte
	value []byte
}

// next reads an element, and reports whether there was one.
func next(r *bin.Reader) (e element, ok bool) {
	e.kind = r.U8()
	if e.kind == 0 || r.Short {
		return e, false
	}
	if e.name = r.CString(); r.Short {
		return e, false
	}
	n := 0
	switch e.kind {
	case bsonDouble, 0x09, 0x11, bsonLong:
		n = 8
	case bsonString, 0x0d, 0x0e:
		n = int(r.LE32())
	case bsonDocument, bsonArray, 0x0f:
		n = int(r.LE32()) - 4
	case 0x05: // binary
		n = int(r.LE32()) + 1
	case 0x06, 0x0a, 0xff, 0x7f:
	case 0x07:
		n = 12
	case bsonBool:
		n = 1
	case 0x0b: // a regular expression
		r.CString()
		r.CString()
		return e, !r.Short
	case 0x0c:
		n = int(r.LE32()) + 12
	case bsonInt:
		n = 4
	case 0x13:
		n = 16
	default:
		return e, false
	}
	if r.Short {
		return e, false
	}
	e.value = r.Some(n)
	return e, true
}

// text returns the value of a string.
func (e *element) text() string {
	if e.kind != bsonString {
		return ""
	}
	s := bytes.TrimSuffix(e.value, []byte{0})
	if !bin.Printable(s) {
		return ""
	}
	return proto.Text(s[:min(len(s), 512)])
}

// number returns the value of a number.
func (e *element) number() (int64, bool) {
	switch {
	case e.kind == bsonInt && len(e.value) == 4:
		return int64(int32(binary.LittleEndian.Uint32(e.value))), true
	case e.kind == bsonLong && len(e.value) == 8:
		return int64(binary.LittleEndian.Uint64(e.value)), true
	case e.kind == bsonBool && len(e.value) == 1:
		return int64(e.value[0]), true
	case e.kind == bsonDouble && len(e.value) == 8:
		if f := math.Float64frombits(binary.LittleEndian.Uint64(e.value)); f >= 0 && f < 1<<53 {
			return int64(f), true
		}
	}
	return 0, false
}

// document reads a command or the answer to one.
func (p *parser) document(m *event.Message, b []byte, db string) {
	r := bin.Of(b)
	r.LE32()
	if m.Kind == event.MessageAnswer {
		answer(m, r)
		return
	}
	first, ok := next(r)
	if !ok {
		m.Text = "message"
		return
	}
	for e, ok := next(r); ok; e, ok = next(r) {
		if string(e.name) == "$db" {
			db = e.text()
		}
	}
	named(m, proto.Text(first.name), first.text(), db)
}

// answer reads the answer to a command.
func answer(m *event.Message, r *bin.Reader) {
	m.Text = "OK"
	failed := false
	text, name := "", ""
	code, coded := int64(0), false
	for e, ok := next(r); ok; e, ok = next(r) {
		switch string(e.name) {
		case "ok":
			n, isNumber := e.number()
			failed = failed || isNumber && n == 0
		case "errmsg", "$err":
			text = e.text()
		case "code":
			code, coded = e.number()
		case "codeName":
			name = e.text()
		case "n":
			if n, isNumber := e.number(); isNumber && n >= 0 {
				m.Fields = append(m.Fields, event.Field{Key: keys.Affected, Num: n})
			}
		case "cursor":
			if n, whole := batch(e.value); whole {
				m.Fields = append(m.Fields, event.Field{Key: keys.Rows, Num: n})
			}
		case "writeErrors":
			inner := bin.Of(e.value)
			if one, ok := next(inner); ok && one.kind == bsonDocument {
				fields := bin.Of(one.value)
				for f, ok := next(fields); ok; f, ok = next(fields) {
					switch string(f.name) {
					case "code":
						code, coded = f.number()
					case "errmsg":
						text = f.text()
					}
				}
				failed = true
			}
		}
	}
	if !failed {
		return
	}
	if name == "" && coded {
		name = strconv.FormatInt(code, 10)
	}
	if name == "" {
		name = "error"
	}
	m.Error, m.Text = name, name
	if text != "" {
		m.Text = text
	}
	m.Fields = append(m.Fields, event.Field{Key: keys.Status, Text: name})
}

// batch counts the documents of a cursor, if it has all of them.
func batch(b []byte) (n int64, whole bool) {
	r := bin.Of(b)
	for e, ok := next(r); ok; e, ok = next(r) {
		if e.kind != bsonArray || string(e.name) != "firstBatch" && string(e.name) != "nextBatch" {
			continue
		}
		list := bin.Of(e.value)
		for _, ok := next(list); ok; _, ok = next(list) {
			n++
		}
		return n, !list.Short && !r.Short
	}
	return 0, false
}
