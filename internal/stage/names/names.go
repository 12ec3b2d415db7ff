// Package names is the stage that gives the peer of a connection the name that this end has called it
// there: the Host of an HTTP request, the server name of TLS. It is better than the name of a DNS
// answer, which is that of an address only.
package names

import (
	"net/netip"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
)

// Namer is the stage. It must come after the one that finds messages.
type Namer struct {
	called bounded.Index[uint32, *called] // by Conn.N
	recent [recent]struct {               // what called says of the last connections, by their last bits
		n uint32
		c *called
	}
	off bool
}

const recent = 64

// called is what the peer of a connection is called.
type called struct {
	name string
	from event.NameFrom
	// relayed means that the connection leads to others through its peer, whose names would be taken for the peer's.
	relayed    bool
	is, better *event.Conn // a connection as flow has it, and the same with the name
}

const (
	// keep is the number of connections that may be used before an unused one is dropped.
	keep = 1 << 15
	// maxName is the longest name of a host (RFC 1035, 2.3.4).
	maxName = 255
)

// New returns the stage for a new timeline. Its tables use the room. With off connections have no
// names, but those that stand in a file in place of addresses.
func New(room *bounded.Room, off bool) *Namer {
	n := &Namer{off: off}
	n.called.In(room, keep, func(c *called) int { return int(unsafe.Sizeof(*c)+unsafe.Sizeof(event.Conn{})) + len(c.name) })
	return n
}

// Add replaces the connections of an entry by ones with names.
func (n *Namer) Add(e *event.Entry, emit func(*event.Entry)) {
	if m, ok := e.Body.(*event.Message); ok && e.Conn != nil && !n.off {
		n.learn(e.Conn, m)
	}
	if e.Conn != nil {
		e.Conn = n.named(e.Conn)
	}
	for i, c := range e.Others {
		e.Others[i] = n.named(c)
	}
	emit(e)
}

// learn stores the name that a request has for its peer.
func (n *Namer) learn(c *event.Conn, m *event.Message) {
	if m.Dir != event.DirOut || m.Kind == event.MessageAnswer || m.Part == event.Rest || !m.Relayed && len(m.Fields) == 0 {
		return
	}
	k := n.get(c.N)
	if m.Relayed {
		n.put(c.N, &called{relayed: true})
		return
	}
	if k != nil && (k.relayed || k.from == event.FromSNI) || !c.Peer.IsValid() || c.PeerMade {
		return
	}
	for i := range m.Fields {
		f := &m.Fields[i]
		// The first name stays: what follows on a connection may be for another host at the same address.
		if f.Names != event.FromNowhere && (k == nil || f.Names > k.from) && isHost(f.Text) {
			n.put(c.N, &called{name: strings.Clone(f.Text), from: f.Names})
			return
		}
	}
}

// isHost reports whether a text is the name of a host, and not an address.
func isHost(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	_, err := netip.ParseAddr(s)
	return err != nil
}

func (n *Namer) get(conn uint32) *called {
	r := &n.recent[conn%recent]
	if r.n != conn {
		r.c, _ = n.called.Get(conn)
		r.n = conn
	}
	return r.c
}

func (n *Namer) put(conn uint32, k *called) {
	n.called.Put(conn, k)
	r := &n.recent[conn%recent]
	r.n, r.c = conn, k
}

// named returns the connection with the name of its peer.
func (n *Namer) named(c *event.Conn) *event.Conn {
	switch {
	case n.off:
		if c.PeerName == "" || c.PeerMade {
			return c
		}
		plain := *c
		plain.PeerName, plain.PeerFrom = "", event.FromNowhere
		return &plain
	case n.called.Size() == 0:
		return c
	}
	k := n.get(c.N)
	if k == nil || k.name == "" || k.better == c { // the stage before saw it after this one
		return c
	}
	if k.is != c {
		better := *c
		better.PeerName, better.PeerFrom = k.name, k.from
		k.is, k.better = c, &better
	}
	return k.better
}
