// Package socks reads SOCKS 4, 4a and 5 (RFC 1928, RFC 1929). What a proxy passes on is read as what it is.
package socks

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/httpkey"
)

// Protocol is SOCKS.
var Protocol = &proto.Protocol{
	Name: "socks", Title: "SOCKS",
	Ports:  ports,
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyVersion, keyMethods, keyUser, keyPassword, keyCommand, keyBound, httpkey.Address, httpkey.Port},
}

var ports = []uint16{1080, 9050, 9150, 1081, 10808}

var (
	keyVersion  = &event.Key{Name: "socks.version", Form: event.FormQuiet}
	keyMethods  = &event.Key{Name: "socks.methods", Many: true}
	keyUser     = &event.Key{Name: "socks.user", Label: "user"}
	keyPassword = &event.Key{Name: "socks.password", Form: event.FormQuiet}
	keyCommand  = &event.Key{Name: "socks.command", Form: event.FormQuiet}
	keyBound    = &event.Key{Name: "socks.bound", Form: event.FormQuiet}
)

// Commands.
const (
	connect   = 1
	bind      = 2
	associate = 3
)

const (
	version4 = 4
	version5 = 5
	replied4 = 8 // size of an answer of version 4
	granted4 = 90
	// Methods of authentication.
	withGSSAPI   = 1
	withPassword = 2
	noMethod     = 0xff
)

// detect waits for the answer, as requests have little to know them by; on usual ports they are enough.
func detect(h *proto.Hint) proto.Verdict {
	b, answer := h.Begin(), h.Data[h.First.Other()]
	if !h.Stream || !h.Start || len(b) == 0 {
		return proto.No
	}
	likely, whole := false, false
	switch b[0] {
	case version4:
		likely, whole = request4(b)
	case version5:
		likely = true
		if len(b) > 1 {
			n := 2 + int(b[1])
			likely = b[1] > 0
			for _, method := range b[2:min(n, len(b))] {
				likely = likely && (method < 10 || method >= 0x80 && method != noMethod)
			}
			whole = len(b) >= n
			likely = likely && (len(b) <= n || b[n] == version5 || b[n] == 1)
		}
	}
	switch {
	case !likely:
		return proto.No
	case !whole:
		return proto.Wait
	case h.On(ports):
		return proto.Sure
	case len(answer) < 2:
		return proto.Wait
	case b[0] == version4:
		if answer[0] != 0 || answer[1] < granted4 || answer[1] > granted4+3 {
			return proto.No
		}
		return proto.Sure
	}
	if answer[0] != version5 || answer[1] != noMethod && bytes.IndexByte(b[2:2+int(b[1])], answer[1]) < 0 {
		return proto.No
	}
	return proto.Sure
}

// request4 says whether bytes can be a request of version 4, and whether it is complete.
func request4(b []byte) (likely, whole bool) {
	const head = 8
	if len(b) > 1 && b[1] != connect && b[1] != bind {
		return false, false
	}
	if len(b) < head {
		return true, false
	}
	rest := b[head:]
	for range names4(b) {
		i := bytes.IndexByte(rest, 0)
		if i < 0 {
			return len(rest) <= 255 && printable(rest), false
		}
		if !printable(rest[:i]) {
			return false, false
		}
		rest = rest[i+1:]
	}
	return true, true
}

// names4 is how many names a request of version 4 has: that of the user, and in 4a that of the host.
func names4(b []byte) int {
	if b[4] == 0 && b[5] == 0 && b[6] == 0 && b[7] != 0 {
		return 2
	}
	return 1
}

func printable(b []byte) bool {
	return bytes.IndexFunc(b, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

type parser struct {
	proto.Base
	client  proto.Dir
	known   bool
	version byte
	method  byte
	chosen  bool // the method
	passed  bool // it needs no authentication, or that has succeeded
	command byte // of the request; 0: none yet
	bound   bool // the first of the two answers to BIND has come
	asked   proto.Queue
}

func (p *parser) Held() int { return 64 + p.asked.Held() }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if !p.known {
		p.client, p.known, p.version = d, true, b[0]
	}
	switch {
	case d == p.client && p.command != 0:
		if p.command == associate {
			return len(b)
		}
		return 0 // data for the other end, sent before it is known whether it is there
	case d == p.client && p.version == version4:
		return p.request4(c, d, b)
	case d == p.client:
		return p.client5(c, d, b)
	case p.version == version4:
		return p.answer4(c, d, b)
	}
	return p.server5(c, d, b)
}

func (p *parser) message(c *proto.Conv, kind event.MessageKind, d proto.Dir, size, n int) *event.Message {
	m := c.Message(kind, d)
	m.Bytes = int64(size)
	version := "5"
	if p.version == version4 {
		version = "4"
	}
	m.Fields = append(c.Fields(n+1), event.Field{Key: keyVersion, Text: version})
	return m
}

// ask emits a request for a command.
func (p *parser) ask(c *proto.Conv, m *event.Message, command byte, host string, port uint16) {
	name := "command " + strconv.Itoa(int(command))
	switch command {
	case connect:
		name = "CONNECT"
	case bind:
		name = "BIND"
	case associate:
		name = "UDP ASSOCIATE"
	}
	p.command = command
	m.Text, m.Group, m.Relayed = name+" "+hostPort(host, port), name, true
	m.Fields = append(m.Fields, event.Field{Key: keyCommand, Text: name}, event.Field{Key: httpkey.Address, Text: host}, event.Field{Key: httpkey.Port, Num: int64(port)})
	p.asked.Push(c.Ask(m))
}

func hostPort(host string, port uint16) string {
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a, port).String()
	}
	return host + ":" + strconv.Itoa(int(port))
}

// answer emits the answer to a command, after which the proxy passes bytes on.
func (p *parser) answer(c *proto.Conv, m *event.Message, failure string) {
	if m.Text = "succeeded"; failure != "" {
		m.Text, m.Error = failure, failure
	}
	if p.command == bind && failure == "" && !p.bound {
		p.bound = true
		m.Kind, m.Text = event.MessageNotice, "listens"
		if x := p.asked.First(); x != nil {
			m.Exchange = x.ID
		}
		c.Emit(m)
		return
	}
	x := p.asked.Pop()
	c.Close(&x, m)
	c.Emit(m)
	if failure == "" && p.command != associate {
		c.Switch(nil)
	}
}

func (p *parser) request4(c *proto.Conv, d proto.Dir, b []byte) int {
	likely, whole := request4(b)
	if !likely || b[0] != version4 {
		c.Fail("not a request of SOCKS 4")
		return 0
	}
	if !whole {
		return 0
	}
	const head = 8
	a, _ := netip.AddrFromSlice(b[4:head])
	host := a.String()
	user, rest, _ := bytes.Cut(b[head:], []byte{0})
	size := head + len(user) + 1
	if names4(b) > 1 {
		name, _, _ := bytes.Cut(rest, []byte{0})
		host = string(name)
		size += len(name) + 1
	}
	m := p.message(c, event.MessageRequest, d, size, 4)
	if len(user) > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keyUser, Text: proto.Text(user)})
	}
	p.ask(c, m, b[1], host, binary.BigEndian.Uint16(b[2:]))
	return size
}

func (p *parser) answer4(c *proto.Conv, d proto.Dir, b []byte) int {
	if len(b) < replied4 {
		return 0
	}
	failure := ""
	switch b[1] {
	case granted4:
	case granted4 + 1:
		failure = "rejected or failed"
	case granted4 + 2:
		failure = "identd cannot be reached"
	case granted4 + 3:
		failure = "identd reports another user"
	default:
		c.Fail("not an answer of SOCKS 4")
		return 0
	}
	m := p.message(c, event.MessageAnswer, d, replied4, 1)
	if a, _ := netip.AddrFromSlice(b[4:replied4]); !a.IsUnspecified() {
		m.Fields = append(m.Fields, event.Field{Key: keyBound, Text: hostPort(a.String(), binary.BigEndian.Uint16(b[2:]))})
	}
	p.answer(c, m, failure)
	return replied4
}

// client5 reads the greeting, the authentication, or the request.
func (p *parser) client5(c *proto.Conv, d proto.Dir, b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch {
	case p.asked.Len() == 0 && !p.chosen:
		return p.greeting(c, d, b)
	case p.chosen && p.method == withGSSAPI:
		c.Skip(d, -1) // encapsulated
		return len(b)
	case b[0] == 1:
		return p.login(c, d, b)
	case b[0] == version5:
		host, port, size := address(b)
		if size > 0 {
			p.ask(c, p.message(c, event.MessageRequest, d, size, 3), b[1], host, port)
		}
		if size >= 0 {
			return size
		}
	}
	c.Fail("not a request of SOCKS 5")
	return 0
}

func (p *parser) greeting(c *proto.Conv, d proto.Dir, b []byte) int {
	size := 2 + int(b[1])
	if b[0] != version5 || b[1] == 0 {
		c.Fail("not a greeting of SOCKS 5")
		return 0
	}
	if len(b) < size {
		return 0
	}
	const most = 8
	m := p.message(c, event.MessageRequest, d, size, most)
	m.Text, m.Group = "greeting", "greeting"
	for _, method := range b[2:min(size, 2+most)] {
		m.Fields = append(m.Fields, event.Field{Key: keyMethods, Text: methodName(method)})
	}
	p.asked.Push(c.Ask(m))
	return size
}

func methodName(n byte) string {
	switch n {
	case 0:
		return "no authentication"
	case withGSSAPI:
		return "GSSAPI"
	case withPassword:
		return "password"
	case noMethod:
		return "none is acceptable"
	}
	return "method " + strconv.Itoa(int(n))
}

// login reads a name and a password (RFC 1929).
func (p *parser) login(c *proto.Conv, d proto.Dir, b []byte) int {
	name := 2 + int(b[1])
	if len(b) <= name {
		return 0
	}
	size := name + 1 + int(b[name])
	if len(b) < size {
		return 0
	}
	m := p.message(c, event.MessageRequest, d, size, 2)
	m.Text, m.Group = "login", "login"
	m.Fields = append(m.Fields, event.Field{Key: keyUser, Text: proto.Text(b[2:name])}, event.Field{Key: keyPassword, Text: c.Secret(proto.Text(b[name+1 : size]))})
	p.asked.Push(c.Ask(m))
	return size
}

// address reads the address of a request or an answer of version 5; size is 0 if it is not complete, -1 if there is none such.
func address(b []byte) (host string, port uint16, size int) {
	const head = 4
	if len(b) <= head {
		return "", 0, 0
	}
	n := 0
	switch b[3] {
	case 1:
		n = 4
	case 3:
		n = 1 + int(b[head])
	case 4:
		n = 16
	default:
		return "", 0, -1
	}
	if size = head + n + 2; len(b) < size {
		return "", 0, 0
	}
	if a := b[head : head+n]; b[3] == 3 {
		host = string(a[1:])
	} else {
		ip, _ := netip.AddrFromSlice(a)
		host = ip.String()
	}
	return host, binary.BigEndian.Uint16(b[head+n:]), size
}

// server5 reads the choice of a method, the result of the authentication, or the answer to the request.
func (p *parser) server5(c *proto.Conv, d proto.Dir, b []byte) int {
	const short = 2
	if len(b) < short {
		return 0
	}
	switch {
	case !p.chosen && b[0] == version5:
		p.method, p.chosen = b[1], true
		p.passed = b[1] != withPassword
		m := p.message(c, event.MessageAnswer, d, short, 0)
		if m.Text = methodName(b[1]); b[1] == noMethod {
			m.Error = m.Text
		}
		x := p.asked.Pop()
		c.Close(&x, m)
		c.Emit(m)
		return short
	case p.chosen && p.method == withGSSAPI:
		c.Skip(d, -1)
		return len(b)
	case p.chosen && !p.passed && b[0] == 1:
		p.passed = true
		m := p.message(c, event.MessageAnswer, d, short, 0)
		if m.Text = "accepted"; b[1] != 0 {
			m.Text, m.Error = "refused", "refused"
		}
		x := p.asked.Pop()
		c.Close(&x, m)
		c.Emit(m)
		return short
	case p.chosen && p.passed && p.command != 0 && b[0] == version5:
		host, port, size := address(b)
		if size > 0 {
			m := p.message(c, event.MessageAnswer, d, size, 1)
			m.Fields = append(m.Fields, event.Field{Key: keyBound, Text: hostPort(host, port)})
			p.answer(c, m, failure(b[1]))
		}
		if size >= 0 {
			return size
		}
	}
	c.Fail("not an answer of SOCKS 5")
	return 0
}

var failures = [...]string{
	1: "general failure", 2: "not allowed by ruleset", 3: "network unreachable", 4: "host unreachable", 5: "connection refused", 6: "TTL expired", 7: "command not supported",
	8: "address type not supported",
}

// failure returns what an answer of version 5 says; nothing if it is a success.
func failure(n byte) string {
	if int(n) < len(failures) {
		return failures[n]
	}
	return "failure " + strconv.Itoa(int(n))
}
