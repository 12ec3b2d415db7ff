package decode

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/strace"
)

// maxPieces bounds the pieces of a call of another tool: strace prints no more elements by default.
const maxPieces = 64

// straceData sets the payload of a call, as far as strace has printed it.
func (d *Decoder) straceData(c *event.Call, args [][]byte) {
	if c.Redacted || c.Ret <= 0 || c.Errno != "" || len(args) < 2 || !c.Role.Has(event.Sends|event.Receives) {
		return
	}
	var list [maxPieces]event.Piece
	pieces := list[:0]
	if many := c.Role.Has(event.Sends|event.Receives) && !c.Role.Has(event.CountsBytes); many {
		pieces = d.straceMessages(c, args[1], pieces)
	} else if c.Bytes > 0 {
		pieces = d.straceBuffers(args[1], c.Bytes, 0, pieces)
		if c.Addr.IsValid() {
			for i := range pieces {
				pieces[i].Peer = c.Addr
			}
		}
	}
	if len(pieces) > 0 {
		c.Payload = d.arena.Pieces(len(pieces))
		copy(c.Payload, pieces)
	}
}

// straceMessages adds the messages of sendmmsg or recvmmsg: [{msg_hdr={...}, msg_len=33}, ...].
func (d *Decoder) straceMessages(c *event.Call, arg []byte, pieces []event.Piece) []event.Piece {
	list := strace.In(arg)
	for i := range c.Ret {
		m, ok := list.Next()
		if !ok {
			break
		}
		n, ok := strace.Field(m, "msg_len")
		if !ok {
			break
		}
		size, ok := strace.Int(n)
		if !ok || size < 0 {
			break
		}
		c.Bytes += size
		c.In = c.Role.Has(event.Receives)
		if h, ok := strace.Field(m, "msg_hdr"); ok {
			pieces = d.straceBuffers(h, size, int(i), pieces)
		}
	}
	return pieces
}

// straceBuffers adds the buffers of an argument, which is a string, an array of iovecs or a msghdr, with the first n bytes.
func (d *Decoder) straceBuffers(arg []byte, n int64, msg int, pieces []event.Piece) []event.Piece {
	from := len(pieces)
	add := func(text []byte, size int64) {
		if len(pieces) == cap(pieces) || size <= 0 {
			return
		}
		room := d.arena.Bytes(len(text))
		data, _, ok := strace.String(room[:0], text)
		if !ok {
			data = nil
		}
		p := event.Piece{Data: data[:min(int64(len(data)), size)], Len: size, Msg: msg}
		pieces = append(pieces, p)
		n -= size
	}
	if value := strace.Value(arg); len(value) > 0 && value[0] == '"' {
		add(arg, n)
		return pieces
	}
	iov := arg
	if f, ok := strace.Field(arg, "msg_iov"); ok {
		iov = f
	}
	for list := strace.In(iov); n > 0; {
		v, ok := list.Next()
		if !ok {
			break
		}
		base, hasBase := strace.Field(v, "iov_base")
		length, hasLen := strace.Field(v, "iov_len")
		if !hasBase || !hasLen {
			break
		}
		size, ok := strace.Int(length)
		if !ok {
			break
		}
		add(base, min(size, n))
	}
	if name, ok := strace.Field(arg, "msg_name"); ok {
		if out, ok := strace.Sockaddr(d.path[:0], name, &d.addr); ok {
			d.path = out
			for i := from; i < len(pieces); i++ {
				pieces[i].Peer = d.addr.AddrPort
			}
		}
	}
	return pieces
}
