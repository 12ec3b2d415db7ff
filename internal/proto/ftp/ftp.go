// Package ftp reads the control connection of FTP (RFC 959), with TLS (RFC 4217) and extended passive mode (RFC 2428).
package ftp

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/replies"
)

// Protocol is FTP.
var Protocol = &proto.Protocol{
	Name: "ftp", Title: "FTP",
	Ports:  []uint16{21, 2121},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyCommand, keyCode, keyData},
}

var (
	keyCommand = &event.Key{Name: "ftp.command", Form: event.FormQuiet}
	keyCode    = &event.Key{Name: "ftp.reply_code", Form: event.FormCount}
	keyData    = &event.Key{Name: "ftp.data.address", Label: "data"}
)

// verbs are the commands.
var verbs = map[string]bool{
	"USER": true, "PASS": true, "ACCT": true, "CWD": true, "CDUP": true, "SMNT": true, "QUIT": true, "REIN": true, "PORT": true, "PASV": true, "TYPE": true, "STRU": true, "MODE": true,
	"RETR": true, "STOR": true, "STOU": true, "APPE": true, "ALLO": true, "REST": true, "RNFR": true, "RNTO": true, "ABOR": true, "DELE": true, "RMD": true, "MKD": true, "PWD": true,
	"LIST": true, "NLST": true, "SITE": true, "SYST": true, "STAT": true, "HELP": true, "NOOP": true, "AUTH": true, "ADAT": true, "PROT": true, "PBSZ": true, "CCC": true, "MIC": true,
	"CONF": true, "ENC": true, "EPRT": true, "EPSV": true, "FEAT": true, "OPTS": true, "LANG": true, "MDTM": true, "SIZE": true, "MLSD": true, "MLST": true, "HOST": true, "CLNT": true,
	"XPWD": true, "XCWD": true, "XMKD": true, "XRMD": true, "XCUP": true, "MFMT": true, "HASH": true,
}

func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 {
		return proto.No
	}
	greeting, line := replies.Begins(b)
	switch {
	case greeting == proto.No && !h.Start:
		return old(b)
	case greeting != proto.Maybe:
		return greeting
	case replies.Has(line, "smtp"):
		return proto.No
	case replies.Has(line, "ftp"):
		return proto.Sure
	}
	// Others greet like this too: the first command of the client tells.
	other := h.Data[h.First.Other()]
	first, size := replies.Line(other)
	switch {
	case len(other) < 256 && size == 0:
		return proto.Wait
	case size == 0:
		return proto.No
	}
	switch verb, _ := replies.Verb(first); verb {
	case "USER", "FEAT", "SYST", "CLNT", "HOST":
		return proto.Sure
	case "AUTH", "QUIT", "NOOP", "HELP":
		return proto.Maybe
	}
	return proto.No
}

// old says whether b begins with a command on a connection that was open before.
func old(b []byte) proto.Verdict {
	line, size := replies.Line(b)
	if size == 0 {
		return proto.No
	}
	if verb, _ := replies.Verb(line); verbs[verb] && bin.Printable(line) {
		return proto.Maybe
	}
	return proto.No
}

// Kinds of requests.
const (
	plain = iota
	auth
)

type parser struct {
	proto.Base
	client proto.Dir
	known  bool
	queue  proto.Queue
	reply  replies.Reply
}

func (p *parser) Held() int { return int(unsafe.Sizeof(*p)) + p.queue.Held() + p.reply.Held() }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if !p.known {
		p.known, p.client = true, d
		if _, _, _, ok := replies.Code(b[:min(len(b), 4)]); ok {
			p.client = d.Other()
		}
	}
	line, size := replies.Line(b)
	if size == 0 {
		if len(b) > replies.MaxLine {
			c.Fail("a line that is too long")
		}
		return 0
	}
	if d == p.client {
		p.request(c, d, line, size)
	} else {
		p.answer(c, d, line, size)
	}
	return size
}

func (p *parser) request(c *proto.Conv, d proto.Dir, line []byte, size int) {
	// Before ABOR there are commands of Telnet.
	line = bytes.TrimLeft(line, "\xff\xf4\xf2\xf1")
	verb, rest := replies.Verb(line)
	if verb == "" || !verbs[verb] && len(verb) > 4 {
		c.Fail("not a command of FTP")
		return
	}
	m := c.Message(event.MessageRequest, d)
	m.Bytes = int64(size)
	m.Text, m.Group = verb, verb
	if len(rest) > 0 {
		shown := proto.Text(rest[:min(len(rest), 400)])
		switch verb {
		case "PASS", "ACCT", "ADAT", "MIC", "CONF", "ENC":
			shown = c.Secret(shown)
		}
		m.Text = verb + " " + shown
	}
	m.Fields = append(c.Fields(1), event.Field{Key: keyCommand, Text: verb})
	x := c.Ask(m)
	x.Kind = plain
	if verb == "AUTH" {
		x.Kind = auth
	}
	p.queue.Push(x)
}

func (p *parser) answer(c *proto.Conv, d proto.Dir, line []byte, size int) {
	whole, ok := p.reply.Add(c, line, size)
	switch {
	case !ok:
		c.Fail("not a reply of FTP")
		return
	case !whole:
		return
	}
	code, text := p.reply.Code, p.reply.Text
	if code == 334 || code == 335 || code == 235 {
		p.reply.Text = "" // a part of the authentication
	}
	m, at := p.reply.Message(c, d)
	m.Fields = append(c.Fields(2), event.Field{Key: keyCode, Num: int64(code)})
	switch code {
	case 227, 229:
		if address := passive(code, text); address != "" {
			m.Fields = append(m.Fields, event.Field{Key: keyData, Text: address})
		}
	}
	if code < 200 {
		m.Kind = event.MessageNotice // another reply follows
		if x := p.queue.First(); x != nil {
			m.Exchange = x.ID
		}
		c.EmitAt(m, at)
		return
	}
	x := p.queue.Pop()
	if !x.Known() {
		m.Kind = event.MessageNotice
	}
	c.Close(&x, m)
	c.EmitAt(m, at)
	if x.Kind == auth && code == 234 {
		c.Switch(nil)
	}
}

// passive returns where the server waits for the connection with the data.
func passive(code int, text string) string {
	_, rest, ok := strings.Cut(text, "(")
	in, _, closed := strings.Cut(rest, ")")
	if !ok || !closed {
		return ""
	}
	if code == 229 { // |||6446|
		port, err := strconv.ParseUint(strings.Trim(in, "|"), 10, 16)
		if err != nil {
			return ""
		}
		return ":" + strconv.FormatUint(port, 10)
	}
	var b [6]byte
	parts := strings.Split(in, ",")
	if len(parts) != len(b) {
		return ""
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(strings.TrimSpace(part), 10, 8)
		if err != nil {
			return ""
		}
		b[i] = byte(n)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), uint16(b[4])<<8|uint16(b[5])).String()
}
