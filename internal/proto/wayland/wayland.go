// Package wayland recognizes the Wayland protocol (https://wayland.freedesktop.org/docs/html/ch04.html). Of a connection only its
// beginning is shown.
package wayland

import (
	"encoding/binary"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Protocol is Wayland.
var Protocol = &proto.Protocol{
	Name: "wayland", Title: "Wayland",
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys:   []*event.Key{keySocket},
}

var keySocket = &event.Key{Name: "wayland.socket"}

// first is the size of the first message of a client: a request to the display for the registry, or for a callback.
const first = 12

// detect accepts the first message of a client, and the path of a compositor's socket.
func detect(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	switch {
	case !h.Stream || len(b) == 0:
		return proto.No
	case socket(h.Path) != "":
		return proto.Sure
	case !h.Start || h.Local != 0 || h.Peer != 0:
		return proto.No // it has no ports
	}
	v := begins(b)
	if v == proto.Wait && h.Turned() {
		return proto.No
	}
	return v
}

// socket returns the name of the socket in a path; empty if it is not one of Wayland.
func socket(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if !strings.HasPrefix(name, "wayland-") || strings.HasSuffix(name, ".lock") {
		return ""
	}
	return name
}

// begins compares bytes with object 1, the size and the number of a request, and the first number that a client gives to an
// object, in either order of bytes.
func begins(b []byte) proto.Verdict {
	for _, order := range [...]binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for request := range uint32(2) {
			want := order.AppendUint32(order.AppendUint32(order.AppendUint32(nil, 1), first<<16|request), 2)
			switch n := min(len(b), first); {
			case string(b[:n]) != string(want[:n]):
			case n < first:
				return proto.Wait
			default:
				return proto.Sure
			}
		}
	}
	return proto.No
}

type parser struct{ proto.Base }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	v := begins(b)
	if v == proto.Wait && c.Start() {
		return 0
	}
	p.begin(c, d, v == proto.Sure && c.Start())
	return len(b)
}

// begin emits that there is a connection.
func (p *parser) begin(c *proto.Conv, d proto.Dir, whole bool) {
	m := c.Message(event.MessageNotice, d)
	m.Text, m.Group = "connection", "connection"
	if whole {
		m.Bytes = first
	} else {
		m.Unsure = "its beginning was not recorded"
	}
	if name := socket(c.Conn().Path); name != "" {
		m.Fields = append(c.Fields(1), event.Field{Key: keySocket, Text: name})
	}
	c.Emit(m)
	c.Skip(proto.Out, -1)
	c.Skip(proto.In, -1)
}

func (p *parser) Lost(c *proto.Conv, d proto.Dir, _ int64) bool {
	p.begin(c, d, false)
	return true
}
