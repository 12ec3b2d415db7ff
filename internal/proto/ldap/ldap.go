// Package ldap reads LDAP version 3 (RFC 4511) with StartTLS, and filters as text (RFC 4515).
package ldap

import (
	"strconv"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/mask"
)

// Protocol is LDAP.
var Protocol = &proto.Protocol{
	Name: "ldap", Title: "LDAP",
	Ports:  []uint16{389, 3268},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyID, keyOperation, keyName, keyMethod, keyPassword, keyScope, keyFilter, keyCode, keyDiagnostic, keyEntries, keyOID},
}

var (
	keyID         = &event.Key{Name: "ldap.message_id", Form: event.FormCount}
	keyOperation  = &event.Key{Name: "ldap.operation", Form: event.FormQuiet}
	keyName       = &event.Key{Name: "ldap.name", Form: event.FormQuiet}
	keyMethod     = &event.Key{Name: "ldap.bind.method", Label: "auth"}
	keyPassword   = &event.Key{Name: "ldap.bind.password", Form: event.FormQuiet}
	keyScope      = &event.Key{Name: "ldap.search.scope", Label: "scope"}
	keyFilter     = &event.Key{Name: "ldap.search.filter", Form: event.FormQuiet}
	keyCode       = &event.Key{Name: "ldap.result_code", Form: event.FormCount}
	keyDiagnostic = &event.Key{Name: "ldap.diagnostic"}
	keyEntries    = &event.Key{Name: "ldap.search.entries", Label: "entries", Form: event.FormInt}
	keyOID        = &event.Key{Name: "ldap.extended.oid", Form: event.FormQuiet}
)

const (
	maxSize = 16 << 20
	// maxRead is how much of a message is read; the rest passes.
	maxRead = 2 << 10
	// maxName bounds names, filters and texts of servers.
	maxName = 300
	// maxDepth bounds the levels of filters in filters.
	maxDepth = 16
)

// Tags of operations.
const (
	bindRequest     = 0x60
	bindAnswer      = 0x61
	unbindRequest   = 0x42
	searchRequest   = 0x63
	searchEntry     = 0x64
	searchDone      = 0x65
	modifyRequest   = 0x66
	addRequest      = 0x68
	deleteRequest   = 0x4a
	renameRequest   = 0x6c
	compareRequest  = 0x6e
	abandonRequest  = 0x50
	searchReference = 0x73
	extendedRequest = 0x77
	extendedAnswer  = 0x78
	intermediate    = 0x79
)

var requests = map[byte]string{
	bindRequest: "bind", unbindRequest: "unbind", searchRequest: "search", modifyRequest: "modify", addRequest: "add", deleteRequest: "delete", renameRequest: "rename",
	compareRequest: "compare", abandonRequest: "abandon", extendedRequest: "extended",
}

var answers = map[byte]bool{
	bindAnswer: true, searchEntry: true, searchDone: true, searchReference: true, 0x67: true, 0x69: true, 0x6b: true, 0x6d: true, 0x6f: true, extendedAnswer: true, intermediate: true,
}

// results are the names of result codes.
var results = map[int64]string{
	0: "success", 1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 4: "sizeLimitExceeded", 5: "compareFalse", 6: "compareTrue", 7: "authMethodNotSupported",
	8: "strongerAuthRequired", 10: "referral", 11: "adminLimitExceeded", 12: "unavailableCriticalExtension", 13: "confidentialityRequired", 14: "saslBindInProgress", 16: "noSuchAttribute",
	17: "undefinedAttributeType", 18: "inappropriateMatching", 19: "constraintViolation", 20: "attributeOrValueExists", 21: "invalidAttributeSyntax", 32: "noSuchObject", 33: "aliasProblem",
	34: "invalidDNSyntax", 36: "aliasDereferencingProblem", 48: "inappropriateAuthentication", 49: "invalidCredentials", 50: "insufficientAccessRights", 51: "busy", 52: "unavailable",
	53: "unwillingToPerform", 54: "loopDetect", 64: "namingViolation", 65: "objectClassViolation", 66: "notAllowedOnNonLeaf", 67: "notAllowedOnRDN", 68: "entryAlreadyExists",
	69: "objectClassModsProhibited", 71: "affectsMultipleDSAs", 80: "other", 118: "canceled", 119: "noSuchOperation", 120: "tooLate", 121: "cannotCancel",
}

// extensions are the names of extended operations.
var extensions = map[string]string{
	oidStartTLS: "StartTLS", "1.3.6.1.4.1.4203.1.11.1": "password modify", "1.3.6.1.4.1.4203.1.11.3": "who am I", "1.3.6.1.1.8": "cancel",
}

const oidStartTLS = "1.3.6.1.4.1.1466.20037"

// detect waits for the first message only until the other end answers.
func detect(h *proto.Hint) proto.Verdict {
	v := look(h)
	if v == proto.Wait && h.Turned() {
		return proto.No
	}
	return v
}

// look reads the beginning of a message: its number, and what it is.
func look(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 || b[0] != 0x30 {
		return proto.No
	}
	total, header := size(b)
	switch {
	case header < 0:
		return proto.No
	case header == 0:
		return proto.Wait
	}
	b = b[header:]
	if len(b) > 0 && b[0] != 2 || len(b) > 1 && (b[1] < 1 || b[1] > 4) {
		return proto.No
	}
	const least = 12
	if len(b) < least && header+len(b) < total {
		return proto.Wait
	}
	r := bin.Of(b)
	_, number := element(r)
	if _, ok := integer(number); !ok {
		return proto.No
	}
	tag := r.U8()
	length(r)
	inner, next := r.U8(), r.U8()
	known := false
	switch tag {
	case bindRequest:
		known = inner == 2 && next == 1 // the version
	case searchRequest, modifyRequest, addRequest, compareRequest, renameRequest:
		known = inner == 4
	case extendedRequest:
		known = inner == 0x80
	case unbindRequest, deleteRequest, abandonRequest:
		return proto.Maybe
	case searchEntry:
		known = !h.Start && inner == 4
	default:
		known = !h.Start && answers[tag] && inner == 0x0a && next == 1 // the result
	}
	if known {
		return proto.Sure
	}
	return proto.No
}

// open is a request that waits for its answer.
type open struct {
	id      int64
	x       proto.Exchange
	entries int64
	bytes   int64
	begun   bool
	begin   int64
	at      proto.At
	tls     bool
	dir     proto.Dir
}

// maxOpen bounds them.
const maxOpen = 48

type parser struct {
	proto.Base
	open []open
}

func (p *parser) Held() int { return int(unsafe.Sizeof(*p)) + cap(p.open)*int(unsafe.Sizeof(open{})) }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	total, header := size(b)
	switch {
	case b[0] != 0x30, header < 0:
		c.Fail("not a message of LDAP")
		return 0
	case header == 0:
		return 0
	}
	read := min(total, maxRead)
	if len(b) < read {
		return 0
	}
	if read < total {
		c.Skip(d, int64(total-read))
	}
	r := bin.Of(b[header:read])
	kind, number := element(r)
	id, ok := integer(number)
	tag, body := element(r)
	switch {
	case !ok || kind != 2:
		c.Fail("not a message of LDAP")
	case requests[tag] != "":
		p.request(c, d, id, tag, body, total)
	case answers[tag]:
		p.answer(c, d, id, tag, body, total)
	default:
		c.Fail("not a message of LDAP")
	}
	return read
}

// shown returns a name as it is shown.
func shown(b []byte) string {
	if !bin.Printable(b) {
		return "?"
	}
	return proto.Text(b[:min(len(b), maxName)])
}

func (p *parser) request(c *proto.Conv, d proto.Dir, id int64, tag byte, body []byte, total int) {
	name := requests[tag]
	m := c.Message(event.MessageRequest, d)
	m.Bytes, m.Text, m.Group = int64(total), name, name
	m.Fields = append(c.Fields(8), event.Field{Key: keyID, Num: id}, event.Field{Key: keyOperation, Text: name})
	r := bin.Of(body)
	o := open{id: id, dir: d}
	subject, about := "", ""
	switch tag {
	case unbindRequest:
		m.Kind, m.Group = event.MessageNotice, ""
		c.Emit(m)
		return
	case abandonRequest:
		m.Kind, m.Group = event.MessageNotice, ""
		if number, ok := integer(body); ok {
			if i := p.find(number, d); i >= 0 {
				m.Exchange = p.open[i].x.ID
				p.remove(i)
			}
		}
		c.Emit(m)
		return
	case bindRequest:
		element(r)
		_, dn := element(r)
		subject = shown(dn)
		p.bind(c, m, r)
	case searchRequest:
		_, base := element(r)
		subject = shown(base)
		about = search(c, m, r)
	case deleteRequest:
		subject = shown(body)
	case extendedRequest:
		_, oid := element(r)
		text := shown(oid)
		o.tls = text == oidStartTLS
		m.Fields = append(m.Fields, event.Field{Key: keyOID, Text: text})
		if what := extensions[text]; what != "" {
			text = what
		}
		m.Text, m.Group = text, text
	default:
		_, dn := element(r)
		subject = shown(dn)
	}
	if tag != extendedRequest {
		m.Fields = append(m.Fields, event.Field{Key: keyName, Text: subject})
	}
	for _, part := range [...]string{subject, about} {
		if part != "" {
			m.Text += " " + part
		}
	}
	o.x = c.Ask(m)
	if i := p.find(id, d); i >= 0 {
		p.remove(i)
	}
	if len(p.open) >= maxOpen {
		p.remove(0)
	}
	p.open = append(p.open, o)
}

// bind adds how a client proves who it is.
func (p *parser) bind(c *proto.Conv, m *event.Message, r *bin.Reader) {
	switch tag, b := element(r); {
	case tag == 0x80 && len(b) == 0:
		m.Fields = append(m.Fields, event.Field{Key: keyMethod, Text: "none"})
	case tag == 0x80:
		m.Fields = append(m.Fields, event.Field{Key: keyMethod, Text: "simple"}, event.Field{Key: keyPassword, Text: c.Secret(shown(b))})
	case tag == 0xa3:
		_, mechanism := element(bin.Of(b))
		m.Fields = append(m.Fields, event.Field{Key: keyMethod, Text: shown(mechanism)})
	}
}

var scopes = [...]string{"base", "one", "sub", "children"}

// search adds how far is searched, and returns the filter.
func search(c *proto.Conv, m *event.Message, r *bin.Reader) string {
	_, scope := element(r)
	for range 4 { // aliases, limits, types only
		element(r)
	}
	if n, ok := integer(scope); ok && int(n) < len(scopes) {
		m.Fields = append(m.Fields, event.Field{Key: keyScope, Text: scopes[n]})
	}
	b := filter{hide: !c.Secrets()}
	if !b.write(r, 0) {
		b.WriteString("...")
	}
	text := b.String()
	m.Fields = append(m.Fields, event.Field{Key: keyFilter, Text: text})
	return text
}

// filter writes filters as text.
type filter struct {
	strings.Builder
	hide bool // values of secret attributes
}

// write writes a filter, and reports whether all of it could be read.
func (b *filter) write(r *bin.Reader, depth int) bool {
	tag, body := element(r)
	if r.Short && len(body) == 0 || depth > maxDepth || b.Len() > maxName {
		return false
	}
	in := bin.Of(body)
	b.WriteByte('(')
	defer b.WriteByte(')')
	switch tag {
	case 0xa0, 0xa1, 0xa2: // and, or, not
		b.WriteByte("&|!"[tag-0xa0])
		for len(in.B) > 0 {
			if !b.write(in, depth+1) {
				return false
			}
		}
	case 0xa3, 0xa5, 0xa6, 0xa8:
		_, name := element(in)
		_, value := element(in)
		b.WriteString(shown(name))
		b.WriteString(map[byte]string{0xa3: "=", 0xa5: ">=", 0xa6: "<=", 0xa8: "~="}[tag])
		b.WriteString(b.value(name, value))
	case 0xa4: // parts of a text
		_, name := element(in)
		_, parts := element(in)
		b.WriteString(shown(name))
		b.WriteByte('=')
		list := bin.Of(parts)
		for first := true; len(list.B) > 0; first = false {
			kind, part := element(list)
			if kind != 0x80 && first {
				b.WriteByte('*')
			}
			b.WriteString(b.value(name, part))
			if kind != 0x82 {
				b.WriteByte('*')
			}
		}
	case 0x87:
		b.WriteString(shown(body))
		b.WriteString("=*")
	case 0xa9: // a rule of matching
		var rule, name, value []byte
		for len(in.B) > 0 {
			switch kind, part := element(in); kind {
			case 0x81:
				rule = part
			case 0x82:
				name = part
			case 0x83:
				value = part
			}
		}
		b.WriteString(shown(name))
		if len(rule) > 0 {
			b.WriteByte(':')
			b.WriteString(shown(rule))
		}
		b.WriteString(":=")
		b.WriteString(b.value(name, value))
	default:
		return false
	}
	return !in.Short && !r.Short
}

// value returns the value of an attribute as it is shown.
func (b *filter) value(name, value []byte) string {
	if b.hide && mask.Name(proto.Text(name)) {
		return mask.Stars
	}
	const most = 100
	return shown(value[:min(len(value), most)])
}

// find returns the index of a request of one end.
func (p *parser) find(id int64, d proto.Dir) int {
	for i := range p.open {
		if p.open[i].id == id && p.open[i].dir == d {
			return i
		}
	}
	return -1
}

func (p *parser) remove(i int) { p.open = append(p.open[:i], p.open[i+1:]...) }

func (p *parser) answer(c *proto.Conv, d proto.Dir, id int64, tag byte, body []byte, total int) {
	i := p.find(id, d.Other())
	if i >= 0 {
		o := &p.open[i]
		o.bytes += int64(total)
		if !o.begun {
			o.begun, o.at = true, c.Here()
			o.begin, _ = c.Times()
		}
		switch tag {
		case searchEntry, searchReference:
			o.entries++
			return
		case intermediate:
			return
		}
	} else if tag == searchEntry || tag == searchReference || tag == intermediate {
		return // of a search that was asked before the connection was watched
	}
	m := c.Message(event.MessageAnswer, d)
	m.Bytes = int64(total)
	m.Fields = append(c.Fields(4), event.Field{Key: keyID, Num: id})
	result(m, bin.Of(body))
	if i < 0 {
		if id == 0 {
			m.Kind = event.MessageNotice // of disconnection
		}
		c.Emit(m)
		return
	}
	o := p.open[i]
	p.remove(i)
	m.Begin, m.Bytes = o.begin, o.bytes
	if tag == searchDone {
		m.Fields = append(m.Fields, event.Field{Key: keyEntries, Num: o.entries})
	}
	c.Close(&o.x, m)
	c.EmitAt(m, o.at)
	if tag == extendedAnswer && o.tls && m.Error == "" {
		c.Switch(nil)
	}
}

// result reads the result of an operation.
func result(m *event.Message, r *bin.Reader) {
	_, b := element(r)
	code, ok := integer(b)
	if !ok {
		m.Text = "answer"
		return
	}
	element(r) // the part of the name that exists
	_, text := element(r)
	m.Text = results[code]
	if m.Text == "" {
		m.Text = "result " + strconv.FormatInt(code, 10)
	}
	m.Fields = append(m.Fields, event.Field{Key: keyCode, Num: code})
	const (
		compareFalse = 5
		compareTrue  = 6
		referral     = 10
		inProgress   = 14
	)
	if code != 0 && code != compareFalse && code != compareTrue && code != referral && code != inProgress {
		m.Error = m.Text
	}
	if len(text) > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyDiagnostic, Text: shown(text)})
	}
}
