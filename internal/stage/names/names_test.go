package names

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto/httpkey"
	"github.com/pidwire/pidwire/internal/proto/tls"
)

// add passes an entry through the stage, and returns the connection that it has after it.
func add(t *testing.T, n *Namer, c *event.Conn, b event.Body) *event.Conn {
	t.Helper()
	e := event.Entry{Event: event.Event{Body: b}, Conn: c}
	passed := 0
	n.Add(&e, func(out *event.Entry) {
		if passed++; out != &e {
			t.Error("another entry came out")
		}
	})
	if passed != 1 {
		t.Errorf("the entry came out %d times", passed)
	}
	return e.Conn
}

func asked(fields ...event.Field) *event.Message {
	return &event.Message{Kind: event.MessageRequest, Dir: event.DirOut, Fields: fields}
}

func host(s string) event.Field { return event.Field{Key: httpkey.Address, Text: s} }
func sni(s string) event.Field  { return event.Field{Key: tls.KeyServerName, Text: s} }

func TestNames(t *testing.T) {
	answer, in, relayed := asked(host("web.test")), asked(host("web.test")), asked(host("web.test"))
	answer.Kind, in.Dir, relayed.Relayed = event.MessageAnswer, event.DirIn, true
	for _, c := range []struct {
		name     string
		messages []*event.Message
		want     string
		from     event.NameFrom
	}{
		{"host", []*event.Message{asked(host("web.test"))}, "web.test", event.FromHost},
		{"the first stays", []*event.Message{asked(host("web.test")), asked(host("other.test"))}, "web.test", event.FromHost},
		{"sni before host", []*event.Message{asked(sni("web.test")), asked(host("other.test"))}, "web.test", event.FromSNI},
		{"sni after host", []*event.Message{asked(host("web.test")), asked(sni("secure.test"))}, "secure.test", event.FromSNI},
		{"address", []*event.Message{asked(host("127.0.0.1")), asked(host("::1"))}, "looked.up", event.FromDNS},
		{"hostile", []*event.Message{asked(host("a b")), asked(host("a\x1b[2J")), asked(host("")), asked(host(strings.Repeat("a", 256)))}, "looked.up", event.FromDNS},
		{"server", []*event.Message{in}, "looked.up", event.FromDNS},
		{"answer", []*event.Message{answer}, "looked.up", event.FromDNS},
		{"proxy", []*event.Message{relayed, asked(host("web.test")), asked(sni("web.test"))}, "looked.up", event.FromDNS},
		{"proxy later", []*event.Message{asked(host("proxy.test")), relayed}, "looked.up", event.FromDNS},
	} {
		n := New(new(bounded.Room), false)
		is := &event.Conn{N: 7, Peer: netip.MustParseAddrPort("127.0.0.1:80"), PeerName: "looked.up", PeerFrom: event.FromDNS}
		other := &event.Conn{N: 8, Peer: is.Peer}
		var got *event.Conn
		for _, m := range c.messages {
			add(t, n, is, m)
			if o := add(t, n, other, &event.Call{}); o != other {
				t.Errorf("%s: another connection has a name, too", c.name)
			}
		}
		got = add(t, n, is, &event.Call{})
		if got.PeerName != c.want || got.PeerFrom != c.from || got.N != is.N {
			t.Errorf("%s: %q from %v, want %q from %v", c.name, got.PeerName, got.PeerFrom, c.want, c.from)
		}
		if is.PeerName != "looked.up" {
			t.Errorf("%s: the connection of other stages was changed", c.name)
		}
		if again := add(t, n, is, &event.Call{}); again != got && got != is {
			t.Errorf("%s: the same connection has been copied again", c.name)
		}
	}
}

// TestOff checks that there are no names but those of files.
func TestOff(t *testing.T) {
	n := New(new(bounded.Room), true)
	is := &event.Conn{N: 7, Peer: netip.MustParseAddrPort("127.0.0.1:80"), PeerName: "looked.up", PeerFrom: event.FromDNS}
	made := &event.Conn{N: 8, Peer: is.Peer, PeerName: "file", PeerMade: true, PeerFrom: event.FromFile}
	if got := add(t, n, is, asked(host("web.test"))); got.PeerName != "" || got.PeerFrom != event.FromNowhere {
		t.Errorf("%q", got.PeerName)
	}
	if got := add(t, n, made, asked(host("web.test"))); got != made {
		t.Errorf("%q", got.PeerName)
	}
}

// TestOthers checks the further connections of an entry.
func TestOthers(t *testing.T) {
	n := New(new(bounded.Room), false)
	is := &event.Conn{N: 7, Peer: netip.MustParseAddrPort("127.0.0.1:80")}
	add(t, n, is, asked(host("web.test")))
	e := event.Entry{Event: event.Event{Body: &event.Call{}}, Others: []*event.Conn{{N: 9}, is}}
	n.Add(&e, func(*event.Entry) {})
	if e.Others[0].PeerName != "" || e.Others[1].PeerName != "web.test" {
		t.Errorf("%q, %q", e.Others[0].PeerName, e.Others[1].PeerName)
	}
}
