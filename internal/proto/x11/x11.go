// Package x11 recognizes the X Window System's protocol (https://www.x.org/releases/current/doc/xproto/x11protocol.html). Of a
// connection only its beginning is shown.
package x11

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Protocol is X11.
var Protocol = &proto.Protocol{
	Name: "x11", Title: "X11",
	Ports:  []uint16{6000, 6001, 6010, 6011, 6012},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keyVersion, keyAuth, keyDisplay},
}

var (
	keyVersion = &event.Key{Name: "x11.version", Label: "version"}
	keyAuth    = &event.Key{Name: "x11.authorization"}
	keyDisplay = &event.Key{Name: "x11.display", Label: "display"}
)

const (
	headSize = 12
	maxName  = 64
	sockets  = "/tmp/.X11-unix/X"
)

// detect accepts the first message of a client, and the path of a server's socket.
func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	switch {
	case !h.Stream || len(b) == 0:
		return proto.No
	case display(h.Path) != "":
		return proto.Sure
	case !h.Start:
		return proto.No
	}
	_, _, v := setup(b)
	if v == proto.Wait && h.Turned() {
		return proto.No
	}
	return v
}

// display returns the number in the path of a socket; empty if it is not one of X.
func display(path string) string {
	n, ok := strings.CutPrefix(strings.TrimPrefix(path, "\x00"), sockets)
	if !ok || len(n) > 5 {
		return ""
	}
	return n
}

// setup reads the first message of a client: the order of bytes, the version, and the name of the authorization.
func setup(b []byte) (version string, auth []byte, v proto.Verdict) {
	var order binary.ByteOrder = binary.LittleEndian
	if b[0] == 'B' {
		order = binary.BigEndian
	} else if b[0] != 'l' {
		return "", nil, proto.No
	}
	switch {
	case len(b) > 1 && b[1] != 0:
		return "", nil, proto.No
	case len(b) < headSize:
		return "", nil, proto.Wait
	}
	major, n, data := order.Uint16(b[2:]), int(order.Uint16(b[6:])), int(order.Uint16(b[8:]))
	if major != 11 || n > maxName || data > 256 || (n == 0) != (data == 0) || order.Uint16(b[10:]) != 0 {
		return "", nil, proto.No
	}
	if len(b) < headSize+n {
		return "", nil, proto.Wait
	}
	for _, c := range b[headSize : headSize+n] {
		if c <= ' ' || c > '~' {
			return "", nil, proto.No
		}
	}
	return "11." + strconv.Itoa(int(order.Uint16(b[4:]))), b[headSize : headSize+n], proto.Sure
}

type parser struct{ proto.Base }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	version, auth, v := setup(b)
	if v == proto.Wait && c.Start() {
		return 0
	}
	p.begin(c, d, version, auth, v == proto.Sure && c.Start())
	return len(b)
}

// begin emits that there is a connection.
func (p *parser) begin(c *proto.Conv, d proto.Dir, version string, auth []byte, whole bool) {
	m := c.Message(event.MessageNotice, d)
	m.Text, m.Group = "connection", "connection"
	m.Fields = c.Fields(3)
	if whole {
		m.Bytes = int64(headSize + len(auth))
		m.Fields = append(m.Fields, event.Field{Key: keyVersion, Text: version})
		if len(auth) > 0 {
			m.Fields = append(m.Fields, event.Field{Key: keyAuth, Text: proto.Text(auth)})
		}
	} else {
		m.Unsure = "its beginning was not recorded"
	}
	if n := display(c.Conn().Path); n != "" {
		m.Fields = append(m.Fields, event.Field{Key: keyDisplay, Text: ":" + n})
	}
	c.Emit(m)
	c.Skip(proto.Out, -1)
	c.Skip(proto.In, -1)
}

func (p *parser) Lost(c *proto.Conv, d proto.Dir, _ int64) bool {
	p.begin(c, d, "", nil, false)
	return true
}
